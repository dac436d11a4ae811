import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isRoot } from './driver.ts';

/** A btrfs of a test's own, on a loop device, mounted at the driver's root. */
export interface Btrfs {
  readonly btrfs: (...args: readonly string[]) => Promise<string>;
  /** The paths of all subvolumes, from the top of the file system. */
  readonly subvolumes: () => Promise<readonly string[]>;
  /** Of the subvolumes that are there, in bytes, by path. */
  readonly limits: () => Promise<Readonly<Record<string, number>>>;
  readonly unmount: () => Promise<void>;
}

/** Root, btrfs-progs, and a kernel that knows btrfs. */
export const canBtrfs =
  isRoot &&
  succeeds('mkfs.btrfs', '--version') &&
  (succeeds('modprobe', 'btrfs') || readFileSync('/proc/filesystems', 'utf8').includes('btrfs'));

export const mountBtrfs = async (home: string, { quota = true, size = '512M' } = {}): Promise<Btrfs> => {
  const image = join(home, 'btrfs.img');
  const root = join(home, 'root');
  await mkdir(root, { recursive: true });
  await writeFile(image, '');
  await truncate(image, Number.parseInt(size, 10) * 1024 ** 2);
  await run('mkfs.btrfs', ['--quiet', image]);
  await run('mount', ['-o', 'loop', image, root]);
  const btrfs: Btrfs['btrfs'] = async (...args) => (await run('btrfs', args)).stdout;
  if (quota) await btrfs('quota', 'enable', root);
  return {
    btrfs,
    subvolumes: async () =>
      [...(await btrfs('subvolume', 'list', root)).matchAll(/ path (.*)$/gm)].map(([, path]) => path ?? '').sort(),
    limits: async () => {
      const table = await btrfs('qgroup', 'show', '--raw', '-r', root);
      const rows = [...table.matchAll(/^0\/\d+ +\d+ +\d+ +(\d+) +([^< ].*)$/gm)];
      return Object.fromEntries(rows.map(([, limit, path]) => [path, Number(limit)]));
    },
    unmount: async () => {
      await run('umount', [root]);
      await rm(image);
    },
  };
};

const run = promisify(execFile);

function succeeds(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
