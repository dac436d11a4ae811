import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MINIMUM_LIMIT_BYTES } from '../domain/capacity.ts';
import { DriverError, errnoOf } from '../errors/errors.ts';
import { deleteSubvolume, isBtrfs, makeSubvolume } from '../quotas/btrfs.ts';
import { labelDirectory } from '../quotas/labels.ts';
import { clearQuota, newProject, requireShown, setQuota } from '../quotas/projects.ts';
import { limitSubvolume } from '../quotas/qgroups.ts';
import { TEMPORARY_SUFFIX } from '../store/whole-file.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';
import { openDirectory, using } from '../system/directory.ts';
import type { MountEntry } from '../system/mountinfo.ts';

/** What a root's file system can do. */
export interface Abilities {
  /** A volume directory can be a btrfs subvolume. */
  readonly subvolumes: boolean;
  /** Copies share blocks until they are written. */
  readonly reflink: boolean;
  /** What can hold volumes to their sizes. */
  readonly sizes: 'qgroup' | 'project' | 'none';
  /** What it failed at, where the file system should be able to hold volumes. */
  readonly obstacle?: string;
}

/** Finds out by trying, in the driver's own folder; `entry` is the mount that holds it. */
export const tryAbilities = async (folder: string, entry: MountEntry | undefined, exec: Exec): Promise<Abilities> => ({
  ...(await trySizes(folder, entry, exec)),
  reflink: await tryReflink(folder),
});

const trySizes = async (folder: string, entry: MountEntry | undefined, exec: Exec) => {
  if (await isBtrfs(folder)) return trySubvolume(temporaryIn(folder, 'subvolume'), exec);
  const hasProjects = entry?.superOptions.some((option) => option === 'prjquota' || option === 'pquota');
  if (entry === undefined || hasProjects !== true) return { subvolumes: false, sizes: 'none' } as const;
  const obstacle = await tryProject(folder, entry.mountPoint, exec);
  return { subvolumes: false, ...verdict('project', obstacle) };
};

const trySubvolume = async (path: string, exec: Exec): Promise<Omit<Abilities, 'reflink'>> => {
  const cannotMake = await obstacleTo(() => makeSubvolume(exec, path));
  if (cannotMake !== undefined) return { subvolumes: false, ...verdict('qgroup', cannotMake) };
  const obstacle = await obstacleTo(() => limitSubvolume(exec, path, MINIMUM_LIMIT_BYTES));
  await deleteSubvolume(exec, path);
  return { subvolumes: true, ...verdict('qgroup', obstacle) };
};

const tryProject = async (folder: string, mountPoint: string, exec: Exec): Promise<string | undefined> => {
  const path = temporaryIn(folder, 'project');
  const moved = `${path}${TEMPORARY_SUFFIX}`;
  const id = newProject();
  await mkdir(path, 0o700);
  try {
    return await obstacleTo(async () => {
      await using(await openDirectory(path), async (directory) => {
        await labelDirectory(exec, directory, id);
        await setQuota(exec, mountPoint, id, MINIMUM_LIMIT_BYTES);
        await requireShown(directory, MINIMUM_LIMIT_BYTES, folder);
      });
      await rename(path, moved);
    });
  } finally {
    await clearQuota(exec, mountPoint, id).catch(() => {});
    await Promise.all([path, moved].map((left) => rmdir(left).catch(() => {})));
  }
};

const verdict = <By extends 'qgroup' | 'project'>(by: By, obstacle: string | undefined) =>
  obstacle === undefined ? { sizes: by } : { sizes: 'none' as const, obstacle };

/** What a work fails at, in words; undefined when it does not. */
const obstacleTo = async (work: () => Promise<unknown>): Promise<string | undefined> => {
  try {
    await work();
    return undefined;
  } catch (thrown) {
    // https://man7.org/linux/man-pages/man2/rename.2.html: what is in another project cannot be moved into a project.
    if (errnoOf(thrown) === 'EXDEV') return 'the root itself belongs to a project: take it out (chattr -p 0 -P)';
    const said = thrown instanceof DriverError ? thrown.cause : thrown;
    if (said instanceof CommandError) return `${said.binary}: ${said.stderr.split('\n', 1)[0]}`;
    return thrown instanceof Error ? thrown.message : String(thrown);
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
