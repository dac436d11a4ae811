import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../domain/errors.ts';
import { syncDirectory } from './directory.ts';
import type { Step } from './step.ts';

/** How the files end that are not in place yet. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Puts a whole file in place, on disk when it returns. False when there is one already: of two, one wins. */
export const createWhole = async (path: string, text: string, step: Step): Promise<boolean> => {
  const temporary = await writeAside(path, text);
  step('file written aside');
  try {
    // link(2) is the one call that both puts a whole file in place and fails when there is one.
    await link(temporary, path);
  } catch (thrown) {
    if (errnoOf(thrown) === 'EEXIST') return false;
    throw thrown;
  } finally {
    step('file linked');
    await unlink(temporary);
  }
  await syncDirectory(dirname(path));
  return true;
};

/** Puts a whole file in the place of the one there, on disk when it returns. */
export const replaceWhole = async (path: string, text: string, step: Step): Promise<void> => {
  const temporary = await writeAside(path, text);
  step('file written aside');
  try {
    await rename(temporary, path);
  } catch (thrown) {
    await unlink(temporary);
    throw thrown;
  }
  step('file renamed');
  await syncDirectory(dirname(path));
};

/** Removes what writers that died have left in a folder: what is younger than `minimumAgeMs` may still be written. */
export const removeTemporary = async (folder: string, minimumAgeMs: number): Promise<void> => {
  const left = (await readdir(folder)).filter((file) => file.endsWith(TEMPORARY_SUFFIX));
  for (const file of left) {
    const { mtimeMs } = await stat(join(folder, file));
    if (Date.now() - mtimeMs >= minimumAgeMs) await unlink(join(folder, file));
  }
};

const writeAside = async (path: string, text: string): Promise<string> => {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}${TEMPORARY_SUFFIX}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (thrown) {
    await unlink(temporary);
    throw thrown;
  } finally {
    await file.close();
  }
  return temporary;
};
