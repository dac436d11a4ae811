import { link, lstat, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { sameVersion, type Version } from '../domain/version.ts';
import { errnoOf, ignoreMissing } from '../errors/errors.ts';
import type { Step } from '../system/step.ts';
import { type Change, CONTENT_SUFFIX, nameChange, parseChange, REMOVED_SUFFIX } from './changes.ts';
import type { OwnFolder } from './own-folder.ts';
import { readIfThere, writeTemporary } from './whole-file.ts';

/**
 * Compare-and-swap of whole files, for any number of processes on any file system that has link(2) and rename(2), a
 * network file system included (docs/adr/0044-records-are-compared-and-swapped.md).
 *
 * A version of a file has at most one successor: link(2) makes it, and fails when there is one. The writer that makes
 * it has won, even if it stops right there: the new content is in a file of its own, which rename(2) moves over the old
 * version. That file can be moved only once. So any process may complete the change, and a process that continues late
 * finds nothing to move.
 */
export interface VersionedFiles {
  /** Replaces version `from` of a file by `text`, whose version is `to`. False when `from` is not the current one. */
  readonly replace: (file: string, from: Version, to: Version, text: string) => Promise<boolean>;
  /** Removes version `from` of a file. False when it is not the current one. */
  readonly remove: (file: string, from: Version) => Promise<boolean>;
  /** The versions that have a successor, as far as successors are kept. */
  readonly superseded: () => Promise<readonly Pick<Change, 'file' | 'from'>[]>;
  /**
   * Removes successors and unfinished files older than `minimumAgeMs`. A writer that has read a version, and has slept
   * for so long right before the link, would not notice that the version is superseded.
   */
  readonly clean: (minimumAgeMs: number) => Promise<void>;
}

export interface VersionedFolder {
  readonly folder: OwnFolder;
  /** Where successors are kept. */
  readonly changes: OwnFolder;
  /** Tells the changes of this folder from those of others. */
  readonly label: string;
  readonly versionOf: (text: string, file: string) => Version;
  readonly step: Step;
}

export const createVersionedFiles = ({ folder, changes, label, versionOf, step }: VersionedFolder): VersionedFiles => {
  const pathOf = async (file: string): Promise<string> => join(await folder.path(), file);
  const successorOf = async (file: string, from: Version): Promise<string> =>
    join(await changes.path(), nameChange({ label, file, from }));
  const contentOf = async (file: string, version: Version): Promise<string> =>
    `${await successorOf(file, version)}${CONTENT_SUFFIX}`;

  const readVersion = async (path: string, file: string): Promise<Version | undefined> => {
    const text = await readIfThere(path);
    return text === undefined ? undefined : versionOf(text, file);
  };

  const isCurrent = async (file: string, version: Version): Promise<boolean> => {
    const current = await readVersion(join(await folder.freshPath(), file), file);
    return current !== undefined && sameVersion(current, version);
  };

  /** Makes `path`, of version `to`, the successor of a version. False when that has another one. */
  const claim = async (file: string, from: Version, path: string, to: Version): Promise<boolean> => {
    const linked = await linkNew(path, await successorOf(file, from));
    if (linked !== 'exists') return linked === 'made';
    if (await hasClaimed(file, from, to)) return true;
    await complete(file, from);
    return false;
  };

  /** An NFS server that executes a repeated request says that the successor exists, though this writer has made it. */
  const hasClaimed = async (file: string, from: Version, to: Version): Promise<boolean> => {
    const successor = await readVersion(await successorOf(file, from), file);
    return successor !== undefined && sameVersion(successor, to) && !sameVersion(to, from);
  };

  /** Completes the change to a version, whoever has begun it. */
  const complete = async (file: string, from: Version): Promise<void> => {
    const to = await readVersion(await successorOf(file, from), file);
    if (to === undefined) return;
    await (sameVersion(to, from) ? takeAway(file, from) : install(file, from, to));
  };

  const install = async (file: string, from: Version, to: Version): Promise<void> => {
    const [content, path] = [await contentOf(file, to), await pathOf(file)];
    if (await moved(content, path)) return;
    if (!(await isCurrent(file, from))) return;
    // A power failure has removed the content, but not its second name.
    await linkNew(await successorOf(file, from), content);
    await moved(content, path);
  };

  /**
   * Removes a version whose successor says so. A process that stops between the look and the rename for as long as
   * others take to remove this version and to create another record moves that one: it is put back.
   */
  const takeAway = async (file: string, version: Version): Promise<void> => {
    if (!(await isCurrent(file, version))) return;
    const path = await pathOf(file);
    const aside = `${await successorOf(file, version)}${REMOVED_SUFFIX}`;
    if (!(await moved(path, aside))) return;
    const found = await readVersion(aside, file);
    if (found !== undefined && !sameVersion(found, version)) await link(aside, path);
    await unlink(aside).catch(ignoreMissing);
  };

  const list = async (): Promise<readonly string[]> =>
    (await readdir(await changes.path())).filter((name) => name.startsWith(`${label}+`));

  return {
    replace: async (file, from, to, text) => {
      if (!(await isCurrent(file, from))) return false;
      const content = await contentOf(file, to);
      await writeTemporary(content, text);
      step('change written');
      if (!(await claim(file, from, content, to))) {
        await unlink(content).catch(ignoreMissing);
        return false;
      }
      step('change claimed');
      await install(file, from, to);
      step('change made');
      await folder.sync();
      return true;
    },
    remove: async (file, from) => {
      if (!(await isCurrent(file, from))) return false;
      if (!(await claim(file, from, await pathOf(file), from))) return false;
      step('removal claimed');
      await takeAway(file, from);
      step('record removed');
      await folder.sync();
      return true;
    },
    superseded: async () =>
      (await list()).flatMap((name) => {
        const change = parseChange(name);
        return change === undefined ? [] : [change];
      }),
    clean: async (minimumAgeMs) => {
      // Successors first: what they have not installed yet is needed until then.
      const names = [...(await list())].sort((a, b) => a.length - b.length);
      for (const name of names) {
        const path = join(await changes.path(), name);
        const { mtimeMs } = (await lstat(path).catch(ignoreMissing)) ?? { mtimeMs: Number.POSITIVE_INFINITY };
        if (Date.now() - mtimeMs < minimumAgeMs) continue;
        const change = parseChange(name);
        if (change !== undefined) await complete(change.file, change.from);
        await unlink(path).catch(ignoreMissing);
      }
    },
  };
};

const linkNew = async (from: string, to: string): Promise<'made' | 'exists' | 'missing'> => {
  try {
    await link(from, to);
    return 'made';
  } catch (thrown) {
    const code = errnoOf(thrown);
    if (code !== 'EEXIST' && code !== 'ENOENT') throw thrown;
    return code === 'EEXIST' ? 'exists' : 'missing';
  }
};

/** False when there was nothing to move. */
const moved = async (from: string, to: string): Promise<boolean> => {
  try {
    await rename(from, to);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    return false;
  }
};
