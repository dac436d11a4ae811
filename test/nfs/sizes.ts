import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, statfs, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeHome, type TestDriver } from '../support/driver.ts';
import { enforceAtEveryStep } from '../support/enforce-crash.ts';
import { fill, MIB } from '../support/fill.ts';
import { createFrom, dataOfSnapshot, takeSnapshot } from '../support/snapshot.ts';
import { createVolume, kubeletPaths, publish, stage, unpublish, unstage } from '../support/volume.ts';
import { dieAtEveryStep, type Life } from './crashing.ts';
import { A, B, clear, persist, type Server, trashIsEmpty, until, variable } from './ground.ts';
import { endShared, PATIENT, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Sizes by project quotas: the controller works in the exported directory, pods write there and through NFS. */
export const sizesTests: Tests = {
  'a claim holds on XFS, locally and over NFS': () => hold(A),
  'a claim holds on ext4, locally and over NFS': () => hold(B),
  'a claim of the local driver holds on XFS': () => hold(A, local(A)),
  'a claim of the local driver holds on ext4': () => hold(B, local(B)),
  '64 volumes made at once have 64 projects on XFS': () => makeMany(A, 64),
  '16 volumes made at once have 16 projects on ext4': () => makeMany(B, 16),
  'a volume that was there before is held on XFS by volumes enforce, killed at every step': () =>
    enforceLater(A, variable('CRASH_DRIVER'), QUOTA_STEPS.slice(0, 3)),
  'a volume that was there before is held on ext4 by volumes enforce': () => enforceLater(B, variable('DRIVER'), []),
  'files that a pod takes out of their project are reported on XFS': () => evade(A),
  'files that a pod takes out of their project are reported on ext4': () => evade(B),
  'what is restored or cloned on XFS counts for itself': () => copy(A),
  'what is restored or cloned on ext4 counts for itself': () => copy(B),
  'the controller is killed at every step of a size, and all adds up': () => killAtEveryStep(A),
};

const run = promisify(execFile);

const POOL = { more: { sizes: 'enforce' }, local: true } as const;

const local = ({ directory }: Server) => ({ hostPath: { path: directory }, sizes: 'enforce' });

const withDriver = async (
  server: Server,
  work: (driver: TestDriver) => Promise<void>,
  pool: object = poolOn(server, POOL),
): Promise<void> => {
  const driver = await startShared({ main: pool }, { flags: PATIENT });
  try {
    await work(driver);
    await nothingIsLeft(server);
  } finally {
    await endShared(driver);
    await clear(server);
  }
};

const hold = (server: Server, pool?: object): Promise<void> =>
  withDriver(
    server,
    async (driver) => {
      const volume = await createVolume(driver, 'held', {}, 16 * MIB);
      const { volume_id } = volume;
      const data = join(server.directory, 'held/data');
      assertFull(await fill(data, 32), 16);
      assert.equal((await conditionOf(driver, volume_id))?.abnormal, true);
      await rm(data);

      const paths = await kubeletPaths(driver, 'held');
      await stage(driver, volume, paths.staging);
      await publish(driver, volume, paths);
      assertFull(await fill(join(paths.target, 'data'), 32), 16);
      assert.equal(await sizeOf(paths.target), 16 * MIB);
      const stats = await driver.node.NodeGetVolumeStats({ volume_id, volume_path: paths.target });
      assert.equal(Number(stats.usage[0]?.total), 16 * MIB);
      assert.match(stats.volume_condition?.message ?? '', /^the volume is full/);

      const capacity_range = { required_bytes: 24 * MIB };
      if (pool === undefined) await driver.controller.ControllerExpandVolume({ volume_id, capacity_range });
      else await driver.node.NodeExpandVolume({ volume_id, volume_path: paths.target, capacity_range });
      await until('df shows the new size', 30_000, async () => (await sizeOf(paths.target)) === 24 * MIB);
      assert.deepEqual(await fill(join(paths.target, 'more'), 4), { isFull: false, mebibytes: 4 });
      assert.equal((await conditionOf(driver, volume_id))?.abnormal, false);

      await unpublish(driver, volume_id, paths.target);
      await unstage(driver, volume_id, paths.staging);
      await driver.controller.DeleteVolume({ volume_id });
    },
    pool,
  );

/** From the first byte, however much the source holds; the source has all of its room, and its snapshot none of it. */
const copy = (server: Server): Promise<void> =>
  withDriver(server, async (driver) => {
    const at = (...path: string[]) => join(server.directory, ...path);
    await createVolume(driver, 'source', {}, 16 * MIB);
    await fill(at('source/data'), 12);
    await takeSnapshot(driver, 'snapshot', 'main/source');
    await persist(() => createFrom(driver, 'cloned', 'main/source', { bytes: 16 * MIB }));
    await persist(() => createFrom(driver, 'restored', 'main@snapshot', { bytes: 24 * MIB }));
    assert.deepEqual([await sizeOf(at('cloned')), await sizeOf(at('restored'))], [16 * MIB, 24 * MIB]);
    assertFull(await fill(at('cloned/more'), 8), 4);
    assertFull(await fill(at('restored/more'), 16), 12);
    assertFull(await fill(at('source/more'), 8), 4);
    assert.match(
      (await run('lsattr', ['-p', '-d', await dataOfSnapshot(server.directory, 'snapshot')])).stdout,
      /^ *0 /,
    );
    await driver.controller.DeleteSnapshot({ snapshot_id: 'main@snapshot' });
    for (const name of ['source', 'cloned', 'restored'])
      await driver.controller.DeleteVolume({ volume_id: `main/${name}` });
  });

/** Whoever owns a file may change its project: no capability is needed in the first user namespace. */
const evade = async (server: Server): Promise<void> => {
  const driver = await startShared(
    { main: poolOn(server, POOL) },
    { flags: [...PATIENT, '--audit-interval-ms', '500'] },
  );
  try {
    const { volume_id } = await createVolume(driver, 'evading', {}, 8 * MIB);
    const file = join(server.directory, 'evading/file');
    await fill(file, 4);
    const asOwner = ['--reuid=65534', '--clear-groups', '--', 'chattr', '-p', '0', 'file'];
    await run('setpriv', asOwner, { cwd: join(server.directory, 'evading') });
    await until('it is reported', 120_000, async () =>
      /do not count against its size, such as "file"/.test((await conditionOf(driver, volume_id))?.message ?? ''),
    );
    await driver.controller.DeleteVolume({ volume_id });
    await trashIsEmpty(server.directory);
  } finally {
    await endShared(driver);
    await clear(server);
  }
};

const makeMany = (server: Server, count: number): Promise<void> =>
  withDriver(server, async (driver) => {
    const names = Array.from({ length: count }, (_, index) => `many-${index}`);
    const sizes = new Map(names.map((name, index) => [name, (index + 1) * MIB]));
    await Promise.all(names.map((name) => persist(() => createVolume(driver, name, {}, sizes.get(name)))));
    const { ids, claims } = await projectsOf(server);
    assert.equal(new Set(ids).size, count);
    assert.deepEqual(claims, ids);
    for (const [name, bytes] of sizes) assert.equal(await sizeOf(join(server.directory, name)), bytes);
    const remove = (name: string) => driver.controller.DeleteVolume({ volume_id: `main/${name}` });
    await Promise.all(names.map((name) => persist(() => remove(name))));
  });

/** Everything in it counts then, however deep; what a link in it points at does not. */
const enforceLater = async (server: Server, entry: string, expected: readonly string[]): Promise<void> => {
  const before = await startShared({ main: poolOn(server, { local: true, more: { sizes: 'budget' } }) });
  const { home } = before;
  await createVolume(before, 'old', {}, 16 * MIB);
  const deep = join(server.directory, 'old/deep/deeper');
  await mkdir(deep, { recursive: true });
  await chmod(deep, 0o777);
  for (const name of ['a', 'b', '-odd name\n']) await fill(join(deep, name), 3);
  const outside = join(server.directory, 'outside');
  await writeFile(outside, 'not of the volume');
  await symlink(outside, join(deep, 'link'));
  await run('mkfifo', [join(deep, 'fifo')]);
  await before.stop();

  const after = await startShared({ main: poolOn(server, POOL) }, { home });
  const { steps, code, stderr } = await enforceAtEveryStep(entry, join(home, 'config.yaml'), QUOTA_STEPS);
  console.info(`        ${steps.length} steps: ${steps.join(', ')}`);
  for (const step of expected) assert.ok(steps.includes(step), step);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match((await run('lsattr', ['-p', outside])).stdout, /^ *0 /);
  assert.equal(await sizeOf(deep), 16 * MIB);
  assertFull(await fill(join(deep, 'more'), 16), 16 - 9);
  await after.controller.DeleteVolume({ volume_id: 'main/old' });
  await nothingIsLeft(server);
  await endShared(after);
  await clear(server);
};

const killAtEveryStep = async (server: Server): Promise<void> => {
  const home = await makeHome();
  const pool = poolOn(server, POOL);
  const look = async (call: string): Promise<void> => {
    const size = call === 'DeleteVolume' ? undefined : await sizeOf(join(server.directory, 'killed'));
    assert.equal(size, { CreateVolume: 16 * MIB, ControllerExpandVolume: 32 * MIB }[call]);
  };
  // Those of records and directories are the same on every file system: see test/driver/crash.test.ts.
  const steps = await dieAtEveryStep(pool, home, LIFE, look, QUOTA_STEPS);
  for (const step of ['project labelled', 'limit set']) assert.ok(steps.includes(`CreateVolume: ${step}`), step);
  const last = await startShared({ main: pool }, { home });
  await nothingIsLeft(server);
  await endShared(last);
  await clear(server);
};

const QUOTA_STEPS = ['file linked', 'project labelled', 'limit set', 'trash emptied', 'project given back'];

const LIFE: Life = {
  CreateVolume: (driver) => createVolume(driver, 'killed', {}, 16 * MIB),
  ControllerExpandVolume: ({ controller }) =>
    controller.ControllerExpandVolume({ volume_id: 'main/killed', capacity_range: { required_bytes: 32 * MIB } }),
  DeleteVolume: ({ controller }) => controller.DeleteVolume({ volume_id: 'main/killed' }),
};

const conditionOf = async ({ controller }: TestDriver, volume_id: string) =>
  (await controller.ControllerGetVolume({ volume_id })).status?.volume_condition;

/** Within a mebibyte of the size: the one that did not fit as a whole. */
const assertFull = ({ isFull, mebibytes }: Awaited<ReturnType<typeof fill>>, size: number): void => {
  assert.ok(isFull && mebibytes >= size - 1 && mebibytes <= size, `${mebibytes} MiB written, full: ${isFull}`);
};

/** Bytes, as df shows it. */
const sizeOf = async (path: string): Promise<number> => {
  const { blocks, bsize } = await statfs(path);
  return blocks * bsize;
};

/** The projects of the records, and the claims on disk. */
const projectsOf = async ({ directory }: Server) => {
  // What writes that were killed have left stays for ten minutes: another controller may be writing it.
  const list = async (folder: string): Promise<readonly string[]> =>
    (await readdir(join(directory, '.csi-subdir', folder))).filter((file) => !file.startsWith('.')).sort();
  const read = async (file: string) =>
    JSON.parse(await readFile(join(directory, '.csi-subdir/volumes', file), 'utf8')).limit.id;
  const ids = await Promise.all((await list('volumes')).map(read));
  return { ids: ids.map(String).sort(), claims: await list('projects') };
};

/** Neither volumes nor trash, no project of ours, and no quota on the file system. */
const nothingIsLeft = async (server: Server): Promise<void> => {
  await trashIsEmpty(server.directory);
  assert.deepEqual(await projectsOf(server), { ids: [], claims: [] });
  const args = ['-P', '-n', '-p', '-O', 'csv', server.directory];
  // nfsd keeps a file open for a while, and with it the use of what was removed.
  await until('no project uses anything', 60_000, async () => {
    const { stdout } = await run('/usr/sbin/repquota', args);
    return !stdout.split('\n').some((line) => /^#[1-9]/.test(line) && !/^#\d+,ok,ok,0,0,0,/.test(line));
  });
};
