import { randomBytes } from 'node:crypto';
import { type FileHandle, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf, quote } from '../domain/errors.ts';
import { type Directory, OWN_FOLDER } from '../domain/paths.ts';
import { deleteSubvolumes, isBtrfs } from './btrfs.ts';
import { kindOf, pathOf, withParent } from './directory.ts';
import type { Exec } from './exec.ts';
import type { OwnFolder } from './own-folder.ts';
import type { Step } from './step.ts';

/** Where deleted volumes wait for the purge. Everything is one rename; nothing is deleted but what lies in the trash. */
export interface Trash {
  /** Renames a volume directory into the trash. False when there is none. */
  readonly trash: (directory: Directory, name: string) => Promise<boolean>;
  /** Renames a volume directory to `archived-…` beside itself. False when there is none. */
  readonly archive: (directory: Directory) => Promise<boolean>;
  readonly listTrash: () => Promise<readonly string[]>;
  /** Deletes entries of the trash for good. May be repeated; goes on where it was ended. */
  readonly purge: (entries: readonly string[]) => Promise<void>;
}

/** Enough for a volume of millions of files; what is left then goes on at the next purge. */
export const PURGE_DEADLINE_MS = 600_000;

export const createTrash = (root: string, folder: OwnFolder, exec: Exec, step: Step): Trash => ({
  trash: async (directory, name) => {
    const to = join(await folder.path(), `${name}-${nonce()}`);
    const moved = await moveAway(root, directory, step, () => to);
    // On disk in both folders before the caller forgets the volume.
    if (moved) await folder.sync();
    return moved;
  },
  archive: (directory) =>
    moveAway(root, directory, step, (parent, leaf) => join(pathOf(parent), `archived-${clip(leaf)}-${nonce()}`)),
  listTrash: async () => readdir(await folder.path()),
  purge: async (entries) => {
    const path = await folder.path();
    // rm would empty a subvolume file by file, and stop at one inside.
    if (await isBtrfs(path)) {
      const handle = join(path, `purge-${nonce()}`);
      await deleteSubvolumes(exec, handle, (place) => entries.some((entry) => isIn(entry, place)));
    }
    const args = ['-rf', '--one-file-system', '--', ...entries.map((entry) => join(path, entry))];
    await exec({ binary: '/bin/rm', args, deadlineMs: PURGE_DEADLINE_MS });
  },
});

/** An entry has a nonce: the folder's own path on the file system does not matter. */
const isIn = (entry: string, place: string): boolean => `${place}/`.includes(`/${OWN_FOLDER}/trash/${entry}/`);

const moveAway = async (
  root: string,
  directory: Directory,
  step: Step,
  to: (parent: FileHandle, leaf: string) => string,
): Promise<boolean> => {
  try {
    return await withParent(root, directory, async (parent, leaf) => {
      const from = join(pathOf(parent), leaf);
      if ((await kindOf(from)) === 'other') throw notADirectory(directory);
      await rename(from, to(parent, leaf));
      step('directory renamed');
      await parent.sync();
      return true;
    });
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || (thrown instanceof DriverError && thrown.kind === 'not-found')) return false;
    throw thrown;
  }
};

const notADirectory = (directory: Directory): DriverError =>
  new DriverError(
    'failed-precondition',
    `${quote(directory)} is a link or a file: expected the volume's directory; nothing was changed`,
  );

const nonce = (): string => randomBytes(4).toString('hex');

/** Leaves room for a prefix and a nonce within NAME_MAX. */
const clip = (leaf: string): string => Buffer.from(leaf).subarray(0, 200).toString('utf8').replaceAll('\u{fffd}', '');
