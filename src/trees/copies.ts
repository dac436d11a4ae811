import { randomBytes } from 'node:crypto';
import { type FileHandle, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CopySource } from '../domain/copy.ts';
import { type Directory, OWN_FOLDER } from '../domain/paths.ts';
import type { VolumeRecord, VolumeRef } from '../domain/volume.ts';
import { DriverError, errnoOf, ignoreMissing, quote } from '../errors/errors.ts';
import { setReadOnly, snapshotSubvolume } from '../quotas/btrfs.ts';
import { enforceOpen, type SizeEngines } from '../quotas/sizes.ts';
import { createOwnFolder, type HeldRoot, type OwnFolder } from '../store/own-folder.ts';
import type { Exec } from '../subprocess/exec.ts';
import { withLowPriority } from '../subprocess/low-priority.ts';
import {
  kindOf,
  type MakeNew,
  makeParents,
  moveDirectory,
  openBelow,
  openDirectory,
  openInside,
  pathOf,
  using,
  withParent,
} from '../system/directory.ts';
import type { Step } from '../system/step.ts';
import { copyTree } from './copy-tree.ts';
import { prefixOf } from './trash-entry.ts';

/** A copy to make. The size of a volume is enforced from the beginning. */
export interface CopyTarget {
  /** Its name in `.csi-subdir/copies/`, which is new. */
  readonly copy: string;
  readonly volume?: VolumeRef & Pick<VolumeRecord, 'limit' | 'capacityBytes'>;
}

/**
 * Copies are made in the driver's own folder, under names that are never used twice, and renamed to where they belong
 * when they are complete. A rename moves a name once, whatever a process does that continues late.
 */
export interface Copies {
  /** Copies a tree, durably. Takes as long as it takes; ends early when `signal` is aborted. */
  readonly copy: (source: CopySource, target: CopyTarget, signal: AbortSignal) => Promise<void>;
  /** Makes a copy the data of a snapshot, under the same name. Throws conflict when it is not there any more. */
  readonly commitData: (copy: string) => Promise<void>;
  /**
   * Makes a copy a volume directory. Throws conflict when it is not there any more, failed-precondition where there is
   * something else.
   */
  readonly commitCopy: (copy: string, volume: VolumeRef) => Promise<void>;
  readonly listCopies: () => Promise<readonly string[]>;
  readonly listData: () => Promise<readonly string[]>;
  /** Moves copies to the trash, with the project of the volume that they were made for; missing ones are skipped. */
  readonly dropCopies: (copies: readonly string[], volume?: DiscardedVolume) => Promise<void>;
  /** Moves data of snapshots to the trash; missing folders are skipped. */
  readonly dropData: (data: readonly string[]) => Promise<void>;
}

export type DiscardedVolume = Pick<VolumeRecord, 'name' | 'limit'>;

export interface CopyTools {
  readonly exec: Exec;
  readonly step: Step;
  /** Makes a directory of the kind that volumes are. */
  readonly makeNew: MakeNew;
  readonly engines: SizeEngines;
  readonly trash: OwnFolder;
  /** Throws conflict when the record of a volume does not exist any more. */
  readonly requireCurrent: (volume: VolumeRef) => Promise<void>;
}

export const createCopies = (held: HeldRoot, tools: CopyTools): Copies => {
  const { path: root, shownAs } = held;
  const { exec, step, trash } = tools;
  const copies = createOwnFolder(held, 'copies');
  const data = createOwnFolder(held, 'data');

  const discard = async (folder: OwnFolder, names: readonly string[], volume?: DiscardedVolume): Promise<void> => {
    let moved = false;
    for (const name of names) {
      const from = join(await folder.path(), name);
      if ((await kindOf(from)) === 'missing') continue;
      await setReadOnly(exec, from, false);
      const to = `${prefixOf(volume ?? { name: name.replace('@', '-') })}${nonce()}`;
      await moveDirectory(from, join(await trash.path(), to)).catch(ignoreMissing);
      moved = true;
    }
    if (!moved) return;
    await trash.sync();
    await folder.sync();
  };

  return {
    copy: async (source, target, signal) => {
      const path = join(await copies.path(), target.copy);
      const within = source.root === shownAs ? { ...source, root } : source;
      await using(await openSource(within), (from) => copyTo(tools, from, { path, ...target }, signal));
    },
    commitData: async (copy) => {
      const to = join(await data.path(), copy);
      await moveDirectory(join(await copies.path(), copy), to).catch(refuseTaken);
      step('copy committed');
      await setReadOnly(exec, to, true);
      await data.sync();
    },
    commitCopy: async (copy, volume) => {
      const { directory } = volume;
      await makeParents(root, directory);
      await withParent(root, directory, async (parent, leaf) => {
        const to = join(pathOf(parent), leaf);
        if ((await kindOf(to)) !== 'missing') throw occupied(directory);
        await tools.requireCurrent(volume);
        await moveDirectory(join(await copies.path(), copy), to).catch(refuseTaken);
        step('copy placed');
        await parent.sync();
      });
    },
    listCopies: async () => readdir(await copies.path()),
    listData: async () => readdir(await data.path()),
    dropCopies: (names, volume) => discard(copies, names, volume),
    dropData: (names) => discard(data, names),
  };
};

/** Copies an open directory to a new one, in the best way there is. */
const copyTo = async (
  { exec, step, makeNew, engines }: CopyTools,
  from: FileHandle,
  { path, volume }: CopyTarget & { readonly path: string },
  signal: AbortSignal,
): Promise<void> => {
  if (await snapshotSubvolume(exec, from, path, signal)) {
    step('subvolume snapshot made');
    return;
  }
  await makeNew(path, 0o700);
  step('copy begun');
  await using(await openDirectory(path), async (to) => {
    const limit = volume?.limit;
    if (volume !== undefined && limit !== undefined) await enforceOpen(engines, to, { ...volume, limit });
    await copyTree(exec, { source: from, target: to }, signal);
  });
  step('copy made');
  await exec({ ...withLowPriority({ binary: '/bin/sync', args: ['--file-system', '--', path] }), signal });
};

const openSource = (source: CopySource): Promise<FileHandle> =>
  source.kind === 'volume'
    ? openBelow(source.root, source.directory)
    : openInside(source.root, [OWN_FOLDER, 'data', source.data]).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== 'ENOENT') throw thrown;
        throw new DriverError(
          'failed-precondition',
          `the data of the snapshot (${source.data}) is missing in the pool`,
        );
      });

const occupied = (directory: Directory): DriverError =>
  new DriverError('failed-precondition', `directory ${quote(directory)} exists already`);

const refuseTaken = (thrown: unknown): never => {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown;
  throw new DriverError('conflict', 'another controller has discarded the copy', { cause: thrown });
};

const nonce = (): string => randomBytes(4).toString('hex');
