import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FloorTimes } from './floor.ts';
import { load } from './load.ts';
import type { FloorName } from './rows.ts';

// A process of its own, and a small one: the cost of a spawn grows with the memory of the process that does it.

const [, , folder = '', callers = '', count = ''] = process.argv;

/** Does each piece of bare work once per item. */
const measureAll = async (): Promise<FloorTimes> => {
  const times: Partial<Record<FloorName, readonly number[]>> = {};
  const paths = Array.from({ length: Number(count) }, () => join(folder, randomUUID()));
  const floor = async (name: FloorName, work: (path: string) => Promise<unknown>): Promise<void> => {
    times[name] = (await load(Number(callers), paths, work, new AbortController().signal)).ms;
  };

  await mkdir(join(folder, 'trash'), { recursive: true });
  await floor('bare record', (path) => writeRecord(`${path}.json`));
  await floor('bare mkdir', makeDirectory);
  await floor('bare create', async (path) => {
    await writeRecord(`${path}.volume.json`);
    await makeDirectory(`${path}.volume`);
    await writeRecord(`${path}.volume.json`);
  });
  await floor('bare mount', (path) => bind(`${path}.volume`, path));
  await floor('bare umount', unmount);
  await floor('bare delete', async (path) => {
    await writeRecord(`${path}.volume.json`);
    await rename(`${path}.volume`, trashOf(path));
    await syncFolder(folder);
    await syncFolder(join(folder, 'trash'));
    await unlink(`${path}.volume.json`);
    await syncFolder(folder);
  });
  for (const path of paths) {
    await unlink(`${path}.json`);
    await rmdir(path);
    await rmdir(trashOf(path));
  }
  return times;
};

/** As safe as the driver's: aside, on disk, in place, the place on disk. */
const writeRecord = async (path: string): Promise<void> => {
  const file = await open(`${path}.tmp`, 'wx');
  await file.writeFile(RECORD);
  await file.sync();
  await file.close();
  await rename(`${path}.tmp`, path);
  await syncFolder(folder);
};

const makeDirectory = async (path: string): Promise<void> => {
  await mkdir(path);
  await syncFolder(folder);
};

const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path);
  await handle.sync();
  await handle.close();
};

const trashOf = (path: string): string => path.replace(folder, join(folder, 'trash'));

const bind = (source: string, target: string): Promise<void> => run('/bin/mount', ['--bind', '--', source, target]);

const unmount = (target: string): Promise<void> => run('/bin/umount', ['--', target]);

const run = (binary: string, args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(binary, args, { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${binary} ended with ${code}`))));
  });

/** As long as a volume's. */
const RECORD = 'x'.repeat(600);

process.stdout.write(JSON.stringify(await measureAll()));
