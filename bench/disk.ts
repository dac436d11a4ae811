import { execFile } from 'node:child_process';
import { mkdir, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** File systems by what they can do for a copy: nothing, share the blocks of a file, share a whole volume. */
export const DISKS = {
  ext4: ['/sbin/mkfs.ext4', '-q', '-F'],
  xfs: ['/sbin/mkfs.xfs', '-q', '-m', 'reflink=1'],
  btrfs: ['/sbin/mkfs.btrfs', '--quiet'],
} as const;

export type Disk = keyof typeof DISKS;

/** Makes a file system in a file and mounts it where a driver of `home` has its root; unmounted afterwards. */
export const withDisk = async <Value>(
  home: string,
  disk: Disk,
  bytes: number,
  work: (root: string) => Promise<Value>,
): Promise<Value> => {
  const [image, root] = [join(home, `${disk}.img`), join(home, 'root')];
  await writeFile(image, '');
  await truncate(image, bytes);
  const [mkfs, ...args] = DISKS[disk];
  await run(mkfs, [...args, image]);
  await mkdir(root, { recursive: true });
  await run('/bin/mount', ['-o', 'loop', image, root]);
  try {
    return await work(root);
  } finally {
    await run('/bin/umount', [root]);
    await truncate(image, 0);
  }
};

/** Bytes that are in use, with all that was written on disk. */
export const usedBytes = async (root: string): Promise<number> => {
  await run('/bin/sync', ['--file-system', root]);
  const { blocks, bfree, bsize } = await statfs(root);
  return (blocks - bfree) * bsize;
};
