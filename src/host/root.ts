import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, opendir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import type { Directory } from '../domain/paths.ts';
import { parseSnapshotRecord, parseVolumeRecord } from '../domain/record.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import type { Space } from '../domain/space.ts';
import type { Ownership, VolumeRecord } from '../domain/volume.ts';
import { type Copies, createCopies } from './copies.ts';
import { kindOf, makeBelow, openBelow, openDirectory, own, pathOf, using, withParent } from './directory.ts';
import type { Exec } from './exec.ts';
import { prepareLayout } from './layout.ts';
import type { Mounter } from './mounter.ts';
import { createOwnFolder } from './own-folder.ts';
import { createRecords, type Records } from './records.ts';
import { spaceOf } from './space.ts';
import type { Step } from './step.ts';
import { createTrash, type Trash } from './trash.ts';
import { removeTemporary, TEMPORARY_SUFFIX } from './whole-file.ts';

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
  readonly make: (directory: Directory, ownership: Ownership) => Promise<'made' | 'existed'>;
  readonly own: (directory: Directory, ownership: Ownership) => Promise<void>;
  /** Removes a directory that is empty; leaves anything else alone. */
  readonly removeEmpty: (directory: Directory) => Promise<void>;
  readonly space: () => Promise<Space>;
  /** Tries whether the file system shares blocks between copies. */
  readonly canReflink: () => Promise<boolean>;
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
  return {
    path,
    prepare: () => prepareLayout(path, ownFolder, step),
    volumes: createRecords(volumesFolder, parseVolumeRecord, step),
    snapshots: createRecords(snapshotsFolder, parseSnapshotRecord, step),
    clean: async (minimumAgeMs) => {
      for (const folder of [ownFolder, volumesFolder, snapshotsFolder]) await removeTemporary(folder, minimumAgeMs);
    },
    kindOf: (directory) => inspect(path, directory),
    make: (directory, ownership) => makeBelow(path, directory, ownership, step),
    own: async (directory, ownership) => using(await openBelow(path, directory), (handle) => own(handle, ownership)),
    removeEmpty: (directory) => removeEmpty(path, directory),
    ...createTrash(path, trashFolder, exec, step),
    ...createCopies(path, { exec, step, trash: trashFolder }),
    space: () => spaceOf(path),
    canReflink: async () => tryReflink(await ownFolder.path()),
    bind: async (directory, target) =>
      using(await openBelow(path, directory), (handle) =>
        mounter.bind(`/proc/${process.pid}/fd/${handle.fd}`, target, []),
      ),
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

const tryReflink = async (folder: string): Promise<boolean> => {
  const from = join(folder, `.reflink-${randomBytes(4).toString('hex')}${TEMPORARY_SUFFIX}`);
  const to = `${from}${TEMPORARY_SUFFIX}`;
  try {
    await writeFile(from, 'x', { flag: 'wx' });
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all([rm(from, { force: true }), rm(to, { force: true })]);
  }
};
