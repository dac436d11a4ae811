import { type ChildProcess, fork } from 'node:child_process';
import type { Expectation } from '../domain/identity.ts';
import type { ErrorKind } from '../errors/error-kind.ts';
import { DriverError } from '../errors/errors.ts';
import type { ExecObserver } from '../subprocess/exec.ts';

/**
 * File work on storage that may never answer, in a process of its own: started when it is needed, stopped when it
 * idles, killed with its process group when an answer is late, replaced at the next call. While a worker that was
 * killed has not ended, calls fail with unavailable: there is never more than one that waits.
 */
export interface Worker {
  readonly call: (method: string, args: WorkRequest['args'], limit: Limit) => Promise<unknown>;
  readonly stop: () => void;
}

/** Milliseconds until the worker is killed; or a signal at which the one call is cancelled, however long it takes. */
export type Limit = number | AbortSignal;

export type WorkerRequest = WorkRequest | { readonly cancel: number };

export interface WorkRequest {
  readonly id: number;
  readonly method: string;
  /** What the root is expected to be comes first. */
  readonly args: readonly [Expectation, ...unknown[]];
  /** The method's last argument is a signal, which ends with a `cancel` of this id. */
  readonly cancellable: boolean;
}

/** The first message of a worker: it has started. */
export interface WorkerReady {
  readonly ready: true;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly kind: ErrorKind; readonly message: string; readonly code?: string | undefined };
}

export interface WorkerOptions {
  /** The program that runs `worker`, which is this one, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
  readonly observer: ExecObserver;
  /** See `--deadline-factor`. */
  readonly deadlineFactor: number;
}

/** A worker without work for so long is stopped: it costs memory. */
const IDLE_MS = 30_000;
/** How long a worker may take to start, which has nothing to do with the storage. */
const START_MS = 60_000;
/** How long a killed worker may take to go before it is counted as abandoned. */
const REAP_MS = 1_000;
/** How long a call may take to end that was cancelled, before its worker is killed. */
const CANCEL_MS = 5_000;

const STUCK = 'its last worker was killed and has not ended: it waits for storage that does not answer';

export const createWorker = ({ program, args, observer, deadlineFactor }: WorkerOptions): Worker => {
  let current: Running | undefined;
  /** Workers that were ended and still exist: they wait for storage that does not answer. */
  const ending = new Set<Promise<void>>();
  let lastId = 0;

  const start = (): Running => {
    const child = fork(program, ['worker', ...args], {
      detached: true,
      execArgv: ['--max-semi-space-size=1'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    observer.started();
    const [ready, exited] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const promises = { ready: ready.promise, exited: exited.promise };
    const running: Running = { child, ...promises, pending: new Map(), idle: undefined };
    child.on('message', (message: WorkerReady | WorkerAnswer) => {
      if ('ready' in message) ready.resolve();
      else settle(running, message);
    });
    child.once('exit', () => {
      observer.ended();
      exited.resolve();
      drop(running, new DriverError('unavailable', 'the worker of the pool has ended'));
    });
    child.once('error', (thrown) => {
      if (child.pid === undefined) exited.resolve();
      drop(running, new DriverError('unavailable', 'the worker of the pool cannot run', { cause: thrown }));
    });
    return running;
  };

  const settle = (running: Running, { id, value, error }: WorkerAnswer): void => {
    const waiting = running.pending.get(id);
    running.pending.delete(id);
    if (running.pending.size === 0) running.idle = setTimeout(() => retire(running), IDLE_MS).unref();
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new DriverError(error.kind, error.message, { cause: error.code }));
  };

  /** Everybody who waits is told; the next call starts another. */
  const drop = (running: Running, reason: DriverError): void => {
    if (current === running) current = undefined;
    clearTimeout(running.idle);
    for (const waiting of running.pending.values()) waiting.reject(reason);
    running.pending.clear();
  };

  const awaitEnd = ({ exited }: Running): void => {
    ending.add(exited);
    void exited.then(() => ending.delete(exited));
  };

  const retire = (running: Running): void => {
    drop(running, new DriverError('unavailable', 'the worker of the pool has been stopped'));
    awaitEnd(running);
    running.child.kill('SIGTERM');
  };

  const kill = (running: Running, reason: DriverError): void => {
    drop(running, reason);
    awaitEnd(running);
    observer.killed();
    const { pid } = running.child;
    if (pid !== undefined) killGroup(pid);
    const timer = setTimeout(observer.abandoned, REAP_MS).unref();
    void running.exited.then(() => clearTimeout(timer));
  };

  /** One that was killed is there for a moment yet, or until its storage answers: another one would wait as well. */
  const requireEnded = async (): Promise<void> => {
    if (ending.size === 0) return;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new DriverError('unavailable', STUCK)), REAP_MS);
    await Promise.race([Promise.all(ending), late]).finally(() => clearTimeout(timer));
  };

  return {
    call: async (method, callArgs, limit) => {
      await requireEnded();
      current ??= start();
      const running = current;
      clearTimeout(running.idle);
      lastId += 1;
      const id = lastId;
      const send = (request: WorkerRequest): void => {
        running.child.send(request, (failure) => {
          if (failure !== null)
            drop(running, new DriverError('unavailable', 'the worker of the pool has ended', { cause: failure }));
        });
      };
      const killAfter = (ms: number, kind: ErrorKind, message: string): NodeJS.Timeout =>
        setTimeout(() => kill(running, new DriverError(kind, message)), ms);
      const killLate = (ms: number): NodeJS.Timeout =>
        killAfter(ms * deadlineFactor, 'deadline-exceeded', `no answer within ${ms * deadlineFactor} ms`);
      const startMs = START_MS * deadlineFactor;
      return new Promise((resolve, reject) => {
        // A node that is slow to start a process is not a server that does not answer.
        const late = `the worker of the pool has not started within ${startMs} ms: the node is overloaded`;
        let done = endTimer(killAfter(startMs, 'unavailable', late));
        void running.ready.then(() => {
          if (!running.pending.has(id)) return;
          done();
          done =
            typeof limit === 'number'
              ? endTimer(killLate(limit))
              : onAbort(limit, () => {
                  send({ cancel: id });
                  return killLate(CANCEL_MS);
                });
        });
        running.pending.set(id, {
          resolve: (value) => [done(), resolve(value)],
          reject: (reason) => [done(), reject(reason)],
        });
        send({ id, method, args: callArgs, cancellable: typeof limit !== 'number' });
      });
    },
    stop: () => {
      if (current !== undefined) retire(current);
    },
  };
};

const endTimer = (timer: NodeJS.Timeout) => (): void => clearTimeout(timer);

/** Runs `act` when the signal is aborted, and ends the timer that it answers when what is answered is called. */
const onAbort = (signal: AbortSignal, act: () => NodeJS.Timeout): (() => void) => {
  let timer: NodeJS.Timeout | undefined;
  const abort = (): void => {
    timer = act();
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return () => {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  };
};

interface Running {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  readonly pending: Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (reason: DriverError) => void }
  >;
  idle: NodeJS.Timeout | undefined;
}

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
};
