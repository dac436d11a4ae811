import { mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DriverError, errnoOf, quote } from '../domain/errors.ts';

/** Makes the directory that a mount will cover. Its parent is the caller's to make (CSI spec, NodePublishVolume). */
export const makeMountPoint = async (path: string): Promise<void> => {
  try {
    await mkdir(path, 0o750);
  } catch (thrown) {
    const code = errnoOf(thrown);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw thrown;
    throw new DriverError('failed-precondition', `the folder of ${quote(path)} does not exist`, { cause: thrown });
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
    await rmdir(path);
  } catch (thrown) {
    const code = errnoOf(thrown);
    if (code === 'ENOENT') return;
    if (code !== 'ENOTEMPTY' && code !== 'ENOTDIR') throw thrown;
    throw new DriverError('failed-precondition', `${quote(path)} is not an empty directory: nothing was removed`, {
      cause: thrown,
    });
  }
};
