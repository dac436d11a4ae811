import { execFile } from 'node:child_process';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';

export const MIB = 1024 ** 2;

/** Nobody in particular: on ext4 root may write past a quota. */
const USER = 65_534;

/** Writes as many mebibytes, each of them synced. Answers how many fitted, and what ended it. */
export const fill = async (path: string, mebibytes: number) => {
  const args = ['if=/dev/urandom', `of=${basename(path)}`, 'bs=1M', `count=${mebibytes}`, 'oflag=sync'];
  // By its folder, which is entered before root's rights are gone: a test's own folder is closed to others.
  const options = { cwd: dirname(path), env: { LC_ALL: 'C' }, uid: USER, gid: USER };
  const { stderr } = await promisify(execFile)('/bin/dd', args, options).catch((thrown) => thrown);
  const [reason] = /Disk quota exceeded|No space left on device/.exec(stderr) ?? [];
  const written = Number(/^(\d+)\+\d+ records out/m.exec(stderr)?.[1]);
  if (Number.isNaN(written)) throw new Error(stderr);
  return { isFull: reason !== undefined, mebibytes: written };
};
