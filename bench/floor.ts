import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Measure } from './load.ts';
import type { FloorName } from './rows.ts';

/** What this machine takes for the bare work that a call cannot do without: no driver, no gRPC, no checks. */
export const measureFloors = async (home: string, count: number, measure: Measure): Promise<void> => {
  const folder = join(home, 'floor');
  await mkdir(join(folder, 'trash'), { recursive: true });
  const paths = Array.from({ length: count }, () => join(folder, randomUUID()));
  const floor = (name: FloorName, work: (path: string) => Promise<unknown>) => measure(name, paths, work);

  await floor('bare record', (path) => writeRecord(folder, `${path}.json`));
  await floor('bare mkdir', (path) => makeDirectory(folder, path));
  await floor('bare create', async (path) => {
    await writeRecord(folder, `${path}.created.json`);
    await makeDirectory(folder, `${path}.created`);
    await writeRecord(folder, `${path}.created.json`);
  });
  await floor('bare mount', (path) => spawned('/bin/mount', ['--bind', '--', `${path}.created`, path]));
  await floor('bare umount', (path) => spawned('/bin/umount', ['--', path]));
  await floor('bare mount x 2', async (path) => {
    await spawned('/bin/mount', ['--bind', '--', `${path}.created`, path]);
    await spawned('/bin/mount', ['--bind', '--', path, path]);
  });
  await floor('bare umount x 2', async (path) => {
    await spawned('/bin/umount', ['--', path]);
    await spawned('/bin/umount', ['--', path]);
  });
  await floor('bare delete', async (path) => {
    await writeRecord(folder, `${path}.created.json`);
    await rename(`${path}.created`, join(folder, 'trash', path.slice(-36)));
    await syncFolder(folder);
    await syncFolder(join(folder, 'trash'));
    await unlink(`${path}.created.json`);
    await syncFolder(folder);
  });
  for (const path of paths) {
    await unlink(`${path}.json`);
    await rmdir(path);
    await rmdir(join(folder, 'trash', path.slice(-36)));
  }
};

/** As safe as the driver's: aside, on disk, in place, the place on disk. */
const writeRecord = async (folder: string, path: string): Promise<void> => {
  const file = await open(`${path}.tmp`, 'wx');
  await file.writeFile(RECORD);
  await file.sync();
  await file.close();
  await rename(`${path}.tmp`, path);
  await syncFolder(folder);
};

const makeDirectory = async (folder: string, path: string): Promise<void> => {
  await mkdir(path);
  await syncFolder(folder);
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder);
  await handle.sync();
  await handle.close();
};

const spawned = (binary: string, args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(binary, args, { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${binary} ended with ${code}`))));
  });

/** As long as a volume's. */
const RECORD = 'x'.repeat(600);
