import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { startDriver, type TestDriver } from './driver.ts';
import { programPath } from './programs.ts';

/**
 * The process is killed at every step of a change, started again, and asked the same again. `act` is the change, made
 * on what `arrange` has left; `inspect` says what must then be true, whatever step it was.
 */
export interface Story {
  readonly arrange: (driver: TestDriver) => Promise<void>;
  readonly act: (driver: TestDriver) => Promise<unknown>;
  readonly inspect: (driver: TestDriver) => Promise<void>;
}

/** A driver's home, made for one attempt, and taken away after it. */
export interface Ground {
  readonly prepare: () => Promise<string>;
  readonly clean: (home: string) => Promise<void>;
}

export const tryEveryStep = async (name: string, story: Story, ground: Ground): Promise<void> => {
  const steps: string[] = [];
  for (;;) {
    const step = await tryStep(steps.length + 1, story, ground);
    if (step === undefined) break;
    steps.push(step);
  }
  console.info(`${name}: ${steps.length} steps tried: ${steps.join(', ')}`);
  expect(steps.length).toBeGreaterThan(0);
};

/** Returns the step at which the process was killed; undefined when there is no N-th one. */
const tryStep = async (at: number, story: Story, ground: Ground): Promise<string | undefined> => {
  const home = await ground.prepare();
  const crashFile = join(home, 'crash');
  await writeFile(crashFile, '0');
  const doomed = await startDriver({ home, entry: programPath('crash-driver'), env: { CRASH_FILE: crashFile } });
  let driver = doomed;
  try {
    await story.arrange(doomed);
    await emptyTrash(doomed);
    await writeFile(crashFile, String(at));
    const step = await crash(doomed, story);
    driver = await startDriver({ home });
    await story.act(driver);
    await emptyTrash(driver);
    await story.inspect(driver);
    return step;
  } finally {
    await driver.stop();
    await ground.clean(home);
  }
};

/** Makes the change in a process that dies at one of its steps; returns that step, if there is one. */
const crash = async (doomed: TestDriver, story: Story): Promise<string | undefined> => {
  const outcome = await act(story, doomed).then(
    () => 'OK',
    (thrown: unknown) => thrown,
  );
  const step = /crash at: (.*)/.exec(doomed.output())?.[1];
  if (step === undefined) expect(outcome).toBe('OK');
  else
    expect([await doomed.ended, outcome]).toEqual(['SIGKILL', expect.objectContaining({ code: status.UNAVAILABLE })]);
  await doomed.stop();
  return step;
};

/** The purge behind a deletion is part of it: asked until it has ended, or the process has. */
const act = async (story: Story, driver: TestDriver): Promise<void> => {
  await story.act(driver);
  while ((await listTrash(driver)).length > 0) await driver.identity.Probe({}).then(() => sleep(5));
};

const listTrash = ({ root }: TestDriver) => readdir(join(root, '.csi-subdir/trash'));

const emptyTrash = (driver: TestDriver) => expect.poll(() => listTrash(driver), { timeout: 60_000 }).toEqual([]);
