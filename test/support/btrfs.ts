import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { canMount, mountImage } from './loop.ts';

/** A btrfs of a test's own, mounted at the driver's root. */
export interface Btrfs {
  readonly btrfs: (...args: readonly string[]) => Promise<string>;
  /** The paths of all subvolumes, from the top of the file system. */
  readonly subvolumes: () => Promise<readonly string[]>;
  /** Of the subvolumes that are there, in bytes, by path. */
  readonly limits: () => Promise<Readonly<Record<string, number>>>;
  readonly unmount: () => Promise<void>;
}

export const canBtrfs = canMount('btrfs');

export const mountBtrfs = async (home: string, { quota = true, mebibytes = 512 } = {}): Promise<Btrfs> => {
  const root = join(home, 'root');
  const unmount = await mountImage('btrfs', root, mebibytes);
  const btrfs: Btrfs['btrfs'] = async (...args) => (await promisify(execFile)('btrfs', args)).stdout;
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
    unmount,
  };
};
