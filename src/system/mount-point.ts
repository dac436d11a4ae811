import { lstat, mkdir, realpath, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DriverError, errnoOf, quote } from '../errors/errors.ts';

/** Makes the directory that a mount will cover. Its parent is the caller's to make (CSI spec, NodePublishVolume). */
export const makeMountPoint = async (path: string): Promise<void> => {
  await requireParent(path);
  try {
    await mkdir(path, 0o750);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EEXIST') throw thrown;
    if (!(await lstat(path)).isDirectory()) {
      throw new DriverError('failed-precondition', `${quote(path)} is a link or a file: expected a directory`);
    }
  }
};

/** The same for a mount of our own: its folder is made too, for nobody else to see. */
export const makeOwnMountPoint = async (path: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await makeMountPoint(path);
};

/** Removes the directory that a mount has covered; never what is in it. Nothing there is fine. */
export const removeMountPoint = async (path: string): Promise<void> => {
  try {
    await requireParent(path);
    await rmdir(path);
  } catch (thrown) {
    const code = errnoOf(thrown instanceof DriverError ? thrown.cause : thrown);
    if (code === 'ENOENT') return;
    if (code !== 'ENOTEMPTY' && code !== 'ENOTDIR') throw thrown;
    throw new DriverError('failed-precondition', `${quote(path)} is not an empty directory: nothing was removed`, {
      cause: thrown,
    });
  }
};

/** A link on the way would lead the mount out of the kubelet's directory, and out of our sight in the mount table. */
const requireParent = async (path: string): Promise<void> => {
  const parent = dirname(path);
  const real = await realpath(parent).catch((thrown: unknown) => {
    throw new DriverError('failed-precondition', `the folder of ${quote(path)} does not exist`, { cause: thrown });
  });
  if (real !== parent) throw new DriverError('failed-precondition', `${quote(path)} leads through a link`);
};

/** True for a directory that nobody has replaced by a link. */
export const isDirectory = async (path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
