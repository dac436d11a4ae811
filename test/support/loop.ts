import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isRoot } from './driver.ts';

/** True where a file system of this kind can be made in a file and mounted. */
export const canMount = (fileSystem: 'btrfs' | 'xfs'): boolean =>
  isRoot &&
  succeeds(`mkfs.${fileSystem}`, fileSystem === 'btrfs' ? '--version' : '-V') &&
  (succeeds('modprobe', fileSystem) || readFileSync('/proc/filesystems', 'utf8').includes(fileSystem));

/** Makes a file system in the file `<at>.img` and mounts it at `at`; answers how to take both away. */
export const mountImage = async (
  fileSystem: 'btrfs' | 'ext4' | 'xfs',
  at: string,
  mebibytes: number,
): Promise<() => Promise<void>> => {
  const image = `${at}.img`;
  await mkdir(at, { recursive: true });
  await writeFile(image, '');
  await truncate(image, mebibytes * 1024 ** 2);
  await run(`mkfs.${fileSystem}`, ['-q', image]);
  await run('mount', ['-o', 'loop', image, at]);
  return async () => {
    await run('umount', [at]);
    await rm(image);
  };
};

const run = promisify(execFile);

const succeeds = (program: string, ...args: readonly string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
