import { opendir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import type { Directory } from '../domain/paths.ts';
import { parseSnapshotRecord, parseVolumeRecord } from '../domain/record.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import type { Space } from '../domain/space.ts';
import type { Ownership, VolumeRecord } from '../domain/volume.ts';
import { type Abilities, tryAbilities } from './abilities.ts';
import { isSubvolume, makeSubvolume } from './btrfs.ts';
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
import { createOwnFolder } from './own-folder.ts';
import { createRecords, type Records } from './records.ts';
import { spaceOf } from './space.ts';
import type { Step } from './step.ts';
import { createTrash, type Trash } from './trash.ts';
import { removeTemporary } from './whole-file.ts';

/**
 * All file work below one pool's root. Arguments and answers are plain data, so that the same code can run in this
 * process or in another. Nothing here follows a link below the root.
 */
export interface Root extends Trash, Copies {
  readonly path: string;
  /** Makes the driver's own folder where it is missing. Refuses a root whose layout is newer than ours. */
  readonly prepare: () => Promise<void>;
  readonly volumes: Records<VolumeRecord>;
  readonly snapshots: Records<SnapshotRecord>;
  /** Removes temporary files older than `minimumAgeMs`, which writers that died have left. */
  readonly clean: (minimumAgeMs: number) => Promise<void>;
  readonly kindOf: (directory: Directory) => Promise<DirectoryKind>;
  /** Makes a volume directory: a subvolume where the root can, else a plain one. */
  readonly make: (directory: Directory, ownership: Ownership) => Promise<'made' | 'existed'>;
  readonly isSubvolume: (directory: Directory) => Promise<boolean>;
  readonly own: (directory: Directory, ownership: Ownership) => Promise<void>;
  /** Removes a directory that is empty; leaves anything else alone. */
  readonly removeEmpty: (directory: Directory) => Promise<void>;
  readonly space: () => Promise<Space>;
  /** What the file system can do: tried once, at the first question. */
  readonly abilities: () => Promise<Abilities>;
  /** Binds a volume directory at `target`, with no moment at which a link could take its place. */
  readonly bind: (directory: Directory, target: string) => Promise<void>;
}

/** What lies where a volume directory is expected; `other` is a link or a file, there or on the way. */
export type DirectoryKind = 'missing' | 'empty' | 'directory' | 'other';

export interface RootTools {
  readonly exec: Exec;
  readonly mounter: Mounter;
  readonly step: Step;
}

export const createRoot = (path: string, { exec, mounter, step }: RootTools): Root => {
  const ownFolder = createOwnFolder(path);
  const volumesFolder = createOwnFolder(path, 'volumes');
  const snapshotsFolder = createOwnFolder(path, 'snapshots');
  const trashFolder = createOwnFolder(path, 'trash');
  const abilities = once(async () => tryAbilities(await ownFolder.path(), exec));
  const makeNew: MakeNew = async (leaf) =>
    (await abilities()).subvolumes ? makeSubvolume(exec, leaf) : makePlain(0o700)(leaf);
  return {
    path,
    prepare: () => prepareLayout(path, ownFolder, step),
    volumes: createRecords(volumesFolder, parseVolumeRecord, step),
    snapshots: createRecords(snapshotsFolder, parseSnapshotRecord, step),
    clean: async (minimumAgeMs) => {
      for (const folder of [ownFolder, volumesFolder, snapshotsFolder]) await removeTemporary(folder, minimumAgeMs);
    },
    kindOf: (directory) => inspect(path, directory),
    make: (directory, ownership) => makeBelow(path, directory, ownership, makeNew, step),
    isSubvolume: (directory) => withParent(path, directory, (parent, leaf) => isSubvolume(join(pathOf(parent), leaf))),
    own: async (directory, ownership) => using(await openBelow(path, directory), (handle) => own(handle, ownership)),
    removeEmpty: (directory) => removeEmpty(path, directory),
    ...createTrash(path, trashFolder, exec, step),
    ...createCopies(path, { exec, step, makeNew, trash: trashFolder }),
    space: () => spaceOf(path),
    abilities,
    bind: async (directory, target) =>
      using(await openBelow(path, directory), (handle) => mounter.bind(pathOf(handle), target, [])),
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

/** The first answer, for ever; a failure is not one. */
const once = <Value>(find: () => Promise<Value>): (() => Promise<Value>) => {
  let finding: Promise<Value> | undefined;
  return () => {
    finding ??= find().catch((thrown: unknown) => {
      finding = undefined;
      throw thrown;
    });
    return finding;
  };
};
