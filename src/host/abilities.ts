import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBtrfs, makeSubvolume } from './btrfs.ts';
import type { Exec } from './exec.ts';
import { TEMPORARY_SUFFIX } from './whole-file.ts';

/** What a root's file system can do, found out by trying it in the driver's own folder. */
export interface Abilities {
  /** A volume directory can be a btrfs subvolume. */
  readonly subvolumes: boolean;
  /** Copies share blocks until they are written. */
  readonly reflink: boolean;
}

export const tryAbilities = async (folder: string, exec: Exec): Promise<Abilities> => ({
  subvolumes: await trySubvolume(folder, exec),
  reflink: await tryReflink(folder),
});

const trySubvolume = async (folder: string, exec: Exec): Promise<boolean> => {
  if (!(await isBtrfs(folder))) return false;
  const path = temporaryIn(folder, 'subvolume');
  try {
    return await makeSubvolume(exec, path);
  } catch {
    return false;
  } finally {
    await rmdir(path).catch(() => {});
  }
};

const tryReflink = async (folder: string): Promise<boolean> => {
  const from = temporaryIn(folder, 'reflink');
  const to = `${from}${TEMPORARY_SUFFIX}`;
  try {
    await writeFile(from, 'x', { flag: 'wx' });
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all([rm(from, { force: true }), rm(to, { force: true })]);
  }
};

const temporaryIn = (folder: string, what: string): string =>
  join(folder, `.${what}-${randomBytes(4).toString('hex')}${TEMPORARY_SUFFIX}`);
