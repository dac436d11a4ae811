import { join, normalize } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DriverError } from '../errors/errors.ts';
import { componentsOf, isBelow, overlap, parseDirectory, parseKubeletPath } from './paths.ts';

const tricky = fc.array(fc.constantFrom('a', '..', '.', '', '/', '\\', '\0', '\n', '.csi-subdir', 'ä', '%2e%2e', 'b'), {
  maxLength: 8,
});
const path = fc.oneof(
  fc.string({ unit: 'binary' }),
  tricky.map((parts) => parts.join('')),
  tricky.map((parts) => parts.join('/')),
);

const accepted = (text: string) => {
  try {
    return parseDirectory(text);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DriverError);
    return undefined;
  }
};

describe('a directory', () => {
  it('that is accepted lies strictly below the root and outside our own folder', () => {
    fc.assert(
      fc.property(path, (text) => {
        const directory = accepted(text);
        if (directory === undefined) return;
        expect(isBelow('/root', join('/root', directory))).toBe(true);
        expect(normalize(directory)).toBe(directory);
        expect(componentsOf(directory)[0]).not.toBe('.csi-subdir');
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['a', 'a/b/c', 'ä', 'a b', '..a', 'a..', '-rf', '%2e%2e', 'a\\b', 'x/.csi-subdir'])('accepts %j', (text) =>
    expect(parseDirectory(text)).toBe(text),
  );

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    'a/./b',
    '.csi-subdir',
    '.csi-subdir/trash',
    'a\0',
    'a\nb',
    'a'.repeat(256),
  ])('refuses %j and names the field', (text) =>
    expect(() => parseDirectory(text, 'volume_context.directory')).toThrow(/^volume_context\.directory: expected/),
  );

  it('overlaps what it contains and what contains it, by components', () => {
    const [a, ab, abc, abx] = ['a', 'a/b', 'a/b/c', 'a/bx'].map((text) => parseDirectory(text)) as [
      never,
      never,
      never,
      never,
    ];
    expect([overlap(a, ab), overlap(abc, ab), overlap(ab, ab), overlap(ab, abx)]).toEqual([true, true, true, false]);
  });
});

describe('a path of the kubelet', () => {
  it('answers what follows the kubelet folder', () => {
    expect(parseKubeletPath('/var/lib/kubelet/pods/x', '/var/lib/kubelet', 'target_path')).toBe('/pods/x');
  });

  it('is accepted only strictly below the kubelet folder', () => {
    fc.assert(
      fc.property(path, (text) => {
        let rest: string;
        try {
          rest = parseKubeletPath(`/k/${text}`, '/k', 'target_path');
        } catch {
          return;
        }
        expect(isBelow('/k', normalize(`/k${rest}`))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '/var/lib/kubelet',
    '/var/lib/kubelet/',
    '/var/lib/kubelet2/x',
    '/var/lib/kubelet/../x',
    'var/lib/kubelet/x',
    '/etc/x',
  ])('refuses %j', (text) =>
    expect(() => parseKubeletPath(text, '/var/lib/kubelet', 'target_path')).toThrow(/^target_path: expected/),
  );
});
