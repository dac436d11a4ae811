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

  it('of real StorageClasses are translated, or left out where they have no effect', () => {
    const options = ['tcp', 'bg,_netdev', 'defaults', 'nofail', 'x-systemd.automount', 'mountvers=3', 'sync'];
    expect(sortMountOptions(options, 'nfs', 'x')).toEqual({
      fileSystem: ['proto=tcp', 'mountvers=3', 'sync'],
      bind: [],
    });
    expect(sortMountOptions(['defaults', 'noauto'], 'bind', 'x')).toEqual({ fileSystem: [], bind: [] });
  });

  it.each([
    ['context=system_u:object_r:container_file_t:s0', 'nfs', /seLinuxOptions of the pods/],
    ['addr=10.0.0.1', 'nfs', /the pool names the server/],
    ['dir_mode=0777', 'bind', /the parameter mode of the StorageClass/],
    ['nfsvers=4.1', 'bind', /set it there/],
    ['frobnicate', 'nfs', /out of ro, rw, .*, nfsvers, .*, lookupcache/],
    ['constructor', 'nfs', /got "constructor"/],
  ] as const)('%s of %s is refused with what to do', (option, kind, message) =>
    expect(() => sortMountOptions([option], kind, 'x')).toThrow(message),
  );

  it.each([
    'nfsvers=5',
    'nfsvers=',
    'nfsvers=4=1',
    'nfsvers',
    'hard=1',
    '__proto__',
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
