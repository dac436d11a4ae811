import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import {
  copyFile,
  mkdir,
  opendir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { type Directory, OWN_FOLDER } from '../domain/paths.ts';
import type { Space } from '../domain/space.ts';
import { LAYOUT, type Ownership } from '../domain/volume.ts';
import {
  kindOf,
  makeBelow,
  openBelow,
  openDirectory,
  own,
  pathOf,
  syncDirectory,
  using,
  withParent,
} from './directory.ts';
import type { Exec } from './exec.ts';
import type { Mounter } from './mounter.ts';
import { createRecords, type Records } from './records.ts';
import type { Step } from './step.ts';
import { createWhole, removeTemporary, TEMPORARY_SUFFIX } from './whole-file.ts';

/**
 * All file work below one pool's root. Arguments and answers are plain data, so that the same code can run in this
 * process or in another. Nothing here follows a link below the root.
 */
export interface Root {
  readonly path: string;
  /** Makes the driver's own folder where it is missing. Refuses a root whose layout is newer than ours. */
  readonly prepare: () => Promise<void>;
  readonly volumes: Records;
  /** Removes temporary files older than `minimumAgeMs`, which writers that died have left. */
  readonly clean: (minimumAgeMs: number) => Promise<void>;
  readonly kindOf: (directory: Directory) => Promise<'missing' | 'empty' | 'directory' | 'other'>;
  readonly make: (directory: Directory, ownership: Ownership) => Promise<'made' | 'existed'>;
  readonly own: (directory: Directory, ownership: Ownership) => Promise<void>;
  /** Removes a directory that is empty; leaves anything else alone. */
  readonly removeEmpty: (directory: Directory) => Promise<void>;
  /** Renames a volume directory into the trash. False when there is none. */
  readonly trash: (directory: Directory, name: string) => Promise<boolean>;
  /** Renames a volume directory to `archived-…` beside itself. False when there is none. */
  readonly archive: (directory: Directory) => Promise<boolean>;
  readonly listTrash: () => Promise<readonly string[]>;
  /** Deletes entries of the trash for good. May be repeated; goes on where it was ended. */
  readonly purge: (entries: readonly string[]) => Promise<void>;
  readonly space: () => Promise<Space>;
  /** Tries whether the file system shares blocks between copies. */
  readonly canReflink: () => Promise<boolean>;
  /** Binds a volume directory at `target`, with no moment at which a link could take its place. */
  readonly bind: (directory: Directory, target: string) => Promise<void>;
}

/** Enough for a volume of millions of files; what is left then goes on at the next purge. */
const PURGE_DEADLINE_MS = 600_000;

export interface RootTools {
  readonly exec: Exec;
  readonly mounter: Mounter;
  readonly step: Step;
}

export const createRoot = (path: string, { exec, mounter, step }: RootTools): Root => {
  const ownFolder = join(path, OWN_FOLDER);
  const volumesFolder = join(ownFolder, 'volumes');
  const trashFolder = join(ownFolder, 'trash');

  /** Both folders reach the disk before the caller forgets the volume. */
  const moveAway = (directory: Directory, to: (parent: FileHandle, leaf: string) => string, toFolder?: string) =>
    withParent(path, directory, async (parent, leaf) => {
      const from = join(pathOf(parent), leaf);
      const kind = await kindOf(from);
      if (kind === 'missing') return false;
      if (kind === 'other') throw notADirectory(directory);
      await rename(from, to(parent, leaf));
      step('directory renamed');
      if (toFolder !== undefined) await syncDirectory(toFolder);
      await parent.sync();
      return true;
    }).catch((thrown: unknown) => {
      if (isMissing(thrown)) return false;
      throw thrown;
    });

  return {
    path,
    prepare: async () => {
      await requireRealPath(path);
      for (const folder of [ownFolder, volumesFolder, trashFolder]) await ensureFolder(folder);
      await ensureLayout(ownFolder, step);
    },
    volumes: createRecords(volumesFolder, step),
    clean: async (minimumAgeMs) => {
      for (const folder of [ownFolder, volumesFolder]) await removeTemporary(folder, minimumAgeMs);
    },
    kindOf: (directory) =>
      withParent(path, directory, async (parent, leaf) => {
        const kind = await kindOf(join(pathOf(parent), leaf));
        if (kind !== 'directory') return kind;
        return (await isEmpty(join(pathOf(parent), leaf))) ? 'empty' : 'directory';
      }).catch((thrown: unknown) => {
        if (isMissing(thrown)) return 'missing' as const;
        throw thrown;
      }),
    make: (directory, ownership) => makeBelow(path, directory, ownership, step),
    own: async (directory, ownership) => using(await openBelow(path, directory), (handle) => own(handle, ownership)),
    removeEmpty: (directory) =>
      withParent(path, directory, (parent, leaf) => rmdir(join(pathOf(parent), leaf))).catch((thrown: unknown) => {
        if (!isMissing(thrown) && !['ENOENT', 'ENOTEMPTY', 'ENOTDIR'].includes(errnoOf(thrown) ?? '')) throw thrown;
      }),
    trash: (directory, name) => moveAway(directory, () => join(trashFolder, `${name}-${nonce()}`), trashFolder),
    archive: (directory) =>
      moveAway(directory, (parent, leaf) => join(pathOf(parent), `archived-${clip(leaf)}-${nonce()}`)),
    listTrash: () => readdir(trashFolder),
    purge: (entries) => purgeTrash(exec, path, entries),
    space: () => spaceOf(path),
    canReflink: () => tryReflink(ownFolder),
    bind: async (directory, target) =>
      using(await openBelow(path, directory), (handle) =>
        mounter.bind(`/proc/${process.pid}/fd/${handle.fd}`, target, []),
      ),
  };
};

/** Deletes entries of the trash with one child. */
export const purgeTrash = async (exec: Exec, path: string, entries: readonly string[]): Promise<void> => {
  const paths = entries.map((entry) => join(path, OWN_FOLDER, 'trash', entry));
  const args = ['-rf', '--one-file-system', '--', ...paths];
  await exec({ binary: '/bin/rm', args, deadlineMs: PURGE_DEADLINE_MS });
};

/** What statfs(2) says of the file system at `path`, which must not be one that can hang. */
export const spaceOf = async (path: string): Promise<Space> => {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    totalBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    totalInodes: files,
    freeInodes: ffree,
  };
};

const tryReflink = async (folder: string): Promise<boolean> => {
  const from = join(folder, `.reflink-${nonce()}${TEMPORARY_SUFFIX}`);
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

/** The mount table knows real paths only, and what a link points at can be changed under us. */
const requireRealPath = async (path: string): Promise<void> => {
  const real = await realpath(path).catch((thrown: unknown) => {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    throw new DriverError('failed-precondition', `the pool's root ${path} does not exist: make it or mount its disk`);
  });
  if (real === path) return;
  throw new DriverError('failed-precondition', `the pool's root ${path} is reached through a link: configure ${real}`);
};

const ensureFolder = async (path: string): Promise<void> => {
  await mkdir(path, 0o700).catch((thrown: unknown) => {
    if (errnoOf(thrown) !== 'EEXIST') throw thrown;
  });
  await using(await openDirectory(path), async () => {});
};

const ensureLayout = async (ownFolder: string, step: Step): Promise<void> => {
  const file = join(ownFolder, 'pool.json');
  const text = await readFile(file, 'utf8').catch(async (thrown: unknown) => {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    await createWhole(file, `${JSON.stringify({ layout: LAYOUT })}\n`, step);
    return readFile(file, 'utf8');
  });
  const layout = layoutOf(text);
  if (layout === undefined)
    throw new DriverError('failed-precondition', `${file} cannot be read: expected {"layout": ${LAYOUT}}`);
  if (layout > LAYOUT) {
    throw new DriverError(
      'failed-precondition',
      `${file} has layout ${layout}, this version knows ${LAYOUT}: use a newer driver`,
    );
  }
};

const layoutOf = (text: string): number | undefined => {
  try {
    const { layout } = JSON.parse(text);
    return Number.isInteger(layout) && layout > 0 ? layout : undefined;
  } catch {
    return undefined;
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

const isMissing = (thrown: unknown): boolean => thrown instanceof DriverError && thrown.kind === 'not-found';

const notADirectory = (directory: Directory): DriverError =>
  new DriverError(
    'failed-precondition',
    `${JSON.stringify(directory)} is a link or a file: expected the volume's directory; nothing was changed`,
  );

const nonce = (): string => randomBytes(4).toString('hex');

/** Leaves room for a prefix and a nonce within NAME_MAX. */
const clip = (leaf: string): string => Buffer.from(leaf).subarray(0, 200).toString('utf8').replaceAll('\u{fffd}', '');
