import { randomBytes } from 'node:crypto';
import { type FileHandle, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Directory } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, errnoOf, quote } from '../errors/errors.ts';
import { kindOf, moveDirectory, openPath, pathOf, using, withParent } from '../system/directory.ts';
import { type PurgeTools, purgeEntry } from './purge.ts';
import { prefixOf } from './trash-entry.ts';

/** Where deleted volumes wait for the purge. Everything is one rename; nothing is deleted but what lies in the trash. */
export interface Trash {
  /**
   * Renames a volume directory into the trash, if there is one. What holds it is given back once its data has gone.
   * Throws conflict when the volume does not exist any more, failed-precondition for another directory than its own.
   */
  readonly trash: (volume: TrashedVolume) => Promise<void>;
  /** Renames a volume directory to `archived-…` beside itself, if there is one. Throws as `trash` does. */
  readonly archive: (volume: TrashedVolume) => Promise<void>;
  readonly listTrash: () => Promise<readonly string[]>;
  /** See `purgeEntry`. */
  readonly purge: (entry: string) => Promise<void>;
}

export type TrashedVolume = Pick<VolumeRecord, 'name' | 'uid' | 'directory' | 'limit' | 'inode'>;

export interface TrashTools extends PurgeTools {
  /** Throws conflict when the record of a volume does not exist any more. */
  readonly requireCurrent: (volume: TrashedVolume) => Promise<void>;
  /** What `VolumeRecord.inode` states of an open directory. */
  readonly fingerprint: (directory: FileHandle) => Promise<string>;
}

export const createTrash = (root: string, tools: TrashTools): Trash => {
  const { folder, release } = tools;
  return {
    trash: async (volume) => {
      const { name, limit } = volume;
      const path = await folder.path();
      const moved = await moveAway(root, volume, tools, () => join(path, `${prefixOf(volume)}${nonce()}`));
      // On disk in both folders before the caller forgets the volume.
      if (moved) return folder.sync();
      const isThere = (await readdir(path)).some((entry) => entry.startsWith(prefixOf(volume)));
      if (limit !== undefined && !isThere) await release({ name, limit });
    },
    archive: async (volume) => {
      const to = (parent: FileHandle, leaf: string) => join(pathOf(parent), `archived-${clip(leaf)}-${nonce()}`);
      await moveAway(root, volume, tools, to);
    },
    listTrash: async () => readdir(await folder.path()),
    purge: (entry) => purgeEntry(entry, tools),
  };
};

/** False when there is nothing to move, and nothing was moved before. */
const moveAway = async (
  root: string,
  volume: TrashedVolume,
  tools: TrashTools,
  toPath: (parent: FileHandle, leaf: string) => string,
): Promise<boolean> => {
  const { directory } = volume;
  try {
    return await withParent(root, directory, async (parent, leaf) => {
      const from = join(pathOf(parent), leaf);
      if ((await kindOf(from)) === 'other') throw notADirectory(directory);
      await using(await openPath(from), async (handle) => {
        await moveOpen(handle, from, toPath(parent, leaf), volume, tools);
      });
      await parent.sync();
      return true;
    });
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || (thrown instanceof DriverError && thrown.kind === 'not-found')) return false;
    throw thrown;
  }
};

/**
 * Renames an open directory. The descriptor tells what is at a path from what was there when it was opened: a process
 * that stops right before the rename, while others delete the volume and create another one in its place, moves that
 * one, and moves it back.
 */
const moveOpen = async (
  handle: FileHandle,
  from: string,
  to: string,
  volume: TrashedVolume,
  { requireCurrent, fingerprint, step }: TrashTools,
): Promise<void> => {
  const found = await fingerprint(handle);
  await requireCurrent(volume);
  if (volume.inode !== undefined && isOtherDirectory(found, volume.inode)) throw replaced(volume);
  await moveDirectory(from, to).catch((thrown: unknown) => {
    throw isElsewhere(thrown) ? mounted(volume) : thrown;
  });
  step('directory renamed');
  if (await isSameFile(handle, to)) return;
  if ((await kindOf(from)) === 'missing') {
    await moveDirectory(to, from).catch(() => {
      // Somebody has put something there in the meantime: what was moved was a link or a directory of theirs, too.
    });
  }
  throw new DriverError('conflict', `directory ${quote(volume.directory)} was replaced while it was moved`);
};

/** Inodes can be compared only while the driver's own folder, whose number comes first, is the same one. */
const isOtherDirectory = (found: string, expected: string): boolean =>
  found !== expected && found.split('-', 1)[0] === expected.split('-', 1)[0];

const isSameFile = async (handle: FileHandle, path: string): Promise<boolean> => {
  const [open, there] = await Promise.all([handle.stat({ bigint: true }), lstat(path, { bigint: true })]);
  return open.ino === there.ino && open.dev === there.dev;
};

/** It is a mount point, or below one. */
const isElsewhere = (thrown: unknown): boolean => ['EXDEV', 'EBUSY'].includes(errnoOf(thrown) ?? '');

const mounted = ({ directory }: TrashedVolume): DriverError =>
  new DriverError(
    'failed-precondition',
    `directory ${quote(directory)} is a mount point, or on another file system than the pool: unmount it first; nothing was changed`,
  );

const replaced = ({ directory }: TrashedVolume): DriverError =>
  new DriverError(
    'failed-precondition',
    `directory ${quote(directory)} is not the one that was made for the volume: move it away; nothing was changed`,
  );

const notADirectory = (directory: Directory): DriverError =>
  new DriverError(
    'failed-precondition',
    `${quote(directory)} is a link or a file: expected the volume's directory; nothing was changed`,
  );

const nonce = (): string => randomBytes(4).toString('hex');

/** Leaves room for a prefix and a nonce within NAME_MAX. */
const clip = (leaf: string): string => Buffer.from(leaf).subarray(0, 200).toString('utf8').replaceAll('\u{fffd}', '');
