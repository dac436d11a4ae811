import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { requestsFor } from '../../test/nfs/calls.ts';
import { A, EXPORT, until } from '../../test/nfs/ground.ts';
import { endShared, mountDirOf, poolOn, startShared } from '../../test/nfs/shared-driver.ts';
import type { TestDriver } from '../../test/support/driver.ts';
import { load, type Measure } from '../load.ts';
import { printTable } from '../table.ts';
import { createTally, type Tally } from '../tally.ts';
import { measureFloors } from './floor.ts';
import { difference, readOperations } from './operations.ts';

/** The shared driver on a real NFS server. Its processor is emulated: only what lies side by side can be compared. */
const run = async (plan: Plan): Promise<void> => {
  // Its processor is emulated: nothing is to be given up because it is slow.
  const flags = ['--call-timeout-ms', '120000', '--stage-timeout-ms', '120000'];
  const driver = await startShared({ main: poolOn(A, { mountOptions: ['nfsvers=4.2'] }) }, { flags });
  const mountPoint = join(mountDirOf(driver.home), 'main');
  const tally = createTally();
  const operations = new Map<string, string>();
  await playLife(driver, { callers: 4, volumes: 4 }, measureInto(createTally(), 4));
  for (const level of plan.levels) {
    const measure = measureInto(tally, level.callers);
    const counted = level.callers > 1 ? measure : countInto(operations, mountPoint, measure);
    await measureFloors(`${A.address}:${EXPORT}`, mountPoint, namesOf('floor', level.volumes), counted);
    await playLife(driver, level, counted);
  }
  await deleteFilled(driver, plan.files, measureInto(tally, 1));
  await endShared(driver);
  show(tally, operations, plan);
};

interface Plan {
  readonly levels: readonly Level[];
  /** In the volume that is not deleted empty. */
  readonly files: number;
}

interface Level {
  readonly callers: number;
  readonly volumes: number;
}

const FULL: Plan = {
  levels: [
    { callers: 1, volumes: 20 },
    { callers: 16, volumes: 48 },
  ],
  files: 20_000,
};

const QUICK: Plan = {
  levels: [
    { callers: 1, volumes: 4 },
    { callers: 16, volumes: 16 },
  ],
  files: 2_000,
};

const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

const measureInto =
  (tally: Tally, callers: number): Measure =>
  async (row, items, call) => {
    const { ms, results } = await load(callers, items, call, new AbortController().signal);
    tally.add(row, callers, ms);
    return results;
  };

/** Counts besides what each call sends to the server. */
const countInto =
  (operations: Map<string, string>, mountPoint: string, measure: Measure): Measure =>
  async (row, items, call) => {
    const before = await readOperations(mountPoint);
    const results = await measure(row, items, call);
    operations.set(row, describe(difference(before, await readOperations(mountPoint)), items.length));
    return results;
  };

/** Every call once per volume. */
const playLife = async (driver: TestDriver, { callers, volumes }: Level, measure: Measure): Promise<void> => {
  // The worker has been idle while the floor was measured.
  await driver.controller.ListVolumes({});
  const all = namesOf(`bench-${callers}`, volumes).map((name) => requestsFor(driver, 'main', name));
  await measure('CreateVolume', all, ({ CreateVolume }) => CreateVolume());
  await measure('CreateVolume again', all, ({ CreateVolume }) => CreateVolume());
  await measure('stage + publish', all, async ({ NodeStageVolume, NodePublishVolume }) => {
    await NodeStageVolume();
    await NodePublishVolume();
  });
  await measure('NodeGetVolumeStats', all, ({ NodeGetVolumeStats }) => NodeGetVolumeStats());
  await measure('unpublish + unstage', all, async ({ NodeUnpublishVolume, NodeUnstageVolume }) => {
    await NodeUnpublishVolume();
    await NodeUnstageVolume();
  });
  await measure('DeleteVolume', all, ({ DeleteVolume }) => DeleteVolume());
  await trashIsEmpty();
};

const describe = (sent: readonly (readonly [string, number])[], calls: number): string => {
  const each = (count: number): string => String(Math.round((10 * count) / calls) / 10);
  const all = sent.reduce((sum, [, count]) => sum + count, 0);
  return `${each(all)}: ${sent.map(([name, count]) => `${name} ${each(count)}`).join(', ')}`;
};

/** A volume of many files is deleted by one call, and purged behind. */
const deleteFilled = async (driver: TestDriver, files: number, measure: Measure): Promise<void> => {
  const { CreateVolume, DeleteVolume } = requestsFor(driver, 'main', 'filled');
  await CreateVolume();
  const folders = namesOf('folder', Math.ceil(files / 100));
  for (const folder of folders) {
    await mkdir(join(A.directory, 'filled', folder));
    await Promise.all(namesOf('file', 100).map((file) => writeFile(join(A.directory, 'filled', folder, file), 'x')));
  }
  await measure(`DeleteVolume, ${files} files`, [DeleteVolume], (call) => call());
  await trashIsEmpty();
};

const trashIsEmpty = (): Promise<void> =>
  until(
    'the trash is empty',
    900_000,
    async () => (await readdir(join(A.directory, '.csi-subdir/trash'))).length === 0,
  );

/** Each call with the bare work that it cannot do without. */
const FLOORS: Readonly<Record<string, string>> = {
  CreateVolume: 'bare create',
  'stage + publish': 'bare mount + bind',
  'unpublish + unstage': 'bare umount x 2',
  DeleteVolume: 'bare delete',
};

const show = (tally: Tally, operations: ReadonlyMap<string, string>, { levels }: Plan): void => {
  const rows = tally.rows();
  const callers = levels.map((level) => level.callers);
  printTable(
    'Milliseconds over NFSv4.2 in an emulated machine; the floor is the same file work or the same mounts by themselves',
    ['call', ...callers.flatMap((count) => [`${count}: p50`, 'p99', 'x floor'])],
    Object.entries(rows).map(([name, byCallers]) => [
      name,
      ...callers.flatMap((count) => {
        const floor = rows[FLOORS[name] ?? '']?.[count]?.p50;
        const p50 = byCallers[count]?.p50;
        return [p50, byCallers[count]?.p99, floor === undefined || p50 === undefined ? undefined : p50 / floor];
      }),
    ]),
  );
  printTable(
    'Requests to the server per call, one caller (/proc/self/mountstats)',
    ['call', 'requests'],
    [...operations],
  );
};

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const { stdout: kernel } = await promisify(execFile)('uname', ['-r']);
process.stdout.write(`Linux ${kernel}`);
await run(values.quick ? QUICK : FULL);
process.exit(0);
