import { createHash } from 'node:crypto';
import { chmod, chown, link, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A file in every directory of a canary tree: where it can be seen, somebody was led astray. */
export const CANARY_MARKER = 'canary-marker';

/** Plants a tree that nobody may touch: files, links and directories with modes and owners that are easily spoilt. */
export const plantCanary = async (folder: string, directories: readonly string[] = []): Promise<void> => {
  for (const directory of ['', 'inner', 'empty', 'deep/er', ...directories]) {
    await mkdir(join(folder, directory), { recursive: true });
  }
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  const every = [folder, ...all.map((entry) => join(entry.parentPath, entry.name))];
  for (const directory of every.filter((path) => !path.endsWith('/empty'))) {
    await writeFile(join(directory, CANARY_MARKER), `not yours: ${directory}\n`, { mode: 0o640 });
    await chown(join(directory, CANARY_MARKER), 1001, 1002);
  }
  await link(join(folder, CANARY_MARKER), join(folder, 'hard-link'));
  await symlink('deep/er', join(folder, 'link'));
  await symlink('/nonexistent', join(folder, 'dangling'));
  for (const directory of every) {
    await chown(directory, 1003, 1004);
    await chmod(directory, 0o2751);
  }
};

/**
 * One line for everything at and below the folders: kind, mode, owner, times, content, link target. The time of the
 * last change is in it, so that even what was put back afterwards shows.
 */
export const fingerprint = async (...folders: readonly string[]): Promise<readonly string[]> =>
  (await Promise.all(folders.map(describeTree))).flat();

const describeTree = async (path: string): Promise<readonly string[]> => {
  const { mode, uid, gid, size, nlink, mtimeNs, ctimeNs } = await lstat(path, { bigint: true });
  const kind = Number(mode) & 0o170000;
  const line = [path, mode.toString(8), `${uid}:${gid}`, size, nlink, mtimeNs, ctimeNs].join(' ');
  if (kind === 0o120000) return [`${line} -> ${await readlink(path)}`];
  if (kind === 0o100000) return [`${line} ${hash(await readFile(path))}`];
  if (kind !== 0o040000) return [line];
  const entries = (await readdir(path)).sort();
  return [line, ...(await Promise.all(entries.map((entry) => describeTree(join(path, entry))))).flat()];
};

const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex').slice(0, 16);
