import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeHome, mountsBelow, type TestDriver } from '../support/driver.ts';
import { codeOf, createVolume } from '../support/volume.ts';
import { requestsFor } from './calls.ts';
import { A, type Server, until, variable } from './ground.ts';
import { endShared, mountDirOf, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Processes are killed in the middle of their work; asking again brings everything to its end. */
export const lossTests: Tests = {
  'the worker is killed while it makes and deletes volumes': () => killWorkers(),
  'the driver is killed at every step of a volume’s life': () => killAtEveryStep(),
  'the driver is killed while its worker makes volumes': () => killDriver(),
};

const NAMES = Array.from({ length: 12 }, (_, index) => `lost-${index}`);

const killWorkers = async (): Promise<void> => {
  const driver = await startShared({ main: poolOn(A) });
  let killed = 0;
  const killing = (async () => {
    while (killed < 5) {
      const [worker] = await workersOf(driver);
      if (worker !== undefined) {
        process.kill(worker, 'SIGKILL');
        killed += 1;
      }
      await sleep(400 + 700 * killed);
    }
  })();
  for (let turn = 0; turn < 2; turn += 1) {
    await Promise.all(NAMES.map((name) => persist(() => createVolume(driver, name))));
    assert.deepEqual(await namesOn(A), { records: NAMES.toSorted(), directories: NAMES.toSorted() });
    await Promise.all(NAMES.map((name) => persist(requestsFor(driver, 'main', name).DeleteVolume)));
    assert.deepEqual(await namesOn(A), { records: [], directories: [] });
  }
  await killing;
  console.info(`        ${killed} workers were killed`);
  await trashIsEmpty();
  await endShared(driver);
};

/** A process dies at its first step; the next one at its first again, or at a later one where that is known. */
const killAtEveryStep = async (): Promise<void> => {
  // Fault points are in the driver's own process only: with a localPath its file work is done there. Mounts are real.
  const pools = { main: poolOn(A, { local: true }) };
  const home = await makeHome();
  const seen = new Set<string>();
  let at = 1;
  let driver = await startDoomed(pools, home, at);
  for (const rpc of LIFE) {
    while (!(await succeeds(driver, rpc))) {
      const step = `${rpc}: ${/crash at: (.*)/.exec(driver.output())?.[1]}`;
      at = seen.has(step) ? at + 1 : 1;
      seen.add(step);
      await driver.stop();
      driver = await startDoomed(pools, home, at);
    }
    if (rpc === 'NodePublishVolume') assert.equal((await mountsBelow(driver.kubeletDir)).length, 2);
  }
  await driver.stop();
  console.info(`        ${seen.size} steps: ${[...seen].join(', ')}`);
  assert.ok(seen.size >= 12);
  const last = await startShared(pools, { home });
  assert.deepEqual(await namesOn(A), { records: [], directories: [] });
  await trashIsEmpty();
  await endShared(last);
};

const LIFE = [
  'CreateVolume',
  'NodeStageVolume',
  'NodePublishVolume',
  'ControllerExpandVolume',
  'NodeUnpublishVolume',
  'NodeUnstageVolume',
  'DeleteVolume',
] as const;

/** Asks until the call is answered with success, or the driver has died. */
const succeeds = async (driver: TestDriver, rpc: (typeof LIFE)[number]): Promise<boolean> => {
  const send = requestsFor(driver, 'main', 'killed')[rpc];
  let code = '';
  await until(rpc, 60_000, async () => {
    code = await codeOf(send());
    if (code === 'OK') return true;
    // The end, or the answer of a pool that is still being opened.
    const how = await Promise.race([driver.ended, sleep(1_000)]);
    assert.ok(how === undefined || how === 'SIGKILL', driver.output());
    return how !== undefined;
  });
  return code === 'OK';
};

/** Its mount and its worker stay behind: the worker goes by itself, the next process takes over the mount. */
const killDriver = async (): Promise<void> => {
  const pools = { main: poolOn(A) };
  const doomed = await startShared(pools);
  const { home } = doomed;
  const calls = NAMES.map((name) => codeOf(createVolume(doomed, name)));
  await sleep(500);
  const workers = await workersOf(doomed);
  process.kill(doomed.pid, 'SIGKILL');
  await Promise.all(calls);
  await doomed.stop();
  await until('the worker has gone', 15_000, async () => (await Promise.all(workers.map(isGone))).every(Boolean));

  const driver = await startShared(pools, { home });
  assert.equal((await mountsBelow(mountDirOf(home))).length, 1);
  await Promise.all(NAMES.map((name) => persist(() => createVolume(driver, name))));
  assert.deepEqual(await namesOn(A), { records: NAMES.toSorted(), directories: NAMES.toSorted() });
  await Promise.all(NAMES.map((name) => persist(requestsFor(driver, 'main', name).DeleteVolume)));
  assert.deepEqual(await namesOn(A), { records: [], directories: [] });
  await trashIsEmpty();
  await endShared(driver);
};

const startDoomed = (pools: { readonly main: object }, home: string, at: number): Promise<TestDriver> =>
  startShared(pools, {
    home,
    entry: variable('CRASH_DRIVER'),
    env: { CRASH_AT: String(at) },
    impatient: true,
  });

/** As the sidecars do: what may still be in progress is asked for again. */
const persist = (send: () => Promise<unknown>): Promise<void> => {
  let last = '';
  return until('a call succeeds', 60_000, async () => {
    last = await codeOf(send());
    assert.ok(['OK', 'UNAVAILABLE', 'ABORTED', 'DEADLINE_EXCEEDED'].includes(last), last);
    return last === 'OK';
  });
};

const workersOf = async ({ pid }: TestDriver): Promise<readonly number[]> => {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
  const commands = await Promise.all(children.map(async (child) => [Number(child), await commandOf(child)] as const));
  return commands.flatMap(([child, command]) => (command.includes(' worker ') ? [child] : []));
};

const commandOf = async (pid: string): Promise<string> =>
  (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');

const isGone = async (pid: number): Promise<boolean> => (await commandOf(String(pid))) === '';

const namesOn = async ({ directory }: Server) => {
  const records = await readdir(join(directory, '.csi-subdir/volumes'));
  return {
    records: records
      .filter((file) => !file.startsWith('.'))
      .map((file) => file.replace('.json', ''))
      .sort(),
    directories: (await readdir(directory)).filter((entry) => entry !== '.csi-subdir').sort(),
  };
};

const trashIsEmpty = (): Promise<void> =>
  until('the trash is empty', 60_000, async () => (await readdir(join(A.directory, '.csi-subdir/trash'))).length === 0);
