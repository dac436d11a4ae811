import { close, fstat, fsync, open } from 'node:fs';
import { promisify } from 'node:util';
import { OPEN_DIRECTORY, refuseLink } from './directory.ts';

// Directories that are held: a FileHandle that is never closed is an error when it is collected.

/** Opens a directory, never through a link. */
export const openDescriptor = (path: string): Promise<number> =>
  promisify(open)(path, OPEN_DIRECTORY).catch(refuseLink);

export const closeDescriptor = promisify(close);
export const statDescriptor = promisify(fstat);
export const syncDescriptor = promisify(fsync);

/** A path of an open directory, good for this process and its subprocesses. */
export const pathOfDescriptor = (descriptor: number): string => `/proc/${process.pid}/fd/${descriptor}`;
