import { type FileHandle, lstat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Compression } from '../domain/volume.ts';
import { DriverError, errnoOf } from '../errors/errors.ts';
import { type Command, CommandError, type Exec, LIST_OUTPUT } from '../subprocess/exec.ts';
import { kindOf, pathOf } from '../system/directory.ts';
import type { Step } from '../system/step.ts';

// Subvolumes. A path given here leads through a held directory, so that nobody can put a link on its way.

/** True where `path`, which must not be a link, lies on btrfs. */
export const isBtrfs = async (path: string): Promise<boolean> => (await statfs(path)).type === BTRFS_MAGIC;

/** True for a subvolume, false for anything else and for nothing. */
export const isSubvolume = async (path: string): Promise<boolean> => {
  try {
    return (await lstat(path)).ino === SUBVOLUME_INODE && (await isBtrfs(path));
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false;
    throw thrown;
  }
};

/** Makes a subvolume. False when there is something already, whatever it is. */
export const makeSubvolume = async (exec: Exec, path: string): Promise<boolean> => {
  if ((await kindOf(path)) !== 'missing') return false;
  try {
    await btrfs(exec, 'subvolume', 'create', '--', path);
    return true;
  } catch (thrown) {
    if ((await kindOf(path)) !== 'missing') return false;
    throw thrown;
  }
};

/** Deletes a subvolume that holds no other. */
export const deleteSubvolume = async (exec: Exec, path: string): Promise<void> => {
  const id = await btrfs(exec, 'inspect-internal', 'rootid', path);
  await deleteById(exec, path, id);
};

/**
 * Makes a writable snapshot of an open directory at `path`, with all that was written to it until then. False where
 * that is not all of it or cannot be: it is no subvolume, is on another file system, or holds subvolumes of its own.
 * Takes as long as the disk takes for what is still to be written, until `signal` is aborted.
 */
export const snapshotSubvolume = async (
  exec: Exec,
  source: FileHandle,
  path: string,
  signal: AbortSignal,
): Promise<boolean> => {
  const from = pathOf(source);
  const { ino } = await source.stat();
  if (ino !== SUBVOLUME_INODE || !(await isBtrfs(from)) || !(await isBtrfs(dirname(path)))) return false;
  if ((await btrfs(exec, 'subvolume', 'list', '-o', '--', from)) !== '') return false;
  try {
    await runBtrfs(exec, { args: ['subvolume', 'snapshot', '--', from, path], signal });
    return true;
  } catch (thrown) {
    if (/cross-device/i.test(thrown instanceof CommandError ? thrown.stderr : '')) return false;
    throw thrown;
  }
};

/** Says how what is written into a directory from now on is compressed. Throws failed-precondition elsewhere. */
export const setCompression = async (exec: Exec, directory: FileHandle, method: Compression): Promise<void> => {
  if (!(await isBtrfs(pathOf(directory))))
    throw new DriverError('failed-precondition', 'compression: the file system of the pool has none, only btrfs does');
  await btrfs(exec, 'property', 'set', pathOf(directory), 'compression', method);
};

/** Makes a subvolume read-only, or writable again: then it can be moved. */
export const setReadOnly = async (exec: Exec, path: string, readOnly: boolean): Promise<void> => {
  if (await isSubvolume(path)) await btrfs(exec, 'property', 'set', '-ts', path, 'ro', String(readOnly));
};

/**
 * Deletes every subvolume that is, or lies below, one of the directories which `belongs` knows by their path on the
 * file system. They are found and deleted by number: what a pod renames or links meanwhile leads nobody astray.
 * `handle` is a free name for a subvolume of our own: deletion by number wants to be given one.
 */
export const deleteSubvolumes = async (
  exec: Exec,
  handle: string,
  belongs: (path: string) => boolean,
  step: Step,
): Promise<void> => {
  const found = (await listSubvolumes(exec, dirname(handle))).filter(({ path }) => belongs(path));
  if (found.length === 0) return;
  await makeSubvolume(exec, handle);
  step('handle made');
  // One that holds another cannot be deleted before it.
  for (const { id } of found.toSorted((a, b) => b.path.length - a.path.length)) {
    // A name with a line break in it makes a list lie about others. Asked for by its number, each has its own path.
    const path = await btrfs(exec, 'inspect-internal', 'subvolid-resolve', id, handle);
    if (!belongs(`/${path}`)) continue;
    await deleteById(exec, handle, id);
    step('subvolume deleted');
  }
  await deleteSubvolume(exec, handle);
};

/** `at` is a subvolume too, of the same file system. */
const deleteById = async (exec: Exec, at: string, id: string): Promise<void> => {
  await btrfs(exec, 'subvolume', 'delete', '--subvolid', id, at);
  // Newer kernels do it themselves, later, and refuse; without quotas there is none.
  await btrfs(exec, 'qgroup', 'destroy', `0/${id}`, dirname(at)).catch(() => {});
};

/** Magic number of the file system, and the inode of every subvolume's top directory: linux/magic.h, btrfs_tree.h */
const BTRFS_MAGIC = 0x9123683e;
const SUBVOLUME_INODE = 256;

const listSubvolumes = async (exec: Exec, folder: string) => {
  const output = await btrfs(exec, 'subvolume', 'list', '--', folder);
  return output.split('\n').flatMap((line) => {
    const [, id, path] = /^ID (\d+) .*? path (.*)$/.exec(line) ?? [];
    return id === undefined || path === undefined ? [] : [{ id, path: `/${path}` }];
  });
};

/** Runs btrfs(8), and answers what it prints. Throws no-space where the file system is full. */
export const btrfs = (exec: Exec, ...args: readonly string[]): Promise<string> => runBtrfs(exec, { args });

const runBtrfs = (exec: Exec, command: Omit<Command, 'binary'>): Promise<string> =>
  exec({ ...command, binary: '/bin/btrfs', maxOutput: LIST_OUTPUT }).catch((thrown: unknown) => {
    if (!(thrown instanceof CommandError) || !/No space left|quota exceeded/.test(thrown.stderr)) throw thrown;
    throw new DriverError('no-space', 'no space left on the pool', { cause: thrown });
  });
