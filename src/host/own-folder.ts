import { close, fstat, fsync, open } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { OWN_FOLDER } from '../domain/paths.ts';
import { OPEN_DIRECTORY, refuseLink } from './directory.ts';

/**
 * One of the driver's own folders below a root, opened once and held: whoever puts a link in its place later leads
 * nobody astray, neither us nor a child of ours.
 */
export interface OwnFolder {
  /** A path of the open folder, good for this process and its children. */
  readonly path: () => Promise<string>;
  /** Throws unavailable when the folder has been removed; the next use opens what is there then. */
  readonly requireThere: () => Promise<void>;
  /** Brings what was made, renamed or removed in it to disk. */
  readonly sync: () => Promise<void>;
}

/** The driver's folder below `root`, or one in it. */
export const createOwnFolder = (root: string, ...components: readonly string[]): OwnFolder => {
  let opening: Promise<number> | undefined;
  const descriptor = (): Promise<number> => {
    opening ??= openFolder(root, [OWN_FOLDER, ...components]).catch((thrown: unknown) => {
      opening = undefined;
      throw errnoOf(thrown) === 'ENOENT' ? missing(root, components, thrown) : thrown;
    });
    return opening;
  };
  return {
    path: async () => pathOfDescriptor(await descriptor()),
    requireThere: async () => {
      const { nlink } = await statFile(await descriptor());
      if (nlink > 0) return;
      opening = undefined;
      throw missing(root, components);
    },
    sync: async () => syncFile(await descriptor()),
  };
};

/** Not to be taken for a record that does not exist: then a deletion would be answered with success. */
const missing = (root: string, components: readonly string[], cause?: unknown): DriverError => {
  const folder = join(OWN_FOLDER, ...components);
  return new DriverError('unavailable', `${folder} is missing below ${root}: is the storage mounted?`, { cause });
};

// Plain descriptors: a FileHandle that is held for ever and then dropped is an error when it is collected.
const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);
const syncFile = promisify(fsync);

const pathOfDescriptor = (descriptor: number): string => `/proc/${process.pid}/fd/${descriptor}`;

const openFolder = async (root: string, components: readonly string[]): Promise<number> => {
  let current = await openFile(root, OPEN_DIRECTORY).catch(refuseLink);
  for (const component of components) {
    const above = current;
    try {
      current = await openFile(join(pathOfDescriptor(above), component), OPEN_DIRECTORY).catch(refuseLink);
    } finally {
      await closeFile(above);
    }
  }
  return current;
};
