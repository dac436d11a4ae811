import { randomBytes } from 'node:crypto';
import { link, lstat, open, readdir, readFile, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, ignoreMissing } from '../errors/errors.ts';
import type { Step } from '../system/step.ts';
import type { OwnFolder } from './own-folder.ts';

/** How the files end that are not in place yet. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Puts a whole file in a folder, on disk when it returns. False when there is one already: of two, one wins. */
export const createWhole = async (folder: OwnFolder, name: string, text: string, step: Step): Promise<boolean> => {
  const path = await folder.path();
  const temporary = join(path, `.${name}.${randomBytes(4).toString('hex')}${TEMPORARY_SUFFIX}`);
  await writeTemporary(temporary, text);
  step('file written aside');
  try {
    // link(2) is the one call that both puts a whole file in place and fails when there is one.
    await link(temporary, join(path, name));
  } catch (thrown) {
    if (errnoOf(thrown) === 'EEXIST') return false;
    throw thrown;
  } finally {
    step('file linked');
    // Another process may take a temporary file for one that was left over.
    await unlink(temporary).catch(ignoreMissing);
  }
  await folder.sync();
  return true;
};

/**
 * Removes what processes that died have left in a folder, empty directories too: what is younger than `minimumAgeMs`
 * may still be written.
 */
export const removeTemporary = async (folder: OwnFolder, minimumAgeMs: number): Promise<void> => {
  const path = await folder.path();
  const left = (await readdir(path)).filter((file) => file.endsWith(TEMPORARY_SUFFIX));
  for (const file of left) {
    const found = await lstat(join(path, file));
    if (Date.now() - found.mtimeMs < minimumAgeMs) continue;
    await (found.isDirectory() ? rmdir : unlink)(join(path, file));
  }
};

/** Writes a file that nobody else writes, on disk when it returns. */
export const writeTemporary = async (path: string, text: string): Promise<void> => {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (thrown) {
    await unlink(path);
    throw thrown;
  } finally {
    await file.close();
  }
};

/** The text of a file; undefined when there is none. */
export const readIfThere = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(ignoreMissing);
