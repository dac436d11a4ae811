import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { startDriver, type TestDriver } from './driver.ts';

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

/** Answers the step at which the process was killed; undefined when there is no N-th one. */
const tryStep = async (at: number, story: Story, ground: Ground): Promise<string | undefined> => {
  const home = await ground.prepare();
  let driver = await startDriver({ home });
  try {
    await story.arrange(driver);
    await emptyTrash(driver);
    const crashed = await crashAt(driver, at, story);
    driver = crashed.driver;
    await story.act(driver);
    await emptyTrash(driver);
    await story.inspect(driver);
    return crashed.step;
  } finally {
    await driver.stop();
    await ground.clean(home);
  }
};

export const CRASH_ENTRY = resolve(import.meta.dirname, 'crash-driver.ts');

/** Runs the change in a process that dies at its N-th step; answers a new process, and the step if it was reached. */
const crashAt = async (before: TestDriver, at: number, story: Story) => {
  await before.stop();
  const { home } = before;
  const doomed = await startDriver({ home, entry: CRASH_ENTRY, env: { CRASH_AT: String(at) } });
  const outcome = await act(story, doomed).then(
    () => 'answered',
    (thrown: unknown) => thrown,
  );
  const step = /crash at: (.*)/.exec(doomed.output())?.[1];
  if (step === undefined) expect(outcome).toBe('answered');
  else
    expect([await doomed.ended, outcome]).toEqual(['SIGKILL', expect.objectContaining({ code: status.UNAVAILABLE })]);
  await doomed.stop();
  return { driver: await startDriver({ home }), step };
};

/** The purge behind a deletion is part of it: asked until it has ended, or the process has. */
const act = async (story: Story, driver: TestDriver): Promise<void> => {
  await story.act(driver);
  while ((await listTrash(driver)).length > 0) await driver.identity.Probe({}).then(() => sleep(5));
};

const listTrash = ({ root }: TestDriver) => readdir(join(root, '.csi-subdir/trash'));

const emptyTrash = (driver: TestDriver) => expect.poll(() => listTrash(driver), { timeout: 60_000 }).toEqual([]);
