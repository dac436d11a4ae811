import { execFile, spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { isRoot, type TestDriver } from '../test/support/driver.ts';
import { createFrom, createSnapshot } from '../test/support/snapshot.ts';
import { codeOf, createVolume, GIB } from '../test/support/volume.ts';
import { DISKS, type Disk, withDisk } from './disk.ts';
import { readLoopDelay } from './event-loop.ts';
import { withDriver, withHome } from './home.ts';
import { describeMachine } from './machine.ts';
import { readMemory } from './memory.ts';
import { showMachine } from './report.ts';
import { type Cell, printTable } from './table.ts';
import { median } from './tally.ts';

const run = promisify(execFile);

/**
 * Four tenants make, fill, snapshot, clone and delete volumes, first alone, then beside one whose volumes are hostile.
 * The rates of the four should stay within 20 % of those without it.
 */
const main = async (disk: Disk, minutes: number): Promise<void> => {
  if (!isRoot) throw new Error('root is needed: file systems are mounted');
  showMachine(await describeMachine());
  await withHome((home) =>
    withDisk(home, disk, 24 * GIB, (root) =>
      withDriver(home, async (driver) => {
        const alone = await soak(driver, root, minutes / 3, []);
        const beside = await soak(driver, root, (minutes * 2) / 3, [hostility(driver, root, disk)]);
        printRates(disk, alone, beside);
        await run('/usr/bin/chattr', ['-R', '-i', root]).catch(() => {});
      }),
    ),
  );
};

type Tenant = (isOver: () => boolean) => Promise<void>;

interface Soaked {
  readonly lives: number;
  readonly minutes: number;
  readonly ms: Readonly<Record<string, readonly number[]>>;
}

const DEEP = join(import.meta.dirname, '../test/support/deep.py');
const TENANTS = 4;
const SAMPLE_MS = 15_000;

const soak = async (driver: TestDriver, root: string, minutes: number, others: readonly Tenant[]): Promise<Soaked> => {
  const started = performance.now();
  const isOver = (): boolean => performance.now() - started > minutes * 60_000;
  const ms: Record<string, number[]> = {};
  let lives = 0;
  const tenants = Array.from(
    { length: TENANTS },
    (_, index): Tenant =>
      async () => {
        for (let life = 0; !isOver(); life += 1) {
          await live(driver, root, `good-${index}-${life}`, ms);
          lives += 1;
        }
      },
  );
  const samples: Cell[][] = [];
  const sampling = (async () => {
    while (!isOver()) {
      await sleep(SAMPLE_MS);
      samples.push([(performance.now() - started) / 1000, lives, ...(await sample(driver, root))]);
    }
  })();
  await Promise.all([...tenants, ...others].map((tenant) => tenant(isOver)));
  await sampling;
  printTable(
    others.length === 0 ? 'Four tenants alone' : 'Four tenants beside a hostile one',
    ['s', 'lives', 'in the trash', 'subprocesses', 'private MB', 'loop p99 ms', 'loop max ms'],
    samples,
  );
  return { lives, minutes: (performance.now() - started) / 60_000, ms };
};

/** One life of a volume, with a snapshot and a clone, as a well-behaved tenant has it. */
const live = async (driver: TestDriver, root: string, name: string, ms: Record<string, number[]>): Promise<void> => {
  const timed = async (call: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await persist(call, work);
    ms[call] = [...(ms[call] ?? []), performance.now() - started];
  };
  await timed('CreateVolume', () => createVolume(driver, name));
  await run('/bin/sh', [
    '-c',
    `cd "$1" && for d in 1 2 3 4 5; do head -c 200000 /dev/urandom | split -a 2 -b 2048 - $d; done`,
    'sh',
    join(root, name),
  ]);
  await timed('CreateSnapshot', () => createSnapshot(driver, name, `main/${name}`));
  await timed('clone', () => createFrom(driver, `${name}-clone`, `main/${name}`));
  await timed('DeleteSnapshot', () => driver.controller.DeleteSnapshot({ snapshot_id: `main@${name}` }));
  for (const id of [name, `${name}-clone`])
    await timed('DeleteVolume', () => driver.controller.DeleteVolume({ volume_id: `main/${id}` }));
};

/** As the sidecars do. */
const persist = async (call: string, work: () => Promise<unknown>): Promise<void> => {
  for (;;) {
    const code = await codeOf(work());
    if (code === 'OK') return;
    if (!['ABORTED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE'].includes(code)) throw new Error(`${call}: ${code}`);
  }
};

/** Volumes full of what keeps copies and deletions busy, or cannot be copied or deleted at all. */
const hostility =
  (driver: TestDriver, root: string, disk: Disk): Tenant =>
  async (isOver) => {
    const attacks: Readonly<Record<string, string>> = {
      fifos: 'for n in $(seq 50); do mkfifo f$n; done',
      immutable: 'mkdir -p deep/er; for n in $(seq 200); do : >deep/er/$n; done; chattr -R +i deep',
      deep: `python3 "${DEEP}" . 8000`,
      names: `seq -f "%0120g" 5000 | xargs touch`,
      ...(disk === 'btrfs' ? { subvolumes: 'for n in $(seq 20); do btrfs subvolume create s$n; done' } : {}),
    };
    const pending: Promise<unknown>[] = [];
    for (let round = 0; !isOver(); round += 1) {
      for (const [attack, script] of Object.entries(attacks)) {
        const name = `bad-${attack}-${round}`;
        await persist(name, () => createVolume(driver, name));
        await run('/bin/sh', ['-c', `cd "$1" && ${script}`, 'sh', join(root, name)]);
        // What becomes of them is the driver's affair; that it becomes known is what the samples show.
        pending.push(
          codeOf(createSnapshot(driver, name, `main/${name}`))
            .then(() => codeOf(driver.controller.DeleteVolume({ volume_id: `main/${name}` })))
            .then(() => codeOf(driver.controller.DeleteSnapshot({ snapshot_id: `main@${name}` }))),
        );
        await sleep(2_000);
      }
    }
    await Promise.all(pending);
  };

const sample = async (driver: TestDriver, root: string): Promise<readonly Cell[]> => {
  const trash = await readdir(join(root, '.csi-subdir/trash'));
  const children = await readFile(`/proc/${driver.pid}/task/${driver.pid}/children`, 'utf8');
  const { privateBytes } = await readMemory(driver.pid);
  const { p99, max } = await readLoopDelay(driver);
  return [trash.length, children.trim().split(' ').filter(Boolean).length, privateBytes / 1e6, p99, max];
};

const printRates = (disk: Disk, alone: Soaked, beside: Soaked): void => {
  const rateOf = ({ lives, minutes }: Soaked): number => lives / minutes;
  printTable(
    `What the four notice of the hostile one, on ${disk}`,
    ['', 'alone', 'beside', 'ratio'],
    [
      ['lives per minute', rateOf(alone), rateOf(beside), rateOf(beside) / rateOf(alone)],
      ...Object.keys(alone.ms).map((call): Cell[] => {
        const [before, after] = [median(alone.ms[call] ?? []), median(beside.ms[call] ?? [])];
        return [`${call}, p50 ms`, before, after, after / before];
      }),
    ],
  );
};

const { values } = parseArgs({
  options: { disk: { type: 'string', default: 'ext4' }, minutes: { type: 'string', default: '15' } },
});
const isDisk = (text: string): text is Disk => Object.keys(DISKS).includes(text);
if (!isDisk(values.disk) || spawnSync('chattr', ['-V']).error !== undefined)
  throw new Error(`--disk is one of ${Object.keys(DISKS).join(', ')}, and chattr is needed`);
await main(values.disk, Number(values.minutes));
