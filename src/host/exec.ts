import { ExecaError, execa } from 'execa';
import { DriverError } from '../domain/errors.ts';

/** What runs, runs without a shell, with an absolute path, in the C locale and with an end. */
export interface Command {
  readonly binary: `/${string}`;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Milliseconds until the whole process group is killed. */
  readonly deadlineMs?: number;
  /** In the place of a deadline, for work whose length nobody knows: the group is killed when this is aborted. */
  readonly signal?: AbortSignal;
}

/** Runs a child and answers its standard output. Throws CommandError, deadline-exceeded, or what `signal` says. */
export type Exec = (command: Command) => Promise<string>;

/** How children ended, for the metrics. */
export interface ExecObserver {
  readonly started: () => void;
  readonly ended: () => void;
  readonly killed: () => void;
  /** Still there after SIGKILL: in uninterruptible sleep on storage that does not answer. */
  readonly abandoned: () => void;
}

/** For commands that nobody scrapes. */
export const noObserver: ExecObserver = { started: () => {}, ended: () => {}, killed: () => {}, abandoned: () => {} };

/** A child that ended badly. Its text is for the log: it may quote mount options. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly binary: string;
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(binary: string, exitCode: number | undefined, stderr: string) {
    super(`${binary} ended with ${exitCode === undefined ? 'a signal' : `status ${exitCode}`}`);
    this.binary = binary;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

const DEFAULT_DEADLINE_MS = 10_000;
/** How long a killed child may take to disappear before it is left to itself. */
const REAP_MS = 1_000;
const MAX_OUTPUT_CHARACTERS = 1_000_000;

export const createExec =
  (observer: ExecObserver): Exec =>
  async ({ binary, args, cwd, deadlineMs = DEFAULT_DEADLINE_MS, signal }) => {
    signal?.throwIfAborted();
    const child = execa(binary, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { LC_ALL: 'C' },
      extendEnv: false,
      stdin: 'ignore',
      // A group of its own, so that what the child starts is killed with it.
      detached: true,
      cleanup: false,
      maxBuffer: MAX_OUTPUT_CHARACTERS,
    });
    observer.started();
    const ended = child.then(
      ({ stdout }) => stdout,
      (thrown: unknown) => {
        throw describe(binary, thrown);
      },
    );
    ended.finally(observer.ended).catch(() => {});

    const onTime = await (signal === undefined ? within(ended, deadlineMs) : until(ended, signal));
    if (onTime !== undefined) return onTime.value;
    observer.killed();
    if (child.pid !== undefined) killGroup(child.pid);
    const reaped = await within(
      ended.catch(() => ''),
      REAP_MS,
    );
    if (reaped === undefined) observer.abandoned();
    signal?.throwIfAborted();
    throw new DriverError('deadline-exceeded', `${binary} gave no answer within ${deadlineMs} ms`);
  };

/** The promise's value, or undefined when it takes longer than `ms`. Its failure is thrown. */
const within = async <Value>(promise: Promise<Value>, ms: number): Promise<{ readonly value: Value } | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
};

/** The promise's value, or undefined when `signal` is aborted first. Its failure is thrown. */
const until = async <Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
): Promise<{ readonly value: Value } | undefined> => {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const give = (): void => resolve(undefined);
  signal.addEventListener('abort', give, { once: true });
  try {
    return await Promise.race([promise.then((value) => ({ value })), aborted]);
  } finally {
    signal.removeEventListener('abort', give);
  }
};

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
};

const describe = (binary: string, thrown: unknown): Error =>
  thrown instanceof ExecaError
    ? new CommandError(binary, thrown.exitCode, String(thrown.stderr ?? thrown.shortMessage).trim())
    : new CommandError(binary, undefined, String(thrown));
