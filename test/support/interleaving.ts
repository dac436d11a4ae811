import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeHome, type TestDriver } from './driver.ts';
import { codeOf } from './volume.ts';

/** Controllers of one shared root: `paused` can be stopped at any of its steps, `rival` acts in the meantime. */
export interface Controllers {
  readonly root: string;
  readonly paused: TestDriver;
  readonly rival: TestDriver;
  /** A third one: starts on the same root, and sweeps it. */
  readonly startThird: () => Promise<TestDriver>;
  /** Arms `paused`: it stops after so many steps from now on; 0: never. */
  readonly arm: (steps: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Milliseconds after which a controller takes over: enough for one that runs, short for one that is stopped. */
export const TAKEOVER_MS = 400;

export interface ControllersOptions {
  /** A folder that is removed at the end; each controller has one of its own below. */
  readonly home: string;
  readonly root: string;
  /** What was built of pausing-driver.ts. */
  readonly pausing: string;
  readonly start: (home: string, options: StartOptions) => Promise<TestDriver>;
}

export interface StartOptions {
  readonly flags: readonly string[];
  readonly entry?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export const startControllers = async (options: ControllersOptions): Promise<Controllers> => {
  const { home, root, pausing } = options;
  const flags = ['--takeover-ms', String(TAKEOVER_MS), '--call-timeout-ms', '300000', '--mode', 'controller'];
  const pauseFile = join(home, 'pause');
  const start = async (name: string, program: Omit<StartOptions, 'flags'> = {}): Promise<TestDriver> => {
    const own = join(home, name);
    await mkdir(own);
    const driver = await options.start(own, { flags, ...program });
    while (!driver.output().includes('"msg":"pool opened"')) await sleep(10);
    return driver;
  };
  await writeFile(pauseFile, '0');
  const paused = await start('paused', { entry: pausing, env: { PAUSE_FILE: pauseFile } });
  const rival = await start('rival');
  let thirds = 0;
  return {
    root,
    paused,
    rival,
    startThird: () => {
      thirds += 1;
      return start(`third-${thirds}`);
    },
    arm: (steps) => writeFile(pauseFile, String(steps)),
    stop: async () => {
      await Promise.all([paused.stop(), rival.stop()]);
      await removeHome(home);
    },
  };
};

export interface Interleaving {
  /** The step at which `paused` was stopped; undefined where its call has ended before. */
  readonly step: string | undefined;
  /** The code that the call of `paused` has ended with. */
  readonly code: string;
}

/** Runs a call of `paused` that is stopped after so many steps, `meanwhile` while it is stopped, and the rest of it. */
export const interleave = async (
  { paused, arm }: Controllers,
  steps: number,
  act: (driver: TestDriver) => Promise<unknown>,
  meanwhile: () => Promise<void>,
): Promise<Interleaving> => {
  const before = paused.output().length;
  await arm(steps);
  const ended = codeOf(act(paused));
  const stopped = await pausedOrEnded(paused, before, ended);
  if (stopped === undefined) {
    await arm(0);
    return { step: undefined, code: await ended };
  }
  try {
    await meanwhile();
  } finally {
    for (const pid of new Set([stopped.pid, paused.pid])) resume(pid);
  }
  return { step: stopped.step, code: await ended };
};

const pausedOrEnded = async (driver: TestDriver, before: number, ended: Promise<unknown>) => {
  let isEnded = false;
  void ended.finally(() => {
    isEnded = true;
  });
  for (;;) {
    const [, pid, step] = /paused: (\d+) (.*)\n/.exec(driver.output().slice(before)) ?? [];
    if (pid !== undefined && step !== undefined && isStopped(pid) && isStopped(driver.pid))
      return { pid: Number(pid), step };
    if (isEnded) return undefined;
    await sleep(2);
  }
};

const isStopped = (pid: number | string): boolean => / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** Its worker may have been killed at a deadline in the meantime: that is an ending like any other. */
const resume = (pid: number): void => {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {}
};
