import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatGroupHandle,
  formatHandle,
  formatSnapshotHandle,
  isRecordName,
  nameRecord,
  parseGroupHandle,
  parseHandle,
  parseSnapshotHandle,
} from './handle.ts';

const poolName = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);

describe('a handle', () => {
  it('is read back as it was written, and fits a CSI string', () => {
    fc.assert(
      fc.property(poolName, fc.string({ unit: 'binary', maxLength: 200 }), (pool, requested) => {
        const handle = { pool, name: nameRecord(requested) };
        const text = formatHandle(handle);
        expect(parseHandle(text)).toEqual(handle);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(128);
      }),
    );
  });

  it('of one sort is never taken for another', () => {
    fc.assert(
      fc.property(poolName, fc.string({ unit: 'binary', maxLength: 200 }), (pool, requested) => {
        const handle = { pool, name: nameRecord(requested, 'snapshot') };
        const [volume, snapshot, group] = [
          formatHandle(handle),
          formatSnapshotHandle(handle),
          formatGroupHandle(handle.name),
        ];
        expect([parseHandle(volume), parseHandle(snapshot), parseHandle(group)]).toEqual([
          handle,
          undefined,
          undefined,
        ]);
        expect([volume, snapshot, group].map(parseSnapshotHandle)).toEqual([undefined, handle, undefined]);
        expect([volume, snapshot, group].map(parseGroupHandle)).toEqual([undefined, undefined, handle.name]);
        expect(Buffer.byteLength(snapshot)).toBeLessThanOrEqual(128);
      }),
    );
  });

  it('never names anything but a plain file', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const handle = parseHandle(text);
        if (handle === undefined) return;
        expect(formatHandle(handle)).toBe(text);
        expect(handle.name).toMatch(/^[a-z0-9][a-z0-9.-]*$/);
        expect(handle.name).not.toContain('..');
      }),
    );
  });

  it.each([
    '',
    '/',
    'main',
    'main/',
    '/x',
    'main/a/b',
    'main/../x',
    'main/..',
    'main/.x',
    'Main/x',
    'main/X',
    'main/a\0',
    'main/ä',
  ])('refuses %j', (text) => expect(parseHandle(text)).toBeUndefined());
});

describe('the name of a record', () => {
  it('is the requested one where that is plain', () => {
    expect(nameRecord('pvc-0d5c1f5e-8f0c-4f5a-9d9e-1f1f1f1f1f1f')).toBe('pvc-0d5c1f5e-8f0c-4f5a-9d9e-1f1f1f1f1f1f');
  });

  it('differs for different requests, whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(nameRecord(a) === nameRecord(b)).toBe(a === b);
      }),
    );
  });

  it('cannot be claimed by asking for a hash', () => {
    const hashed = nameRecord('Upper');
    expect(isRecordName(hashed)).toBe(true);
    expect(nameRecord(hashed)).not.toBe(hashed);
  });
});
