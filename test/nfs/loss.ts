import assert from 'node:assert/strict';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeHome, mountsBelow, type TestDriver } from '../support/driver.ts';
import { codeOf, createVolume } from '../support/volume.ts';
import { requestsFor } from './calls.ts';
import { dieAtEveryStep } from './crashing.ts';
import { A, persist, type Server, trashIsEmpty, until, variable } from './ground.ts';
import { endShared, mountDirOf, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Processes are killed in the middle of their work; asking again brings everything to its end. */
export const lossTests: Tests = {
  'the worker is killed while it makes and deletes volumes': () => killWorkers(),
  'the driver is killed at every step of a volume’s life': () => killAtEveryStep(),
  'the worker is killed at every step of its work': () => killWorkerAtEveryStep(),
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
  await trashIsEmpty(A.directory);
  await endShared(driver);
};

const killAtEveryStep = async (): Promise<void> => {
  const home = await makeHome();
  const life = Object.fromEntries(LIFE.map((rpc) => [rpc, sender(rpc)]));
  const look = async (rpc: string, { kubeletDir }: TestDriver): Promise<void> => {
    if (rpc === 'NodePublishVolume') assert.equal((await mountsBelow(kubeletDir)).length, 2);
  };
  const steps = await dieAtEveryStep(poolOn(A), home, life, look, MOUNT_STEPS);
  assert.ok(steps.length >= MOUNT_STEPS.length);
  const last = await startShared({ main: poolOn(A) }, { home });
  assert.deepEqual(await namesOn(A), { records: [], directories: [] });
  await trashIsEmpty(A.directory);
  await endShared(last);
};

/** Those in which mounts are made and taken down, and what is made before and moved after them. */
const MOUNT_STEPS = [
  'directory ready',
  'staging path made',
  'target made',
  'target unmounted',
  'directory put away',
] as const;

const LIFE = [
  'CreateVolume',
  'NodeStageVolume',
  'NodePublishVolume',
  'ControllerExpandVolume',
  'NodeUnpublishVolume',
  'NodeUnstageVolume',
  'DeleteVolume',
] as const;

const sender = (rpc: (typeof LIFE)[number]) => (driver: TestDriver) => requestsFor(driver, 'main', 'killed')[rpc]();

/** A worker dies at its first step, the next one at its second, …, until none is left; what follows asks again. */
const killWorkerAtEveryStep = async (): Promise<void> => {
  const home = await makeHome();
  const fuse = join(home, 'fuse');
  await writeFile(fuse, '0');
  const program = { entry: variable('CRASH_DRIVER'), env: { CRASH_WORKER_AT: fuse } };
  const driver = await startShared({ main: poolOn(A) }, { home, ...program });
  const requests = requestsFor(driver, 'main', 'fused');
  for (const [rpc, before] of FUSED) {
    const prepare = async (): Promise<void> => {
      for (const earlier of before) await requests[earlier]();
    };
    const steps = await crashAtEachStep(driver, prepare, requests[rpc], fuse, rpc === 'DeleteVolume' ? [] : ['fused']);
    console.info(`        ${rpc}: ${steps.length} steps: ${steps.join(', ')}`);
    assert.ok(steps.length > 0);
  }
  await trashIsEmpty(A.directory);
  await endShared(driver);
};

/** Until a call has no further step: prepares, crashes, asks again, looks what is there. */
const crashAtEachStep = async (
  driver: TestDriver,
  prepare: () => Promise<void>,
  send: () => Promise<unknown>,
  fuse: string,
  there: readonly string[],
): Promise<readonly string[]> => {
  const steps: string[] = [];
  for (;;) {
    await prepare();
    const step = await crashWorker(driver, send, fuse, steps.length + 1);
    await persist(send);
    assert.deepEqual(await namesOn(A), { records: there, directories: there }, step);
    if (step === 'none') return steps;
    if (step !== 'late') steps.push(step);
  }
};

/** Sends a call whose worker dies at its N-th step; returns that step, `none` or, of a worker that was late, `late`. */
const crashWorker = async (
  driver: TestDriver,
  send: () => Promise<unknown>,
  fuse: string,
  at: number,
): Promise<string> => {
  await endWorkers(driver);
  await writeFile(fuse, String(at));
  const said = driver.output().length;
  const step = (): string | undefined => /crash at: (.*)\n/.exec(driver.output().slice(said))?.[1];
  const code = await codeOf(send());
  await writeFile(fuse, '0');
  // One that was started since then, or that came to the end of its call, has read the fuse, too.
  await endWorkers(driver);
  if (code === 'OK') return 'none';
  if (code === 'DEADLINE_EXCEEDED') return 'late';
  assert.equal(code, 'UNAVAILABLE');
  await until('the worker says where it died', 5_000, () => step() !== undefined);
  return step() ?? '';
};

/** What changes files in every way there is, and what brings about the state that it is to change. */
const FUSED = [
  ['CreateVolume', ['DeleteVolume']],
  ['DeleteVolume', ['CreateVolume']],
] as const;

/** The next call starts another. */
const endWorkers = async (driver: TestDriver): Promise<void> => {
  const workers = await workersOf(driver);
  for (const worker of workers) process.kill(worker, 'SIGKILL');
  await until('the worker has gone', 15_000, async () => (await Promise.all(workers.map(isGone))).every(Boolean));
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
  await trashIsEmpty(A.directory);
  await endShared(driver);
};

const workersOf = async ({ pid }: TestDriver): Promise<readonly number[]> => {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
  const commands = await Promise.all(children.map(async (child) => [Number(child), await commandOf(child)] as const));
  return commands.flatMap(([child, command]) => (command.includes(' worker ') ? [child] : []));
};

const commandOf = async (pid: string): Promise<string> =>
  (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');

/** Not even a zombie: then its parent knows. */
const isGone = (pid: number): Promise<boolean> =>
  access(`/proc/${pid}`).then(
    () => false,
    () => true,
  );

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
