import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** A file that is made from others and committed. */
export interface GeneratedFile {
  /** From the project's folder. */
  readonly path: string;
  readonly text: string;
}

/** Writes the files; with `--check` on the command line says which are not current. Answers the exit status. */
export const writeOrCheck = async (files: readonly GeneratedFile[]): Promise<number> =>
  process.argv.includes('--check') ? check(files) : write(files);

const check = async (files: readonly GeneratedFile[]): Promise<number> => {
  let stale = 0;
  for (const { path, text } of files) {
    if ((await readFile(inProject(path), 'utf8').catch(() => undefined)) === text) continue;
    stale += 1;
    process.stderr.write(`check: ${path} is not current: npm run generate\n`);
  }
  return stale === 0 ? 0 : 1;
};

const write = async (files: readonly GeneratedFile[]): Promise<number> => {
  for (const { path, text } of files) {
    await mkdir(dirname(inProject(path)), { recursive: true });
    await writeFile(inProject(path), text);
  }
  return 0;
};

const inProject = (path: string): string => resolve(import.meta.dirname, '..', path);
