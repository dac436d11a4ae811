import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortMountOptions } from './mount-options.ts';

describe('mount options', () => {
  it('are sorted into those of the file system and those of the bind mount', () => {
    expect(sortMountOptions(['nfsvers=4.1,ro', 'hard', 'nosuid'], 'nfs', 'x')).toEqual({
      fileSystem: ['nfsvers=4.1', 'hard'],
      bind: ['ro', 'nosuid'],
    });
  });

  it.each([
    'nfsvers=5',
    'vers=4.2 ',
    'hard\n',
    'timeo=',
    'timeo=99999999999',
    'addr=10.0.0.1',
    'clientaddr=x',
    'exec=x',
    '',
    'bind',
    'remount',
  ])('%j is refused everywhere', (option) =>
    expect(() => sortMountOptions([option], 'nfs', 'mount_flags')).toThrow(/^mount_flags: expected mount options/),
  );

  it('of NFS are refused where a directory is only bound', () => {
    expect(() => sortMountOptions(['hard'], 'bind', 'mount_flags')).toThrow(/got "hard"/);
  });

  it('that are accepted hold nothing that mount(8) would split or read otherwise', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (options) => {
        try {
          const { fileSystem, bind } = sortMountOptions(options, 'nfs', 'x');
          expect([...fileSystem, ...bind].every((option) => /^[a-z0-9_.=]+$/.test(option))).toBe(true);
        } catch (thrown) {
          expect(String(thrown)).toContain('expected mount options');
        }
      }),
    );
  });
});
