import { join } from 'node:path';
import { OWN_FOLDER } from '../domain/paths.ts';
import { DriverError, errnoOf } from '../errors/errors.ts';
import {
  closeDescriptor,
  openDescriptor,
  pathOfDescriptor,
  statDescriptor,
  syncDescriptor,
} from '../system/descriptor.ts';

/** The root of a pool, open. All that is below it is reached through it, never by its path. */
export interface HeldRoot {
  /** A path of the open directory, good for this process and its subprocesses. */
  readonly path: string;
  /** The path that the pool is configured with, for messages. */
  readonly shownAs: string;
  /** Brings what was made in the root itself to disk. */
  readonly sync: () => Promise<void>;
  /** Takes over a descriptor: it is closed together with the root. */
  readonly keep: (descriptor: number) => void;
}

/**
 * One of the driver's own folders below a root, opened once and held: a link that is put in its place later leads
 * neither this process nor a subprocess of it astray.
 */
export interface OwnFolder {
  /** A path of the open folder, good for this process and its subprocesses. */
  readonly path: () => Promise<string>;
  /**
   * The same path, after an NFS client has asked its server whether the folder has changed: names that are looked up
   * from now on are at least as new as this call, whatever the client has cached
   * (docs/adr/0044-records-are-compared-and-swapped.md).
   */
  readonly freshPath: () => Promise<string>;
  /** Throws unavailable when the folder has been removed. */
  readonly requireThere: () => Promise<void>;
  readonly inode: () => Promise<string>;
  /** Brings what was made, renamed or removed in it to disk. */
  readonly sync: () => Promise<void>;
  /** A folder in it. */
  readonly inside: (name: string) => OwnFolder;
}

/** The driver's folder below a root, or one in it. */
export const createOwnFolder = (root: HeldRoot, ...components: readonly string[]): OwnFolder => {
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
    freshPath: async () => {
      const path = pathOfDescriptor(await descriptor());
      // Close-to-open consistency (nfs(5)): open(2) asks the server. Without the dot, O_NOFOLLOW would refuse the link.
      await closeDescriptor(await openDescriptor(`${path}/.`));
      return path;
    },
    requireThere: async () => {
      const { nlink } = await statDescriptor(await descriptor());
      if (nlink === 0) throw missing(root, components, 'ENOENT');
    },
    inode: async () => String((await statDescriptor(await descriptor())).ino),
    sync: async () => syncDescriptor(await descriptor()),
    inside: (name) => createOwnFolder(root, ...components, name),
  };
};

/** Not to be taken for a record that does not exist: then a deletion would be answered with success. */
const missing = ({ shownAs }: HeldRoot, components: readonly string[], cause?: unknown): DriverError => {
  const folder = join(OWN_FOLDER, ...components);
  return new DriverError('unavailable', `${folder} is missing below ${shownAs}: is the storage mounted?`, { cause });
};

const openFolder = async (root: HeldRoot, components: readonly string[]): Promise<number> => {
  let current = await openDescriptor(root.path);
  for (const component of components) {
    const above = current;
    try {
      current = await openDescriptor(join(pathOfDescriptor(above), component));
    } finally {
      await closeDescriptor(above);
    }
  }
  root.keep(current);
  return current;
};
