import { describe, expect, it } from 'vitest';
import { createMountTable, createReadMounts, isWithin } from './mountinfo.ts';

const TEXT = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 8:2 /vols/a /mnt/with\\040space ro,nosuid shared:2 master:1 - xfs /dev/sdb rw,prjquota
31 22 0:40 / /nas rw - nfs4 nas:/export rw,vers=4.2
36 22 0:41 / /whole rw - nfs4 nas:/ rw,vers=4.2
35 22 0:40 / /kubelet/nas rw - nfs4 nas:/export/team/v1 rw,vers=4.2
32 22 8:1 /pool/v1 /kubelet/staging rw - ext4 /dev/sda1 rw
33 32 8:1 /pool/v1 /kubelet/target ro - ext4 /dev/sda1 rw
34 32 8:1 /pool/v2 /kubelet/target rw - ext4 /dev/sda1 rw
`;
const table = createMountTable(TEXT);

describe('the mount table', () => {
  it('is read with its escapes and optional fields', () => {
    expect(table.at('/mnt/with space')).toEqual({
      device: '8:2',
      root: '/vols/a',
      mountPoint: '/mnt/with space',
      options: ['ro', 'nosuid'],
      fileSystem: 'xfs',
      source: '/dev/sdb',
      superOptions: ['rw', 'prjquota'],
    });
  });

  it('shows the topmost mount of a path', () => expect(table.at('/kubelet/target')?.root).toBe('/pool/v2'));

  it('knows where a path lies on its file system', () => {
    expect(table.identify('/pool/v1')).toMatchObject({ device: '8:1', source: '/dev/sda1', root: '/pool/v1' });
    expect(table.identify('/mnt/with space/x/y')).toMatchObject({
      device: '8:2',
      source: '/dev/sdb',
      root: '/vols/a/x/y',
    });
    expect(table.identify('/nas')).toMatchObject({ device: '0:40', source: 'nas:/export', root: '/' });
  });

  it('tells directories on NFS apart by their source, as the kernel shows them', () => {
    const bound = table.at('/kubelet/nas');
    expect(table.identify('/nas/team/v1')).toEqual({ ...bound, mountPoint: '/nas' });
    expect(['/whole', '/whole/team/v1'].map((path) => table.identify(path)?.source)).toEqual(['nas:/', 'nas:/team/v1']);
    const isIn = (path: string): boolean | undefined => {
      const outer = table.identify(path);
      return outer && bound && isWithin(outer, bound);
    };
    expect([isIn('/nas'), isIn('/nas/team'), isIn('/nas/team/v'), isIn('/pool')]).toEqual([true, true, false, false]);
  });

  it('finds every mount of a directory', () => {
    expect(
      table.mountsOf({ device: '8:1', source: '/dev/sda1', root: '/pool/v1' }).map(({ mountPoint }) => mountPoint),
    ).toEqual(['/kubelet/target', '/kubelet/staging']);
  });

  it('of this machine holds its root, and is read afresh by callers that come later', async () => {
    const readMounts = createReadMounts();
    const [a, b, c] = await Promise.all([readMounts(), readMounts(), readMounts()]);
    expect(a.holding('/proc/self')?.fileSystem).toBe('proc');
    expect([b === a, c === b]).toEqual([false, true]);
  });
});
