import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Ground } from './crash.ts';
import { makeHome, removeHome } from './driver.ts';
import { canMount, mountImage } from './loop.ts';

/** What a btrfs at a path tells of itself. */
export interface BtrfsView {
  readonly btrfs: (...args: readonly string[]) => Promise<string>;
  /** The paths of all subvolumes, from the top of the file system. */
  readonly subvolumes: () => Promise<readonly string[]>;
  /** Of the subvolumes that are there, in bytes, by path. */
  readonly limits: () => Promise<Readonly<Record<string, number>>>;
}

/** A btrfs of a test's own, mounted at the driver's root. */
export interface Btrfs extends BtrfsView {
  readonly unmount: () => Promise<void>;
}

export const canBtrfs = canMount('btrfs');

export const mountBtrfs = async (home: string, { quota = true, mebibytes = 512 } = {}): Promise<Btrfs> => {
  const root = join(home, 'root');
  const unmount = await mountImage('btrfs', root, mebibytes);
  const view = readBtrfs(root);
  if (quota) await view.btrfs('quota', 'enable', root);
  return { ...view, unmount };
};

export const readBtrfs = (root: string): BtrfsView => {
  const btrfs: BtrfsView['btrfs'] = async (...args) => (await promisify(execFile)('btrfs', args)).stdout;
  return {
    btrfs,
    subvolumes: async () =>
      [...(await btrfs('subvolume', 'list', root)).matchAll(/ path (.*)$/gm)].map(([, path]) => path ?? '').sort(),
    limits: async () => {
      const table = await btrfs('qgroup', 'show', '--raw', '-r', root);
      const rows = [...table.matchAll(/^0\/\d+ +\d+ +\d+ +(\d+) +([^< ].*)$/gm)];
      return Object.fromEntries(rows.map(([, limit, path]) => [path, Number(limit)]));
    },
  };
};

/** A btrfs for every attempt of a crash test. */
export const createBtrfsGround = (): Ground => {
  const disks = new Map<string, Btrfs>();
  return {
    prepare: async () => {
      const home = await makeHome();
      disks.set(home, await mountBtrfs(home));
      return home;
    },
    clean: async (home) => {
      await disks.get(home)?.unmount();
      await removeHome(home);
    },
  };
};
