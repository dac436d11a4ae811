import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf, quote } from '../domain/errors.ts';
import { componentsOf, type Directory } from '../domain/paths.ts';
import type { Ownership } from '../domain/volume.ts';
import type { Step } from './step.ts';

/**
 * Opens a directory, never through a link. Paths below a root are walked component by component through
 * /proc/PID/fd: the openat(2) that Node does not have. Whoever swaps a directory for a link meanwhile gets an error,
 * not our hand on what the link points at.
 */
export const openDirectory = (path: string): Promise<FileHandle> => open(path, OPEN_DIRECTORY).catch(refuseLink);

/** Opens a directory by its components below `root`, one after the other. */
export const openInside = async (root: string, components: readonly string[]): Promise<FileHandle> => {
  let current = await openDirectory(root);
  for (const component of components) {
    current = await using(current, () => openDirectory(join(pathOf(current), component)));
  }
  return current;
};

export const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** What opening a link or a file with these flags fails with, in words. */
export const refuseLink = (thrown: unknown): never => {
  const code = errnoOf(thrown);
  if (code !== 'ENOTDIR' && code !== 'ELOOP') throw thrown;
  throw new DriverError('failed-precondition', 'something on the way is a link or a file: expected a directory', {
    cause: thrown,
  });
};

/** Opens a volume directory below `root`. Throws not-found, or failed-precondition for a link. */
export const openBelow = (root: string, directory: Directory): Promise<FileHandle> =>
  openInside(root, componentsOf(directory)).catch((thrown: unknown) => {
    throw named(directory, thrown);
  });

/** Runs `work` with the open directory that holds `directory`, and its last component. */
export const withParent = async <Value>(
  root: string,
  directory: Directory,
  work: (parent: FileHandle, leaf: string) => Promise<Value>,
): Promise<Value> => {
  const components = componentsOf(directory);
  const parent = await openInside(root, components.slice(0, -1)).catch((thrown: unknown) => {
    throw named(directory, thrown);
  });
  return using(parent, () => work(parent, components.at(-1) ?? ''));
};

/**
 * Makes one directory, with these permission bits where it can and the umask lets it. False when there is something
 * already, whatever it is.
 */
export type MakeNew = (path: string, mode: number) => Promise<boolean>;

/**
 * Makes the directory with `makeNew`, plain parents too, and gives it its owner. The answer says whether it was there
 * before; then nothing about it is changed. What is made is on disk when this returns.
 */
export const makeBelow = async (
  root: string,
  directory: Directory,
  ownership: Ownership,
  makeNew: MakeNew,
  step: Step,
): Promise<'made' | 'existed'> => {
  try {
    await makeParents(root, directory);
    return await withParent(root, directory, (parent, leaf) => makeIn(parent, leaf, ownership, makeNew, step));
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw named(directory, thrown);
    throw new DriverError('aborted', `directory ${quote(directory)} was moved while it was made`, { cause: thrown });
  }
};

/** Makes what is missing of the directories above a volume directory. */
export const makeParents = async (root: string, directory: Directory): Promise<void> => {
  const parents = componentsOf(directory).slice(0, -1);
  for (const depth of parents.keys()) await ensureParent(root, parents.slice(0, depth + 1));
};

const makeIn = async (parent: FileHandle, leaf: string, ownership: Ownership, makeNew: MakeNew, step: Step) => {
  const path = join(pathOf(parent), leaf);
  if (!(await makeNew(path, ownership.mode))) {
    await using(await openDirectory(path), async () => {});
    return 'existed';
  }
  step('directory made');
  try {
    await using(await openDirectory(path), (directory) => ownNew(directory, ownership));
  } catch (thrown) {
    // What is there may be something else by now; then it stays.
    await rmdir(path).catch(() => {});
    throw thrown;
  }
  step('directory owned');
  await parent.sync();
  return 'made';
};

/** What is as it should be from the beginning is left so: over NFS every change is a request. */
const ownNew = async (directory: FileHandle, ownership: Ownership): Promise<void> => {
  const { mode, uid, gid } = ownership;
  const isAsMade = ((await directory.stat()).mode & MODE_BITS) === mode;
  if (!isAsMade || uid !== undefined || gid !== undefined) await own(directory, ownership);
};

const MODE_BITS = 0o7777;

/** Makes a plain directory. */
export const makePlain: MakeNew = async (path, mode) => {
  try {
    await mkdir(path, mode);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === 'EEXIST') return false;
    throw thrown;
  }
};

/** Owner first: chown(2) clears the set-id bits that the mode may have. A server that squashes root refuses any. */
export const own = async (directory: FileHandle, { mode, uid, gid }: Ownership): Promise<void> => {
  if (uid !== undefined || gid !== undefined) await directory.chown(uid ?? UNCHANGED, gid ?? UNCHANGED);
  await directory.chmod(mode);
};

const UNCHANGED = -1;

/** What is at the path itself, links not followed. */
export const kindOf = async (path: string): Promise<'missing' | 'directory' | 'other'> => {
  try {
    return (await lstat(path)).isDirectory() ? 'directory' : 'other';
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 'missing';
    throw thrown;
  }
};

/** The path of an open directory, for this process and its children: stays the same one however its names change. */
export const pathOf = (directory: FileHandle): string => `/proc/${process.pid}/fd/${directory.fd}`;

/** Runs `work` and closes the handle, whatever happens. */
export const using = async <Value>(
  handle: FileHandle,
  work: (handle: FileHandle) => Promise<Value>,
): Promise<Value> => {
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
};

const ensureParent = async (root: string, components: readonly string[]): Promise<void> =>
  using(await openInside(root, components.slice(0, -1)), async (above) => {
    if (await makePlain(join(pathOf(above), components.at(-1) ?? ''), 0o755)) await above.sync();
  });

const named = (directory: Directory, thrown: unknown): unknown => {
  if (errnoOf(thrown) === 'ENOENT') {
    return new DriverError('not-found', `directory ${quote(directory)} does not exist in the pool`, {
      cause: thrown,
    });
  }
  if (thrown instanceof DriverError) {
    return new DriverError(thrown.kind, `directory ${quote(directory)}: ${thrown.message}`, { cause: thrown });
  }
  return thrown;
};
