import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { componentsOf, type Directory } from '../domain/paths.ts';
import type { Ownership } from '../domain/volume.ts';
import { DriverError, errnoOf, quote } from '../errors/errors.ts';
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

/**
 * Opens a directory to look at it only: that takes no permission to read it, which a server that squashes root may
 * refuse. See O_PATH in https://man7.org/linux/man-pages/man2/open.2.html; Node has no name for it.
 */
export const openPath = (path: string): Promise<FileHandle> => open(path, O_PATH | OPEN_DIRECTORY).catch(refuseLink);

const O_PATH = 0o10000000;

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

export interface MakeTools {
  readonly makeNew: MakeNew;
  /** Throws when the directory is not wanted any more. Called right before each change. */
  readonly requireWanted: () => Promise<void>;
  readonly step: Step;
}

/**
 * Makes the directory with `makeNew`, plain parents too, and gives it its owner. The answer says whether it was there
 * before; then nothing about it is changed. What is made is on disk when this returns.
 */
export const makeBelow = async (
  root: string,
  directory: Directory,
  ownership: Ownership,
  tools: MakeTools,
): Promise<'made' | 'existed'> => {
  try {
    await makeParents(root, directory);
    return await withParent(root, directory, (parent, leaf) => makeIn(parent, leaf, ownership, tools));
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

const makeIn = async (
  parent: FileHandle,
  leaf: string,
  ownership: Ownership,
  { makeNew, requireWanted, step }: MakeTools,
) => {
  const path = join(pathOf(parent), leaf);
  await requireWanted();
  if (!(await makeNew(path, ownership.mode))) {
    await using(await openDirectory(path), async () => {});
    return 'existed';
  }
  step('directory made');
  await using(await openDirectory(path), (directory) => ownNew(directory, ownership, requireWanted));
  step('directory owned');
  await parent.sync();
  return 'made';
};

/** What is as it should be from the beginning is left so: over NFS every change is a request. */
const ownNew = async (
  directory: FileHandle,
  ownership: Ownership,
  requireWanted: MakeTools['requireWanted'],
): Promise<void> => {
  const { mode, uid, gid } = ownership;
  const isAsMade = ((await directory.stat()).mode & MODE_BITS) === mode;
  if (isAsMade && uid === undefined && gid === undefined) return;
  await requireWanted();
  await own(directory, ownership);
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

/**
 * Renames a directory to another parent. Its `..` changes with that, so whoever is not root needs the permission to
 * write to it. A controller that the server squashes may be its owner: then it has that permission for the moment.
 */
export const moveDirectory = async (from: string, to: string): Promise<void> => {
  try {
    await rename(from, to);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EACCES') throw thrown;
    await using(await openPath(from), (handle) => moveOwn(handle, from, to, thrown));
  }
};

const moveOwn = async (handle: FileHandle, from: string, to: string, denied: unknown): Promise<void> => {
  // Such a handle knows no fchmod(2); its path leads to the directory itself, whatever its names are.
  const path = pathOf(handle);
  const mode = (await handle.stat()).mode & MODE_BITS;
  await chmod(path, mode | OWNER_ALL).catch(() => {
    throw denied;
  });
  try {
    await rename(from, to);
  } finally {
    await chmod(path, mode);
  }
};

const OWNER_ALL = 0o700;

/** What is at the path itself, links not followed. */
export const kindOf = async (path: string): Promise<'missing' | 'directory' | 'other'> => {
  try {
    return (await lstat(path)).isDirectory() ? 'directory' : 'other';
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 'missing';
    throw thrown;
  }
};

/** The path of an open directory, for this process and its subprocesses: stays the same one however its names change. */
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
