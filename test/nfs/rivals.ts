import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeHome, type TestDriver } from '../support/driver.ts';
import { type Controllers, interleave, startControllers } from '../support/interleaving.ts';
import { createSnapshot, dataOfSnapshot } from '../support/snapshot.ts';
import { codeOf, createVolume, GIB } from '../support/volume.ts';
import { A, clear, persist, trashIsEmpty, variable } from './ground.ts';
import { endShared, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Two controllers of one export, on two nodes: each has an NFS client, and so a cache, of its own. */
export const rivalTests: Tests = {
  'two controllers that get the same calls at once give the same answers': () => callBoth(),
  'two controllers together stay within the capacity of a pool': () => fillTogether(),
  'a deletion that was stopped at any step spares what another controller has created since': () =>
    stopEveryStep({
      arrange: create,
      act: remove,
      meanwhile: async (rival, id) => {
        await remove(rival, id);
        await create(rival, id);
        await writeFile(fileOf(id), 'new');
      },
      check: async (_, id) => assert.equal(await readFile(fileOf(id), 'utf8'), 'new'),
    }),
  'a creation that was stopped at any step ends with one volume, whoever completes it': () =>
    stopEveryStep({
      act: create,
      meanwhile: async (rival, id) => {
        await create(rival, id);
        await writeFile(fileOf(id), 'of the rival');
      },
      check: async (rival, id) => {
        assert.equal(await codeOf(rival.controller.ControllerGetVolume({ volume_id: `main/${id}` })), 'OK');
        assert.equal(await readFile(fileOf(id), 'utf8'), 'of the rival');
      },
    }),
};

const run = promisify(execFile);
const fileOf = (id: string): string => join(A.directory, id, 'precious');
const create = (driver: TestDriver, id: string) => createVolume(driver, id);
const remove = (driver: TestDriver, id: string) => driver.controller.DeleteVolume({ volume_id: `main/${id}` });

/** A network of its own, and a name of its own, make the kernel a second client to the servers. */
const withSecondNode = async (work: (through: readonly string[]) => Promise<void>): Promise<void> => {
  const ip = (...args: readonly string[]) => run('ip', args);
  await ip('netns', 'add', 'second');
  try {
    await ip('link', 'add', 'to-second', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'second');
    await ip('address', 'add', '10.77.3.1/24', 'dev', 'to-second');
    await ip('link', 'set', 'to-second', 'up');
    await ip('-n', 'second', 'address', 'add', '10.77.3.2/24', 'dev', 'eth0');
    for (const device of ['lo', 'eth0']) await ip('-n', 'second', 'link', 'set', device, 'up');
    await ip('-n', 'second', 'route', 'add', 'default', 'via', '10.77.3.1');
    await ip('-n', 'server-a', 'route', 'replace', '10.77.3.0/24', 'via', '10.77.1.1');
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
    const named = ['unshare', '--uts', 'sh', '-c', 'hostname second; exec "$@"', 'sh'];
    await work(['nsenter', '--net=/run/netns/second', ...named]);
  } finally {
    await ip('netns', 'delete', 'second');
    await clear(A);
  }
};

/** What an NFS client remembers for a minute must not become an answer. */
const POOL = poolOn(A, { mountOptions: ['actimeo=60'], more: { capacity: '40Gi' } });

const withRivals = (work: (rivals: readonly [TestDriver, TestDriver]) => Promise<void>): Promise<void> =>
  withSecondNode(async (through) => {
    const start = (options: object) => startShared({ main: POOL }, { flags: ['--mode', 'controller'], ...options });
    const rivals = [await start({}), await start({ through })] as const;
    try {
      await work(rivals);
      await trashIsEmpty(A.directory);
    } finally {
      await Promise.all(rivals.map(endShared));
    }
  });

const NAMES = Array.from({ length: 8 }, (_, index) => `both-${index}`);

const callBoth = (): Promise<void> =>
  withRivals(async (rivals) => {
    for (let turn = 0; turn < 3; turn += 1) await liveTogether(rivals);
  });

/** The lives of some volumes and a snapshot, every call made to both controllers at once. */
const liveTogether = async (rivals: readonly TestDriver[]): Promise<void> => {
  const both = async (act: (driver: TestDriver) => Promise<unknown>): Promise<void> => {
    await Promise.all(rivals.map((rival) => persist(() => act(rival))));
  };
  await Promise.all(NAMES.map((name) => both((driver) => create(driver, name))));
  for (const name of NAMES) await writeFile(fileOf(name), name);
  await both((driver) => createSnapshot(driver, 'moment', 'main/both-0'));
  assert.equal(await readFile(join(await dataOfSnapshot(A.directory, 'moment'), 'precious'), 'utf8'), 'both-0');
  const [first = '', ...others] = NAMES;
  const expandOthers = others.map((name) => both((driver) => expand(driver, name)));
  await Promise.all([both((driver) => remove(driver, first)), ...expandOthers]);
  await both((driver) => create(driver, first));
  assert.equal(existsSync(fileOf(first)), false);
  for (const name of others) assert.equal(await readFile(fileOf(name), 'utf8'), name);
  for (const rival of rivals) assert.deepEqual(await listVolumes(rival), NAMES);
  await both((driver) => driver.controller.DeleteSnapshot({ snapshot_id: 'main@moment' }));
  await Promise.all(NAMES.map((name) => both((driver) => remove(driver, name))));
  assert.deepEqual(await readdir(A.directory), ['.csi-subdir']);
};

const listVolumes = async ({ controller }: TestDriver): Promise<readonly string[]> =>
  (await controller.ListVolumes({})).entries.map(({ volume }) => volume?.volume_id.replace('main/', '') ?? '').sort();

const expand = ({ controller }: TestDriver, name: string) =>
  controller.ControllerExpandVolume({ volume_id: `main/${name}`, capacity_range: { required_bytes: 2 * GIB } });

const fillTogether = (): Promise<void> =>
  withRivals(async (rivals) => {
    const claims = rivals.flatMap((rival, index) =>
      Array.from({ length: 12 }, (_, claim) => ({ rival, name: `fill-${index}-${claim}` })),
    );
    const codes = await Promise.all(
      claims.map(async ({ rival, name }) => {
        for (;;) {
          const code = await codeOf(createVolume(rival, name, {}, 4 * GIB));
          if (!RETRIED.includes(code) || code === 'OK') return code;
          await sleep(500 + Math.random() * 2_000);
        }
      }),
    );
    assert.deepEqual([...new Set(codes)].sort(), ['OK', 'RESOURCE_EXHAUSTED']);
    const made = claims.filter((_, index) => codes[index] === 'OK');
    console.info(`        ${made.length} of ${claims.length} volumes, room for 10`);
    assert.ok(made.length <= 10);
    for (const { name } of claims) await remove(rivals[0], name);
  });

interface Case {
  readonly arrange?: (driver: TestDriver, id: string) => Promise<unknown>;
  readonly act: (driver: TestDriver, id: string) => Promise<unknown>;
  readonly meanwhile: (rival: TestDriver, id: string) => Promise<unknown>;
  readonly check: (rival: TestDriver, id: string) => Promise<unknown>;
}

const RETRIED = ['OK', 'ABORTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'];

const stopEveryStep = (test: Case): Promise<void> =>
  withSecondNode(async (through) => {
    const all: Controllers = await startControllers({
      home: await makeHome(),
      root: A.directory,
      pausing: variable('PAUSING_DRIVER'),
      // The one that can be stopped is on the second node.
      start: (home, options) =>
        startShared({ main: POOL }, { home, ...options, ...(options.entry === undefined ? {} : { through }) }),
    });
    try {
      const steps = await stopAtEachStep(all, test);
      console.info(`        ${steps.length} steps: ${steps.join(', ')}`);
      assert.ok(steps.length > 2);
      await trashIsEmpty(A.directory);
    } finally {
      await all.stop();
    }
  });

/** Returns the steps at which the call was stopped. */
const stopAtEachStep = async (all: Controllers, test: Case): Promise<readonly string[]> => {
  const { rival } = all;
  const steps: string[] = [];
  for (;;) {
    const id = `stopped-${steps.length}`;
    await test.arrange?.(rival, id);
    const during = async (): Promise<void> => {
      await test.meanwhile(rival, id);
    };
    const { step, code } = await interleave(all, steps.length + 1, (driver) => test.act(driver, id), during);
    if (step !== undefined) {
      assert.ok(RETRIED.includes(code), `${code} after ${step}`);
      await test.check(rival, id);
    }
    await remove(rival, id);
    if (step === undefined) return steps;
    steps.push(step);
  }
};
