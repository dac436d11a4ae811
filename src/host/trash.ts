import { randomBytes } from 'node:crypto';
import { type FileHandle, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf, quote } from '../domain/errors.ts';
import { type Directory, OWN_FOLDER } from '../domain/paths.ts';
import type { Limit, VolumeRecord } from '../domain/volume.ts';
import { deleteSubvolumes, isBtrfs } from './btrfs.ts';
import { kindOf, pathOf, withParent } from './directory.ts';
import type { Exec } from './exec.ts';
import { gently } from './gentle.ts';
import type { OwnFolder } from './own-folder.ts';
import type { SizeEngine } from './sizes.ts';
import type { Step } from './step.ts';

/** Where deleted volumes wait for the purge. Everything is one rename; nothing is deleted but what lies in the trash. */
export interface Trash {
  /** Renames a volume directory into the trash, if there is one. What holds it is given back once its data has gone. */
  readonly trash: (volume: TrashedVolume) => Promise<void>;
  /** Renames a volume directory to `archived-…` beside itself, if there is one. */
  readonly archive: (directory: Directory) => Promise<void>;
  readonly listTrash: () => Promise<readonly string[]>;
  /** Deletes entries of the trash for good. May be repeated; goes on where it was ended. */
  readonly purge: (entries: readonly string[]) => Promise<void>;
}

export type TrashedVolume = Pick<VolumeRecord, 'name' | 'directory' | 'limit'>;

export interface TrashTools {
  readonly folder: OwnFolder;
  readonly exec: Exec;
  readonly step: Step;
  /** Takes back what held a volume. */
  readonly giveBack: SizeEngine['giveBack'];
}

/** Enough for a volume of millions of files; what is left then goes on at the next purge. */
export const PURGE_DEADLINE_MS = 600_000;

export const createTrash = (root: string, { folder, exec, step, giveBack }: TrashTools): Trash => {
  const remove = async (binary: '/bin/rm' | '/usr/bin/find', args: readonly string[]): Promise<void> => {
    await exec(gently({ binary, args, deadlineMs: PURGE_DEADLINE_MS }));
  };
  return {
    trash: async (volume) => {
      const { name, directory, limit } = volume;
      const path = await folder.path();
      const moved = await moveAway(root, directory, step, () => join(path, `${prefixOf(volume)}${nonce()}`));
      // On disk in both folders before the caller forgets the volume.
      if (moved) return folder.sync();
      const isThere = (await readdir(path)).some((entry) => entry.startsWith(prefixOf(volume)));
      if (limit !== undefined && !isThere) await giveBack({ name, limit });
    },
    archive: async (directory) => {
      const to = (parent: FileHandle, leaf: string) => join(pathOf(parent), `archived-${clip(leaf)}-${nonce()}`);
      await moveAway(root, directory, step, to);
    },
    listTrash: async () => readdir(await folder.path()),
    purge: async (entries) => {
      const path = await folder.path();
      // rm would empty a subvolume file by file, and stop at one inside.
      if (await isBtrfs(path)) {
        const belongs = (place: string): boolean => entries.some((entry) => isIn(entry, place));
        await deleteSubvolumes(exec, join(path, `purge-${nonce()}`), belongs, step);
      }
      for (const entry of entries) {
        const held = heldIn(entry);
        if (held === undefined) continue;
        // The entry itself stays until then: its name is all that is known of the project.
        await remove('/usr/bin/find', [join(path, entry), '-xdev', '-mindepth', '1', '-delete']);
        step('trash emptied');
        await giveBack(held);
      }
      await remove('/bin/rm', ['-rf', '--one-file-system', '--', ...entries.map((entry) => join(path, entry))]);
    },
  };
};

/** How its entry begins: `<name>-`, or `<name>@<project>-`. No name has an @. */
export const prefixOf = ({ name, limit }: Pick<TrashedVolume, 'name' | 'limit'>): string =>
  limit?.by === 'project' ? `${name}@${limit.id}-` : `${name}-`;

const heldIn = (entry: string): { readonly name: string; readonly limit: Limit } | undefined => {
  const [, name, id] = /^([^@]+)@(\d+)-/.exec(entry) ?? [];
  return name === undefined ? undefined : { name, limit: { by: 'project', id: Number(id) } };
};

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
