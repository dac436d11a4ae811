import assert from 'node:assert/strict';
import { readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { mountsBelow, removeHome, type TestDriver } from '../support/driver.ts';
import { codeOf, createVolume } from '../support/volume.ts';
import { callsFor, requestsFor } from './calls.ts';
import { A, B, srv, trashIsEmpty, until } from './ground.ts';
import { suffer } from './outage.ts';
import { endShared, mountDirOf, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Server A is dead in every way; server B never notices, and neither does the process. */
export const createOutageTests = (): Tests => {
  let driver: TestDriver;
  return {
    'a start with two healthy servers': async () => {
      driver = await startShared(POOLS);
    },
    'A: every packet is dropped': () => suffer(driver, 'drop', 'heal'),
    'A: nfsd is stopped, connections are refused': () => suffer(driver, 'stop', 'start'),
    'A: the cable is out': () => suffer(driver, 'unplug', 'plug'),
    'A: the export is gone': () => suffer(driver, 'hide', 'show'),
    'A: nothing is exported any more': () => suffer(driver, 'close', 'show'),
    'A: rebooted, with other file handles': () => suffer(driver, 'reboot', undefined),
    'a stop while A is dead': async () => {
      await endWhileDead(driver);
    },
    'a start while A is dead': async () => {
      driver = await startWhileDead(driver.home);
    },
    'nothing is left': () => leaveNothing(driver),
  };
};

const POOLS = { main: poolOn(A), spare: poolOn(B) };
/** --stop-timeout-ms, then letting go of the mounts. */
const STOP_BOUND_MS = 20_000 + 8_000;

const endWhileDead = async (driver: TestDriver): Promise<void> => {
  await srv('drop', A);
  const calls = callsFor(driver, 'main').map(({ send }) => codeOf(send()));
  const started = performance.now();
  process.kill(driver.pid, 'SIGTERM');
  assert.equal(await driver.ended, 0);
  const ms = performance.now() - started;
  const codes = [...new Set(await Promise.all(calls))].join(', ');
  console.info(`        ended after ${(ms / 1000).toFixed(1)} s, running calls were answered ${codes}`);
  await driver.stop();
  assert.ok(ms <= STOP_BOUND_MS, `it took ${ms} ms`);
  assert.deepEqual(await mountsBelow(mountDirOf(driver.home)), []);
  await noChildIsLeft(driver);
};

/** A is dead still, from the test before. */
const startWhileDead = async (home: string): Promise<TestDriver> => {
  const driver = await startShared(POOLS, { home, impatient: true });
  await until('pool spare is open', 20_000, () => /"pool":"spare".*"msg":"pool opened"/.test(driver.output()));
  assert.equal(await codeOf(createVolume(driver, 'beside', { pool: 'spare' })), 'OK');
  assert.equal(await codeOf(createVolume(driver, 'silent', { pool: 'main' })), 'UNAVAILABLE');
  assert.equal((await driver.identity.Probe({})).ready?.value, true);
  assert.equal(await codeOf(requestsFor(driver, 'spare', 'beside').DeleteVolume()), 'OK');
  await srv('heal', A);
  const silent = requestsFor(driver, 'main', 'silent');
  await until('pool main is open', 90_000, async () => (await codeOf(silent.CreateVolume())) === 'OK');
  assert.equal(await codeOf(silent.DeleteVolume()), 'OK');
  return driver;
};

const leaveNothing = async (driver: TestDriver): Promise<void> => {
  for (const { rpc } of callsFor(driver, 'main')) {
    const requests = requestsFor(driver, 'main', `main-${rpc.toLowerCase()}`);
    await requests.NodeUnpublishVolume();
    await requests.NodeUnstageVolume();
    await requests.DeleteVolume();
  }
  for (const { directory } of [A, B]) await trashIsEmpty(directory);
  await driver.stop();
  for (const { directory } of [A, B]) await makeOld(recordsOf(directory));
  await endShared(await startShared(POOLS, { home: driver.home }));
  for (const { directory } of [A, B]) assert.deepEqual(await readdir(recordsOf(directory)), []);
  await noChildIsLeft(driver);
  await removeHome(driver.home);
};

const recordsOf = (directory: string): string => `${directory}/.csi-subdir/volumes`;

/** Killed workers leave files that were not in place yet: a start removes those that nobody can be writing any more. */
const makeOld = async (folder: string): Promise<void> => {
  const anHourAgo = Date.now() / 1000 - 3_600;
  const left = (await readdir(folder)).filter((file) => file.endsWith('.tmp'));
  for (const file of left) await utimes(join(folder, file), anHourAgo, anHourAgo);
  console.info(`        ${left.length} files of killed workers in ${folder}`);
};

const noChildIsLeft = ({ home }: TestDriver): Promise<void> =>
  until('no child is left', 30_000, async () => (await processesOf(home)).length === 0);

/** Processes that have to do with a driver's folder. */
const processesOf = async (home: string): Promise<readonly string[]> => {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.map((line) => line.replaceAll('\0', ' ')).filter((line) => line.includes(home));
};
