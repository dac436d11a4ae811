import type { Readable } from 'node:stream';
import { ExecaError, execa } from 'execa';
import { DriverError } from '../errors/errors.ts';
import { createLimiter } from './limiter.ts';

/** A subprocess: without a shell, with an absolute path, in the C locale, and with an end. */
export interface Command {
  readonly binary: `/${string}`;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Milliseconds until the whole process group is killed. */
  readonly deadlineMs?: number;
  /** In place of a deadline, for work of unknown length: the group is killed when this is aborted. */
  readonly signal?: AbortSignal;
  /** Characters of standard output that the caller can use. A subprocess that prints more is killed: an error. */
  readonly maxOutput?: number;
  /** Receives standard output as it arrives, of any length; none of it is kept. */
  readonly onOutput?: (text: string) => void;
  /** Receives standard error as it arrives, of any length; the first part is kept all the same. */
  readonly onError?: (text: string) => void;
}

/** Runs a subprocess and returns its standard output. Throws CommandError, a DriverError, or the reason of `signal`. */
export type Exec = (command: Command) => Promise<string>;

/** How subprocesses ended, for the metrics. */
export interface ExecObserver {
  readonly started: () => void;
  readonly ended: () => void;
  readonly killed: () => void;
  /** Still there after SIGKILL: in uninterruptible sleep on storage that does not answer. */
  readonly abandoned: () => void;
}

/** For commands that nobody scrapes. */
export const noObserver: ExecObserver = { started: () => {}, ended: () => {}, killed: () => {}, abandoned: () => {} };

/** A subprocess that failed. Its text is for the log: it may quote mount options. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly binary: string;
  /** Undefined when it could not be started, or a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** The first part of what it printed there. */
  readonly stderr: string;

  constructor(
    binary: string,
    { exitCode, signal }: Partial<Pick<CommandError, 'exitCode' | 'signal'>>,
    stderr: string,
  ) {
    super(`${binary} ${describeEnd(exitCode, signal)}`);
    this.binary = binary;
    this.exitCode = exitCode;
    this.signal = signal;
    this.stderr = stderr;
  }
}

const describeEnd = (exitCode: number | undefined, signal: string | undefined): string => {
  if (signal !== undefined) return `was ended by ${signal}`;
  return exitCode === undefined ? 'could not be started' : `ended with status ${exitCode}`;
};

const DEFAULT_DEADLINE_MS = 10_000;
/** How long a killed subprocess may take to disappear before it is left to itself. */
const REAP_MS = 1_000;
const MAX_OUTPUT_CHARACTERS = 1_000_000;
/** For a list of everything in a pool: half a million lines. */
export const LIST_OUTPUT = 64_000_000;
const KEPT_ERROR_CHARACTERS = 65_536;

export interface ExecOptions {
  /** While a subprocess that was killed has not ended, others fail with unavailable: they would wait as it does. */
  readonly refusesWhileStuck?: boolean;
  /** Deadlines are so many times as long: see `--deadline-factor`. */
  readonly deadlineFactor?: number;
  /** Short subprocesses that run at a time, the others wait; left out: any number. */
  readonly atOnce?: number;
}

export const createExec = (observer: ExecObserver, options: ExecOptions = {}): Exec => {
  const { refusesWhileStuck = false, deadlineFactor = 1, atOnce } = options;
  const stuck = new Set<Promise<unknown>>();
  /** Waits a moment for what was killed. */
  const reap = async (ended: Promise<unknown>): Promise<void> => {
    const over = ended.catch(() => '');
    if ((await within(over, REAP_MS)) !== undefined) return;
    observer.abandoned();
    stuck.add(over);
    void over.then(() => stuck.delete(over));
  };
  const run: Exec = async (command) => {
    const { signal } = command;
    signal?.throwIfAborted();
    if (refusesWhileStuck) requireNone(stuck);
    const child = spawn(command);
    observer.started();
    const stop = new AbortController();
    const ended = end(child, command, stop);
    ended.finally(observer.ended).catch(() => {});

    const timer = signal === undefined ? startDeadline(command, deadlineFactor, stop) : undefined;
    const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const onTime = await until(ended, stopped).finally(() => clearTimeout(timer));
    if (onTime !== undefined) return onTime.value;
    observer.killed();
    if (child.pid !== undefined) killGroup(child.pid);
    await reap(ended);
    throw stopped.reason;
  };
  if (atOnce === undefined) return run;
  const limiter = createLimiter(atOnce);
  return (command) => (isShort(command) ? limiter(() => run(command)) : run(command));
};

/** What takes long must not keep the others waiting: copies, purges. */
const isShort = ({ signal, deadlineMs = DEFAULT_DEADLINE_MS }: Command): boolean =>
  signal === undefined && deadlineMs <= DEFAULT_DEADLINE_MS;

const requireNone = ({ size }: ReadonlySet<unknown>): void => {
  if (size > 0) throw new DriverError('unavailable', STUCK);
};

const STUCK = 'an earlier subprocess was killed and has not ended: it waits for storage that does not answer';

/** What a subprocess has printed, once it has ended. */
const end = (child: Subprocess, command: Command, stop: AbortController): Promise<string> => {
  const kept = collect(child, command, stop);
  return child.then(
    () => kept.output.replace(/\n$/, ''),
    (thrown: unknown) => {
      throw describe(command.binary, thrown, kept.error.trim());
    },
  );
};

type Subprocess = ReturnType<typeof spawn>;

const spawn = ({ binary, args, cwd }: Command) =>
  execa(binary, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { LC_ALL: 'C' },
    extendEnv: false,
    stdin: 'ignore',
    // A group of its own, so that what the subprocess starts is killed with it.
    detached: true,
    cleanup: false,
    buffer: false,
  });

/** Reads what a subprocess prints, so that it is never blocked or ended by a full pipe. */
const collect = (
  { stdout, stderr }: { readonly stdout: Readable; readonly stderr: Readable },
  { binary, maxOutput = MAX_OUTPUT_CHARACTERS, onOutput, onError }: Command,
  stop: AbortController,
): { readonly output: string; readonly error: string } => {
  const kept = { output: '', error: '' };
  const keep = (text: string): void => {
    if (kept.output.length + text.length <= maxOutput) kept.output += text;
    else stop.abort(new DriverError('internal', `${binary} printed more than ${maxOutput} characters`));
  };
  stdout.setEncoding('utf8').on('data', onOutput ?? keep);
  stderr.setEncoding('utf8').on('data', (text: string) => {
    kept.error += text.slice(0, KEPT_ERROR_CHARACTERS - kept.error.length);
    onError?.(text);
  });
  return kept;
};

const startDeadline = (
  { binary, deadlineMs = DEFAULT_DEADLINE_MS }: Command,
  factor: number,
  stop: AbortController,
): NodeJS.Timeout => {
  const ms = deadlineMs * factor;
  const late = (): void => stop.abort(new DriverError('deadline-exceeded', `${binary} gave no answer within ${ms} ms`));
  return setTimeout(late, ms);
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

const describe = (binary: string, thrown: unknown, stderr: string): Error => {
  if (!(thrown instanceof ExecaError)) return new CommandError(binary, {}, String(thrown));
  const started = thrown.exitCode !== undefined || thrown.signal !== undefined;
  return new CommandError(binary, thrown, started ? stderr : thrown.shortMessage);
};
