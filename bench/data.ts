import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { isRoot, type TestDriver } from '../test/support/driver.ts';
import { createFrom, takeSnapshot } from '../test/support/snapshot.ts';
import { codeOf, createVolume, GIB } from '../test/support/volume.ts';
import { DISKS, type Disk, usedBytes, withDisk } from './disk.ts';
import { withDriver, withHome } from './home.ts';
import { describeMachine } from './machine.ts';
import { showMachine } from './report.ts';
import { type Cell, printTable } from './table.ts';
import { median } from './tally.ts';

const run = promisify(execFile);

/** What is copied: one large file that does not compress, or many small ones. */
interface Load {
  readonly title: string;
  /** For sh, in the volume's directory. */
  readonly make: string;
}

const loads = (quick: boolean): readonly Load[] => {
  const [megabytes, files] = quick ? [64, 1_000] : [1_024, 20_000];
  const half = Math.ceil(files / 100);
  return [
    { title: `${megabytes} MiB in one file`, make: `head -c ${megabytes}M /dev/urandom >large` },
    {
      title: `${files} files of 2 KiB`,
      make: `for d in $(seq ${half}); do mkdir $d; head -c 204800 /dev/urandom | split -a 3 -b 2048 - $d/; done`,
    },
  ];
};

/** Snapshot, restore and clone beside what else copies a tree, and what a copy does to those who call meanwhile. */
const main = async (quick: boolean): Promise<void> => {
  if (!isRoot) throw new Error('root is needed: file systems are mounted');
  showMachine(await describeMachine());
  const bytes = (quick ? 1 : 12) * GIB;
  for (const load of loads(quick)) {
    const rows: Cell[][] = [];
    const calls: Cell[][] = [];
    for (const disk of Object.keys(DISKS) as Disk[])
      await withHome((home) =>
        withDisk(home, disk, bytes, (root) =>
          withDriver(home, async (driver) => {
            rows.push(...(await measureWays(driver, root, disk, load)));
            calls.push(await measureCallers(driver, disk));
          }),
        ),
      );
    printTable(load.title, ['disk', 'what', 'seconds', 'MiB written'], rows);
    printTable('CreateVolume and DeleteVolume beside it, p50 in ms', ['disk', 'alone', 'while it is cloned'], calls);
  }
};

const measureWays = async (driver: TestDriver, root: string, disk: Disk, { make }: Load): Promise<Cell[][]> => {
  const source = join(root, 'source');
  await createVolume(driver, 'source', {}, 2 * GIB);
  await run('/bin/sh', ['-c', `cd "$1" && ${make}`, 'sh', source]);
  const [copy, archive] = [join(root, 'copy'), join(root, 'archive.tgz')];
  const rows: Cell[][] = [];
  const measure = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const before = await usedBytes(root);
    const started = performance.now();
    await work();
    const seconds = (performance.now() - started) / 1000;
    rows.push([disk, what, seconds, ((await usedBytes(root)) - before) / 1024 ** 2]);
  };
  await measure('snapshot', () => takeSnapshot(driver, 'snapshot', 'main/source'));
  await measure('restore', () => createUntilMade(driver, 'restored', 'main@snapshot'));
  await measure('clone', () => createUntilMade(driver, 'cloned', 'main/source'));
  // As durable as ours: on disk when it returns.
  await measure('cp -a; sync', async () => {
    await run('/bin/cp', ['-a', '--reflink=never', source, copy]);
    await run('/bin/sync', ['--file-system', root]);
  });
  await measure('tar czf; sync', async () => {
    await run('/bin/tar', ['czf', archive, '-C', source, '.']);
    await run('/bin/sync', ['--file-system', root]);
  });
  await rm(copy, { recursive: true });
  await rm(archive);
  return rows;
};

/** As the provisioner does: the same call again until it is answered. */
const createUntilMade = async (driver: TestDriver, name: string, source: string): Promise<void> => {
  for (;;) {
    const code = await codeOf(createFrom(driver, name, source, { bytes: 2 * GIB }));
    if (code === 'OK') return;
    if (code !== 'DEADLINE_EXCEEDED' && code !== 'ABORTED') throw new Error(`CreateVolume from ${source}: ${code}`);
  }
};

/** How long others wait while volumes are cloned one after the other. */
const measureCallers = async (driver: TestDriver, disk: Disk): Promise<Cell[]> => {
  const alone = await measureLives(driver, () => false);
  let ended = false;
  const cloning = (async () => {
    for (const name of ['one', 'two']) await createUntilMade(driver, name, 'main/source');
    ended = true;
  })();
  const beside = await measureLives(driver, () => ended);
  await cloning;
  return [disk, alone, beside];
};

const LIVES = 40;

const measureLives = async (driver: TestDriver, isOver: () => boolean): Promise<number> => {
  const times: number[] = [];
  while (times.length < LIVES && !isOver()) {
    const started = performance.now();
    const { volume_id } = await createVolume(driver, `life-${times.length}`);
    await driver.controller.DeleteVolume({ volume_id });
    times.push(performance.now() - started);
  }
  return median(times);
};

try {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
  await main(values.quick);
} catch (thrown) {
  process.stderr.write(`bench: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 1;
}
