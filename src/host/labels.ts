import { type FileHandle, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../domain/errors.ts';
import { kindOf, openDirectory, pathOf, using } from './directory.ts';
import { CommandError, type Exec } from './exec.ts';

/** Puts an open directory into a project, with all that will be made in it. */
export const labelDirectory = async (exec: Exec, directory: FileHandle, project: number): Promise<void> => {
  // chattr(1) takes no link; with a dot behind it the path is that of the directory itself.
  await chattr(exec, project, ['+P'], [`${pathOf(directory)}/.`]);
};

/**
 * Puts a directory and everything in it into a project, while it is in use: each directory first, so that what is made
 * in it meanwhile belongs to the project by itself. No link is followed, no other file system entered. What is neither
 * file nor directory takes no room, and stays as it is.
 */
export const labelTree = async (exec: Exec, directory: FileHandle, project: number): Promise<void> => {
  await labelDirectory(exec, directory, project);
  const entries = await readdir(pathOf(directory), { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => join(pathOf(directory), name));
  for (let start = 0; start < files.length; start += BATCH)
    await labelFiles(exec, project, files.slice(start, start + BATCH));
  const { dev } = await directory.stat();
  for (const entry of entries.filter((each) => each.isDirectory())) {
    const inner = await openDirectory(join(pathOf(directory), entry.name)).catch(unlessGone);
    if (inner === undefined) continue;
    await using(inner, async () => {
      if ((await inner.stat()).dev === dev) await labelTree(exec, inner, project);
    });
  }
};

/** Files given to one child. */
const BATCH = 256;

const labelFiles = async (exec: Exec, project: number, paths: readonly string[]): Promise<void> => {
  try {
    await chattr(exec, project, [], paths);
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    await labelEach(exec, project, paths);
  }
};

/** One of them has gone, or cannot be labelled: which, is found out one by one. */
const labelEach = async (exec: Exec, project: number, paths: readonly string[]): Promise<void> => {
  for (const path of paths) {
    try {
      await chattr(exec, project, [], [path]);
    } catch (thrown) {
      if ((await kindOf(path)) !== 'missing') throw thrown;
    }
  }
};

const chattr = async (
  exec: Exec,
  project: number,
  flags: readonly string[],
  paths: readonly string[],
): Promise<void> => {
  await exec({ binary: '/usr/bin/chattr', args: ['-p', String(project), ...flags, '--', ...paths] });
};

const unlessGone = (thrown: unknown): undefined => {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown;
};
