import { type FileHandle, opendir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Expectation } from '../domain/identity.ts';
import type { Directory } from '../domain/paths.ts';
import { parseSnapshotRecord, parseVolumeRecord } from '../domain/record.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import type { Space } from '../domain/space.ts';
import type { Compression, Ownership, VolumeRecord, VolumeRef } from '../domain/volume.ts';
import { DriverError, errnoOf, quote } from '../errors/errors.ts';
import { isSubvolume, makeSubvolume, setCompression } from '../quotas/btrfs.ts';
import { createProjects } from '../quotas/projects.ts';
import { createQgroups } from '../quotas/qgroups.ts';
import { createSizes, type Sizes } from '../quotas/sizes.ts';
import { createOwnFolder, type HeldRoot, type OwnFolder } from '../store/own-folder.ts';
import { createRecords, type Records } from '../store/records.ts';
import { removeTemporary } from '../store/whole-file.ts';
import type { Exec } from '../subprocess/exec.ts';
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
} from '../system/directory.ts';
import { createListing, type Listing } from '../system/listing.ts';
import type { Mounter } from '../system/mounter.ts';
import type { ReadMounts } from '../system/mountinfo.ts';
import { spaceOf } from '../system/space.ts';
import type { Step } from '../system/step.ts';
import { type Copies, createCopies } from '../trees/copies.ts';
import { createTrash, type Trash } from '../trees/trash.ts';
import { type Abilities, tryAbilities } from './abilities.ts';

/**
 * All file work below one pool's root. Arguments and answers are plain data, so that the same code can run in this
 * process or in another. Nothing here follows a link below the root. What changes a volume directory reads the record
 * of the volume immediately before, and throws conflict when that record no longer exists: another controller may have
 * deleted the volume, and created another one with the same directory.
 */
export interface Root extends Trash, Copies, Sizes, Listing {
  readonly path: string;
  /**
   * To be called first: opens the root. Returns the id of the pool; undefined for layout 1 that must not be migrated.
   * Throws unavailable for a root that is not the expected pool.
   */
  readonly prepare: (expectation: Expectation) => Promise<string | undefined>;
  readonly volumes: Records<VolumeRecord>;
  readonly snapshots: Records<SnapshotRecord>;
  /** Removes temporary files older than `minimumAgeMs`, which writers that died have left. */
  readonly clean: (minimumAgeMs: number) => Promise<void>;
  readonly kindOf: (directory: Directory) => Promise<DirectoryKind>;
  /** The inode number of a volume directory. Throws not-found, or failed-precondition for a link or a file. */
  readonly identify: (directory: Directory) => Promise<string>;
  /** What `VolumeRecord.inode` states of a volume directory. */
  readonly fingerprint: (directory: Directory) => Promise<string>;
  /** Makes a volume directory: a subvolume where the root can, else a plain one. */
  readonly make: (volume: VolumeRef, ownership: Ownership) => Promise<'made' | 'existed'>;
  readonly isSubvolume: (directory: Directory) => Promise<boolean>;
  readonly own: (volume: VolumeRef, ownership: Ownership) => Promise<void>;
  /** Throws failed-precondition where the file system does not compress. */
  readonly compress: (volume: VolumeRef, method: Compression) => Promise<void>;
  /** Removes a directory that is empty; leaves anything else alone. */
  readonly removeEmpty: (volume: VolumeRef) => Promise<void>;
  readonly space: () => Promise<Space>;
  /** What the file system can do: tried once after each `prepare`. */
  readonly abilities: () => Promise<RootFacts>;
  /** Binds a volume directory at `target`, with no moment at which a link could take its place; see `Mounter.bind`. */
  readonly bind: (directory: Directory, target: string, options: readonly string[]) => Promise<void>;
}

export interface RootFacts extends Abilities {
  /** Every user of the node can enter the root. */
  readonly isOpenToOthers: boolean;
}

/** What lies where a volume directory is expected; `other` is a link or a file, there or on the way;
 * `elsewhere` a mount point, or something below one: no rename leads there. */
export type DirectoryKind = 'missing' | 'empty' | 'directory' | 'other' | 'elsewhere';

/** What is done below an open root. */
export type RootWork = Omit<Root, 'path' | 'prepare'>;

export interface RootTools {
  readonly exec: Exec;
  readonly mounter: Mounter;
  readonly readMounts: ReadMounts;
  readonly step: Step;
}

export const createRootWork = (root: HeldRoot, { exec, mounter, readMounts, step }: RootTools): RootWork => {
  const { path } = root;
  const ownFolder = createOwnFolder(root);
  const volumesFolder = createOwnFolder(root, 'volumes');
  const snapshotsFolder = createOwnFolder(root, 'snapshots');
  const trashFolder = createOwnFolder(root, 'trash');
  const projectsFolder = createOwnFolder(root, 'projects');
  const changesFolder = createOwnFolder(root, 'changes');
  const folders = { changes: changesFolder, step };
  const volumes = createRecords({ ...folders, folder: volumesFolder, label: 'volumes', parse: parseVolumeRecord });
  const snapshots = createRecords({
    ...folders,
    folder: snapshotsFolder,
    label: 'snapshots',
    parse: parseSnapshotRecord,
  });
  const requireCurrent = async ({ name, uid }: Pick<VolumeRef, 'name' | 'uid'>): Promise<void> => {
    if ((await volumes.read(name))?.uid !== uid) throw volumeChanged(name);
  };
  const mount = async () => (await readMounts()).holding(root.shownAs);
  let trying: Promise<RootFacts> | undefined;
  const abilities = (): Promise<RootFacts> => {
    trying ??= ownFolder.path().then(async (folder) => ({
      ...(await tryAbilities(folder, await mount(), exec)),
      isOpenToOthers: ((await stat(root.path)).mode & 0o007) !== 0,
    }));
    return trying;
  };
  const makeNew: MakeNew = async (leaf, mode) =>
    (await abilities()).subvolumes ? makeSubvolume(exec, leaf) : makePlain(leaf, mode);
  const mountPoint = async () => (await mount())?.mountPoint ?? root.shownAs;
  const engines = {
    qgroup: createQgroups(root, exec, readMounts, step),
    project: createProjects({ exec, step, claims: projectsFolder, mountPoint }),
  };
  const change = async <Value>(volume: VolumeRef, work: (directory: FileHandle) => Promise<Value>): Promise<Value> =>
    using(await openBelow(path, volume.directory), async (handle) => {
      await requireCurrent(volume);
      return work(handle);
    });
  const sizes = createSizes({ change, abilities, engines });
  return {
    volumes,
    snapshots,
    clean: async (minimumAgeMs) => {
      const all = [ownFolder, volumesFolder, snapshotsFolder, projectsFolder];
      for (const folder of all) await removeTemporary(folder, minimumAgeMs);
      for (const records of [volumes, snapshots]) await records.clean(SUCCESSOR_MS);
    },
    kindOf: async (directory) => {
      const table = await readMounts();
      const isOnRoot =
        table.holding(join(root.shownAs, directory))?.mountPoint === table.holding(root.shownAs)?.mountPoint;
      return isOnRoot ? inspect(path, directory) : 'elsewhere';
    },
    identify: async (directory) =>
      using(await openBelow(path, directory), async (handle) => String((await handle.stat({ bigint: true })).ino)),
    fingerprint: async (directory) =>
      using(await openBelow(path, directory), async (handle) => fingerprintOf(ownFolder, handle)),
    make: (volume, ownership) =>
      makeBelow(path, volume.directory, ownership, { makeNew, requireWanted: () => requireCurrent(volume), step }),
    isSubvolume: (directory) => withParent(path, directory, (parent, leaf) => isSubvolume(join(pathOf(parent), leaf))),
    own: (volume, ownership) => change(volume, (handle) => own(handle, ownership)),
    compress: (volume, method) => change(volume, (handle) => setCompression(exec, handle, method)),
    removeEmpty: async (volume) => {
      await requireCurrent(volume);
      await removeEmpty(path, volume.directory);
    },
    ...sizes,
    ...createTrash(path, {
      folder: trashFolder,
      exec,
      step,
      release: sizes.release,
      requireCurrent,
      fingerprint: (handle) => fingerprintOf(ownFolder, handle),
    }),
    ...createCopies(root, { exec, step, makeNew, engines, trash: trashFolder, requireCurrent }),
    ...createListing(path, exec),
    space: () => spaceOf(path),
    abilities,
    bind: async (directory, target, options) =>
      using(await openBelow(path, directory), (handle) => mounter.bind(pathOf(handle), target, options)),
  };
};

/** Milliseconds that the successor of a version is kept. Only a longer pause of a process can go unnoticed. */
const SUCCESSOR_MS = 3_600_000;

/** The own folder's number is part of it: where somebody has copied a root to another disk, all inodes are new. */
const fingerprintOf = async (ownFolder: OwnFolder, directory: FileHandle): Promise<string> => {
  const { ino } = await directory.stat({ bigint: true });
  return `${await ownFolder.inode()}-${ino}`;
};

const volumeChanged = (name: string): DriverError =>
  new DriverError('conflict', `volume ${quote(name)} was deleted by another controller in the meantime`);

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
