import { opendir, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import type { Directory } from '../domain/paths.ts';
import { parseSnapshotRecord, parseVolumeRecord } from '../domain/record.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import type { Space } from '../domain/space.ts';
import type { Compression, Ownership, VolumeRecord } from '../domain/volume.ts';
import { type Abilities, tryAbilities } from './abilities.ts';
import { isSubvolume, makeSubvolume, setCompression } from './btrfs.ts';
import { type Copies, createCopies } from './copies.ts';
import {
  kindOf,
  type MakeNew,
  makeBelow,
  makePlain,
  openBelow,
  openDirectory,
  own,
  pathOf,
  using,
  withParent,
} from './directory.ts';
import type { Exec } from './exec.ts';
import { prepareLayout } from './layout.ts';
import type { Mounter } from './mounter.ts';
import type { ReadMounts } from './mountinfo.ts';
import { createOwnFolder } from './own-folder.ts';
import { createProjects } from './projects.ts';
import { createQgroups } from './qgroups.ts';
import { createRecords, type Records } from './records.ts';
import { createSizes, type Sizes } from './sizes.ts';
import { spaceOf } from './space.ts';
import type { Step } from './step.ts';
import { createTrash, type Trash } from './trash.ts';
import { removeTemporary } from './whole-file.ts';

/**
 * All file work below one pool's root. Arguments and answers are plain data, so that the same code can run in this
 * process or in another. Nothing here follows a link below the root.
 */
export interface Root extends Trash, Copies, Sizes {
  readonly path: string;
  /** To be called first. Makes the driver's own folder where it is missing. Refuses a root whose layout is newer than ours. */
  readonly prepare: () => Promise<void>;
  readonly volumes: Records<VolumeRecord>;
  readonly snapshots: Records<SnapshotRecord>;
  /** Removes temporary files older than `minimumAgeMs`, which writers that died have left. */
  readonly clean: (minimumAgeMs: number) => Promise<void>;
  readonly kindOf: (directory: Directory) => Promise<DirectoryKind>;
  /** The inode number of a volume directory. Throws not-found, or failed-precondition for a link or a file. */
  readonly identify: (directory: Directory) => Promise<string>;
  /** Makes a volume directory: a subvolume where the root can, else a plain one. */
  readonly make: (directory: Directory, ownership: Ownership) => Promise<'made' | 'existed'>;
  readonly isSubvolume: (directory: Directory) => Promise<boolean>;
  readonly own: (directory: Directory, ownership: Ownership) => Promise<void>;
  /** Throws failed-precondition where the file system does not compress. */
  readonly compress: (directory: Directory, method: Compression) => Promise<void>;
  /** Removes a directory that is empty; leaves anything else alone. */
  readonly removeEmpty: (directory: Directory) => Promise<void>;
  readonly space: () => Promise<Space>;
  /** What the file system can do: tried once after each `prepare`. */
  readonly abilities: () => Promise<Abilities>;
  /** Binds a volume directory at `target`, with no moment at which a link could take its place; see `Mounter.bind`. */
  readonly bind: (directory: Directory, target: string, options: readonly string[]) => Promise<void>;
}

/** What lies where a volume directory is expected; `other` is a link or a file, there or on the way. */
export type DirectoryKind = 'missing' | 'empty' | 'directory' | 'other';

export interface RootTools {
  readonly exec: Exec;
  readonly mounter: Mounter;
  readonly readMounts: ReadMounts;
  readonly step: Step;
}

export const createRoot = (path: string, { exec, mounter, readMounts, step }: RootTools): Root => {
  const ownFolder = createOwnFolder(path);
  const volumesFolder = createOwnFolder(path, 'volumes');
  const snapshotsFolder = createOwnFolder(path, 'snapshots');
  const trashFolder = createOwnFolder(path, 'trash');
  const projectsFolder = createOwnFolder(path, 'projects');
  const mount = async () => (await readMounts()).holding(resolve(path));
  let trying: Promise<Abilities> | undefined;
  const abilities = (): Promise<Abilities> => {
    trying ??= ownFolder.path().then(async (folder) => tryAbilities(folder, await mount(), exec));
    return trying;
  };
  const makeNew: MakeNew = async (leaf, mode) =>
    (await abilities()).subvolumes ? makeSubvolume(exec, leaf) : makePlain(leaf, mode);
  const mountPoint = async () => (await mount())?.mountPoint ?? path;
  const engines = {
    qgroup: createQgroups(path, exec, readMounts, step),
    project: createProjects({ exec, step, claims: projectsFolder, mountPoint }),
  };
  const sizes = createSizes(path, abilities, engines);
  return {
    path,
    prepare: async () => {
      await prepareLayout(path, ownFolder, step);
      trying = undefined;
    },
    volumes: createRecords(volumesFolder, parseVolumeRecord, step),
    snapshots: createRecords(snapshotsFolder, parseSnapshotRecord, step),
    clean: async (minimumAgeMs) => {
      const folders = [ownFolder, volumesFolder, snapshotsFolder, projectsFolder];
      for (const folder of folders) await removeTemporary(folder, minimumAgeMs);
    },
    kindOf: (directory) => inspect(path, directory),
    identify: async (directory) =>
      using(await openBelow(path, directory), async (handle) => String((await handle.stat({ bigint: true })).ino)),
    make: (directory, ownership) => makeBelow(path, directory, ownership, makeNew, step),
    isSubvolume: (directory) => withParent(path, directory, (parent, leaf) => isSubvolume(join(pathOf(parent), leaf))),
    own: async (directory, ownership) => using(await openBelow(path, directory), (handle) => own(handle, ownership)),
    compress: async (directory, method) =>
      using(await openBelow(path, directory), (handle) => setCompression(exec, handle, method)),
    removeEmpty: (directory) => removeEmpty(path, directory),
    ...sizes,
    ...createTrash(path, { folder: trashFolder, exec, step, giveBack: sizes.giveBack }),
    ...createCopies(path, { exec, step, makeNew, engines, trash: trashFolder }),
    space: () => spaceOf(path),
    abilities,
    bind: async (directory, target, options) =>
      using(await openBelow(path, directory), (handle) => mounter.bind(pathOf(handle), target, options)),
  };
};

const inspect = async (root: string, directory: Directory): Promise<DirectoryKind> => {
  try {
    return await withParent(root, directory, async (parent, leaf) => {
      const kind = await kindOf(join(pathOf(parent), leaf));
      if (kind !== 'directory') return kind;
      return (await isEmpty(join(pathOf(parent), leaf))) ? 'empty' : 'directory';
    });
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 'missing';
    if (!(thrown instanceof DriverError)) throw thrown;
    if (thrown.kind === 'not-found') return 'missing';
    if (thrown.kind === 'failed-precondition') return 'other';
    throw thrown;
  }
};

const isEmpty = async (path: string): Promise<boolean> =>
  using(await openDirectory(path), async (handle) => {
    const entries = await opendir(pathOf(handle));
    try {
      return (await entries.read()) === null;
    } finally {
      await entries.close();
    }
  });

const removeEmpty = async (root: string, directory: Directory): Promise<void> => {
  try {
    await withParent(root, directory, (parent, leaf) => rmdir(join(pathOf(parent), leaf)));
  } catch (thrown) {
    const isGone = thrown instanceof DriverError && thrown.kind === 'not-found';
    if (!isGone && !['ENOENT', 'ENOTEMPTY', 'ENOTDIR'].includes(errnoOf(thrown) ?? '')) throw thrown;
  }
};
