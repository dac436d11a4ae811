import { randomBytes } from 'node:crypto';
import { type FileHandle, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type CopyOwner, type CopySource, nameCopy } from '../domain/copy.ts';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { type Directory, OWN_FOLDER } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { setReadOnly, snapshotSubvolume } from './btrfs.ts';
import { copyTree } from './copy-tree.ts';
import {
  kindOf,
  type MakeNew,
  makeParents,
  openBelow,
  openDirectory,
  openInside,
  pathOf,
  using,
  withParent,
} from './directory.ts';
import type { Exec } from './exec.ts';
import { gently } from './gentle.ts';
import { createOwnFolder, type OwnFolder } from './own-folder.ts';
import { bytesOf } from './qgroups.ts';
import { holdOpen, type SizeEngines } from './sizes.ts';
import type { Step } from './step.ts';
import { prefixOf, type TrashedVolume } from './trash.ts';

/** A copy that is whole and on disk, still aside. */
export interface Copy {
  /** Its name in `.csi-subdir/copies/`. */
  readonly name: string;
  /** What it takes on disk. */
  readonly bytes: number;
}

/** For whom a copy is made; for a volume that is held to its size, the copy is held from the beginning. */
export interface CopyTarget extends CopyOwner {
  readonly volume?: Pick<VolumeRecord, 'name' | 'directory' | 'limit' | 'capacityBytes'>;
}

/** Copies are made aside in the driver's own folder, and renamed to where they belong when they are whole. */
export interface Copies {
  /** Copies a tree for a volume or a snapshot. Takes as long as it takes; ends early when `signal` is aborted. */
  readonly copy: (source: CopySource, target: CopyTarget, signal: AbortSignal) => Promise<Copy>;
  /** Makes a copy the data of a snapshot. */
  readonly keep: (copy: string, snapshot: string) => Promise<void>;
  /** Makes a copy a volume directory, where nothing else is. Throws failed-precondition. */
  readonly place: (copy: string, directory: Directory) => Promise<void>;
  readonly listCopies: () => Promise<readonly string[]>;
  /** Moves copies to the trash, as those of a volume that will never be; what is not there is fine. */
  readonly discardCopies: (copies: readonly string[], volume?: TrashedVolume) => Promise<void>;
  /** Moves the data of a snapshot to the trash. */
  readonly discardData: (snapshot: string) => Promise<void>;
}

export interface CopyTools {
  readonly exec: Exec;
  readonly step: Step;
  /** Makes a directory of the kind that volumes are. */
  readonly makeNew: MakeNew;
  readonly engines: SizeEngines;
  readonly trash: OwnFolder;
}

export const createCopies = (root: string, tools: CopyTools): Copies => {
  const { exec, step, trash } = tools;
  const copies = createOwnFolder(root, 'copies');
  const data = createOwnFolder(root, 'data');

  const discard = async (folder: OwnFolder, names: readonly string[], volume?: TrashedVolume): Promise<void> => {
    let moved = false;
    for (const name of names) {
      const from = join(await folder.path(), name);
      if ((await kindOf(from)) === 'missing') continue;
      await setReadOnly(exec, from, false);
      await rename(from, join(await trash.path(), `${prefixOf(volume ?? { name })}${nonce()}`)).catch(ignoreMissing);
      moved = true;
    }
    if (!moved) return;
    await trash.sync();
    await folder.sync();
  };

  return {
    copy: async (source, target, signal) => {
      const name = nameCopy(target, nonce());
      const path = join(await copies.path(), name);
      const bytes = await using(await openSource(source), (from) => copyTo(tools, from, { path, ...target }, signal));
      return { name, bytes };
    },
    keep: async (copy, snapshot) => {
      const to = join(await data.path(), snapshot);
      await rename(join(await copies.path(), copy), to).catch(refuseTaken);
      step('copy kept');
      await setReadOnly(exec, to, true);
      await data.sync();
    },
    place: async (copy, directory) => {
      await makeParents(root, directory);
      await withParent(root, directory, async (parent, leaf) => {
        const to = join(pathOf(parent), leaf);
        if ((await kindOf(to)) !== 'missing') throw occupied(directory);
        await rename(join(await copies.path(), copy), to).catch(refuseTaken);
        step('copy placed');
        await parent.sync();
      });
    },
    listCopies: async () => readdir(await copies.path()),
    discardCopies: (names, volume) => discard(copies, names, volume),
    discardData: (snapshot) => discard(data, [snapshot]),
  };
};

/** Copies an open directory to a new one, in the best way there is. Answers the bytes it takes, 0 where nobody knows. */
const copyTo = async (
  { exec, step, makeNew, engines }: CopyTools,
  from: FileHandle,
  { path, volume }: CopyTarget & { readonly path: string },
  signal: AbortSignal,
): Promise<number> => {
  if (await snapshotSubvolume(exec, from, path, signal)) {
    step('subvolume snapshot made');
    return bytesOf(exec, path);
  }
  await makeNew(path, 0o700);
  step('copy begun');
  await using(await openDirectory(path), async (to) => {
    const limit = volume?.limit;
    if (volume !== undefined && limit !== undefined) await holdOpen(engines, to, { ...volume, limit });
    await copyTree(exec, { source: from, target: to }, signal);
  });
  step('copy made');
  await exec({ ...gently({ binary: '/bin/sync', args: ['--file-system', '--', path] }), signal });
  return measure(exec, path, signal);
};

const measure = async (exec: Exec, path: string, signal: AbortSignal): Promise<number> => {
  const args = ['--summarize', '--block-size=1', '--', path];
  return Number.parseInt(await exec({ ...gently({ binary: '/usr/bin/du', args }), signal }), 10);
};

const openSource = (source: CopySource): Promise<FileHandle> =>
  source.kind === 'volume'
    ? openBelow(source.root, source.directory)
    : openInside(source.root, [OWN_FOLDER, 'data', source.name]).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== 'ENOENT') throw thrown;
        throw new DriverError('failed-precondition', `the data of snapshot ${source.name} is missing in the pool`);
      });

const occupied = (directory: Directory): DriverError =>
  new DriverError('failed-precondition', `directory ${JSON.stringify(directory)} was made by somebody else meanwhile`);

const refuseTaken = (thrown: unknown): never => {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown;
  throw new DriverError('aborted', 'the copy was taken away by another controller', { cause: thrown });
};

const ignoreMissing = (thrown: unknown): void => {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown;
};

const nonce = (): string => randomBytes(4).toString('hex');
