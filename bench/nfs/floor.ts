import { execFile } from 'node:child_process';
import { mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Measure } from '../load.ts';

const run = promisify(execFile);

/** What the calls cannot do without: the same file work on a mount of the export, and the same mounts by themselves. */
export const measureFloors = async (
  source: string,
  mountPoint: string,
  names: readonly string[],
  measure: Measure,
): Promise<void> => {
  const folder = join(mountPoint, '.floor');
  await mkdir(folder);
  await measure('bare create', names, async (name) => {
    await writeRecord(folder, name);
    await mkdir(join(mountPoint, name));
    await syncFolder(mountPoint);
    await writeRecord(folder, name);
  });
  const volumes = names.map((name) => ({ source: `${source}/${name}`, staging: `${mountPoint}-${name}` }));
  for (const { staging } of volumes) for (const path of [staging, `${staging}-pod`]) await mkdir(path);
  await measure('bare mount + bind', volumes, async ({ source: volume, staging }) => {
    await run('/bin/mount', ['-t', 'nfs4', volume, staging]);
    await run('/bin/mount', ['--bind', staging, `${staging}-pod`]);
  });
  await measure('bare umount x 2', volumes, async ({ staging }) => {
    await run('/bin/umount', [`${staging}-pod`]);
    await run('/bin/umount', [staging]);
  });
  await measure('bare delete', names, async (name) => {
    await writeRecord(folder, name);
    await rename(join(mountPoint, name), join(folder, name));
    await syncFolder(mountPoint);
    await syncFolder(folder);
    await unlink(join(folder, `${name}.json`));
    await syncFolder(folder);
  });
  for (const name of names) await rmdir(join(folder, name));
  await rmdir(folder);
  for (const { staging } of volumes) for (const path of [staging, `${staging}-pod`]) await rmdir(path);
};

/** As safe as the driver's: aside, on disk, in place, the place on disk. */
const writeRecord = async (folder: string, name: string): Promise<void> => {
  const aside = join(folder, `.${name}`);
  const file = await open(aside, 'wx');
  await file.writeFile(RECORD);
  await file.sync();
  await file.close();
  await rename(aside, join(folder, `${name}.json`));
  await syncFolder(folder);
};

const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(path);
  await folder.sync();
  await folder.close();
};

/** As long as a volume's. */
const RECORD = 'x'.repeat(600);
