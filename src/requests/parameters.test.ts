import { describe, expect, it } from 'vitest';
import { parseClaim, parseMutableParameters, parseParameters } from './parameters.ts';

describe('StorageClass parameters', () => {
  it('are read, with what Kubernetes adds left aside', () => {
    const raw = {
      pool: 'main',
      mode: '02770',
      uid: '0',
      gid: '7',
      onDelete: 'archive',
      existing: 'adopt',
      'csi.storage.k8s.io/pv/name': 'x',
    };
    expect(parseParameters(raw, 'parameters')).toEqual({
      pool: 'main',
      existing: 'adopt',
      settings: { mode: 0o2770, uid: 0, gid: 7, onDelete: 'archive' },
    });
  });

  it.each([
    [
      { server: 'nas' },
      'parameters: expected only the keys pool, directory, mode, uid, gid, onDelete, compression, existing, got "server"',
    ],
    [{ mode: '999' }, 'parameters.mode: expected an octal mode like "0770", got "999"'],
    [{ uid: '-1' }, 'parameters.uid: expected a number from 0 to 4294967294, got "-1"'],
    [{ gid: '4294967295' }, 'parameters.gid: expected a number from 0 to 4294967294, got "4294967295"'],
    [{ onDelete: 'shred' }, 'parameters.onDelete: expected delete or retain or archive, got "shred"'],
    [{ existing: '' }, 'parameters.existing: expected fail or adopt, got ""'],
  ])('%j is refused in words', (raw, message) =>
    expect(() => parseParameters(raw as never, 'parameters')).toThrow(message),
  );

  it('change later only where that makes sense', () => {
    expect(parseMutableParameters({ onDelete: 'retain' }, 'mutable_parameters')).toEqual({ onDelete: 'retain' });
    expect(() => parseMutableParameters({ directory: 'x' }, 'mutable_parameters')).toThrow(
      /only the keys mode, uid, gid, onDelete/,
    );
  });

  it('tell the claim when it is named as Kubernetes names things', () => {
    const named = (namespace: string, name: string) =>
      parseClaim({ 'csi.storage.k8s.io/pvc/namespace': namespace, 'csi.storage.k8s.io/pvc/name': name }, 'parameters');
    expect(named('shop', 'a.b')).toEqual({ namespace: 'shop', name: 'a.b' });
    expect(() => named('..', 'a')).toThrow(/DNS label/);
    expect(() => named('a', '../b')).toThrow(/DNS name/);
    expect(() => named('a', 'a..b')).toThrow(/DNS name/);
    expect(parseClaim({}, 'parameters')).toBeUndefined();
  });
});
