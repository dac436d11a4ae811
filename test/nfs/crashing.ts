import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDriver } from '../support/driver.ts';
import { createFuse } from '../support/fuse.ts';
import { codeOf } from '../support/volume.ts';
import { until, variable } from './ground.ts';
import { startShared } from './shared-driver.ts';

/** The calls of a volume's life by their names, in their order. */
export type Life = Readonly<Record<string, (driver: TestDriver) => Promise<unknown>>>;

/**
 * Makes each call until it is answered, by a driver that dies at its next step, and its next; looks what is there after
 * each of them. Returns the steps, each with its call; `only` names those that count, where others are shown elsewhere.
 */
export const dieAtEveryStep = async (
  pool: object,
  home: string,
  life: Life,
  look: (call: string, driver: TestDriver) => Promise<void>,
  only?: readonly string[],
): Promise<readonly string[]> => {
  const fuse = createFuse();
  const entry = variable('CRASH_DRIVER');
  const counted = only === undefined ? {} : { CRASH_ONLY: only.join('|') };
  const start = () =>
    startShared({ main: pool }, { home, entry, env: { CRASH_AT: fuse.at(), ...counted }, impatient: true });
  let driver = await start();
  for (const [call, send] of Object.entries(life)) {
    while (!(await succeeds(driver, call, send))) {
      fuse.diedAt(`${call}: ${/crash at: (.*)/.exec(driver.output())?.[1]}`);
      await driver.stop();
      driver = await start();
    }
    await look(call, driver);
  }
  await driver.stop();
  console.info(`        ${fuse.steps().length} steps: ${fuse.steps().join(', ')}`);
  return fuse.steps();
};

/** Asks until the call is answered with success, or the driver has died. */
const succeeds = async (driver: TestDriver, call: string, send: Life[string]): Promise<boolean> => {
  let code = '';
  await until(call, 60_000, async () => {
    code = await codeOf(send(driver));
    if (code === 'OK') return true;
    // The end, or the answer of a pool that is still being opened.
    const how = await Promise.race([driver.ended, sleep(1_000)]);
    assert.ok(how === undefined || how === 'SIGKILL', driver.output());
    return how !== undefined;
  });
  return code === 'OK';
};
