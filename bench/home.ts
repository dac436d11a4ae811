import { spawnSync } from 'node:child_process';
import { makeHome, mountsBelow, removeHome, startDriver, type TestDriver } from '../test/support/driver.ts';

/** Works in a folder of its own, of which nothing is left: no file, and no mount after a failure. */
export const withHome = async <Value>(work: (home: string) => Promise<Value>): Promise<Value> => {
  const home = await makeHome();
  try {
    return await work(home);
  } finally {
    const left = await mountsBelow(home);
    for (const mountPoint of left.toReversed()) spawnSync('/bin/umount', ['--lazy', '--', mountPoint]);
    await removeHome(home);
  }
};

/** Works with the driver that ships, as it is run: a process of its own that logs what it changes. */
export const withDriver = async <Value>(home: string, work: (driver: TestDriver) => Promise<Value>): Promise<Value> => {
  const driver = await startDriver({ home, flags: ['--log-level', 'info'] });
  try {
    return await work(driver);
  } catch (thrown) {
    const said = driver
      .output()
      .split('\n')
      .filter((line) => /"level":"(?:warn|error)"/.test(line));
    process.stderr.write(
      said
        .slice(-5)
        .map((line) => `driver: ${line}\n`)
        .join(''),
    );
    throw thrown;
  } finally {
    await stop(driver);
  }
};

const STOP_MS = 25_000;

const stop = async (driver: TestDriver): Promise<void> => {
  const timer = setTimeout(() => process.kill(driver.pid, 'SIGKILL'), STOP_MS);
  await driver.stop();
  clearTimeout(timer);
};
