import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestDriver } from '../support/driver.ts';
import { codeOf, createVolume, outcomeOf } from '../support/volume.ts';
import { A, clear, execOn, srv, trashIsEmpty, until } from './ground.ts';
import { endShared, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** The server answers, but its disk is missing. */
export const diskTests: Tests = {
  'a server that exports an empty directory is not taken for the pool, and loses nothing': () => missDisk(),
};

const EMPTY = '/tmp/csi-subdir-guest/a/root/export';

const missDisk = async (): Promise<void> => {
  const running = await startShared({ main: poolOn(A) });
  const { home } = running;
  await createVolume(running, 'kept');
  await writeFile(join(A.directory, 'kept/precious'), 'kept');

  await loseDisk();
  await expectNotOpen(running);
  await running.stop();
  const started = await startShared({ main: poolOn(A) }, { home, impatient: true });
  await expectNotOpen(started);
  assert.deepEqual((await execOn(A, 'ls', '-A', EMPTY)).trim(), '');

  await findDisk();
  await until('the pool is open', 120_000, async () => (await codeOf(started.controller.ListVolumes({}))) === 'OK');
  const { entries } = await started.controller.ListVolumes({});
  assert.deepEqual(
    entries.map(({ volume }) => volume?.volume_id),
    ['main/kept'],
  );
  assert.equal(await readFile(join(A.directory, 'kept/precious'), 'utf8'), 'kept');
  await until('the deletion succeeds', 60_000, async () => (await codeOf(remove(started))) === 'OK');
  await trashIsEmpty(A.directory);
  assert.deepEqual(await readdir(A.directory), ['.csi-subdir']);
  await endShared(started);
  await clear(A);
};

/** A server that has started without its disk exports the folder where the disk belongs. */
const loseDisk = async (): Promise<void> => {
  await srv('stop', A);
  await execOn(A, 'mount', '-t', 'tmpfs', '-o', 'mode=777', 'empty', EMPTY);
  await srv('reboot', A);
};

const findDisk = async (): Promise<void> => {
  await srv('stop', A);
  await until('the folder is not in use', 30_000, () =>
    execOn(A, 'umount', EMPTY).then(
      () => true,
      () => false,
    ),
  );
  await srv('reboot', A);
};

const remove = (driver: TestDriver) => driver.controller.DeleteVolume({ volume_id: 'main/kept' });

/** Nothing is reported as missing, and nothing is made, while nobody can know. */
const expectNotOpen = async (driver: TestDriver): Promise<void> => {
  const reason = /is its disk mounted|has no identity/;
  await until('the reason is known', 120_000, async () =>
    reason.test((await outcomeOf(driver.controller.ListVolumes({}))).details),
  );
  const calls = {
    DeleteVolume: () => remove(driver),
    ControllerGetVolume: () => driver.controller.ControllerGetVolume({ volume_id: 'main/kept' }),
    CreateVolume: () => createVolume(driver, 'new'),
    ListSnapshots: () => driver.controller.ListSnapshots({}),
    DeleteSnapshot: () => driver.controller.DeleteSnapshot({ snapshot_id: 'main@none' }),
  };
  for (const [rpc, call] of Object.entries(calls)) assert.equal((await outcomeOf(call())).code, 'UNAVAILABLE', rpc);
};
