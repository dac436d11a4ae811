import { type ChildProcess, fork } from 'node:child_process';
import { DriverError, type ErrorKind } from '../domain/errors.ts';
import type { ExecObserver } from './exec.ts';

/**
 * File work on storage that may never answer, in a process of its own: started when it is needed, stopped when it
 * idles, killed with its process group when an answer is late, replaced at the next call.
 */
export interface Worker {
  readonly call: (method: string, args: readonly unknown[], limit: Limit) => Promise<unknown>;
  readonly stop: () => void;
}

/** Milliseconds until the worker is killed; or a signal at which the one call is cancelled, however long it takes. */
export type Limit = number | AbortSignal;

export type WorkerRequest =
  | {
      readonly id: number;
      readonly method: string;
      readonly args: readonly unknown[];
      /** The method's last argument is a signal, which ends with a `cancel` of this id. */
      readonly cancellable: boolean;
    }
  | { readonly cancel: number };

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
}

/** A worker without work for so long is stopped: it costs memory. */
const IDLE_MS = 30_000;
/** How long a killed worker may take to go before it is counted as abandoned. */
const REAP_MS = 1_000;
/** How long a call may take to end that was cancelled, before its worker is killed. */
const CANCEL_MS = 5_000;

export const createWorker = ({ program, args, observer }: WorkerOptions): Worker => {
  let current: Running | undefined;
  let lastId = 0;

  const start = (): Running => {
    const child = fork(program, ['worker', ...args], {
      detached: true,
      execArgv: ['--max-semi-space-size=1'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    observer.started();
    const running: Running = { child, pending: new Map(), idle: undefined };
    child.on('message', (answer) => settle(running, answer as WorkerAnswer));
    child.once('exit', () => {
      observer.ended();
      drop(running, new DriverError('unavailable', 'the worker of the pool has ended'));
    });
    child.once('error', (thrown) =>
      drop(running, new DriverError('unavailable', 'the worker of the pool cannot run', { cause: thrown })),
    );
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

  const retire = (running: Running): void => {
    drop(running, new DriverError('unavailable', 'the worker of the pool has been stopped'));
    running.child.kill('SIGTERM');
  };

  const kill = (running: Running, reason: DriverError): void => {
    drop(running, reason);
    observer.killed();
    const { pid } = running.child;
    if (pid !== undefined) killGroup(pid);
    const timer = setTimeout(observer.abandoned, REAP_MS).unref();
    running.child.once('exit', () => clearTimeout(timer));
  };

  return {
    call: (method, callArgs, limit) => {
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
      const killLate = (ms: number): NodeJS.Timeout =>
        setTimeout(() => kill(running, new DriverError('deadline-exceeded', `no answer within ${ms} ms`)), ms);
      return new Promise((resolve, reject) => {
        const done =
          typeof limit === 'number'
            ? endTimer(killLate(limit))
            : onAbort(limit, () => {
                send({ cancel: id });
                return killLate(CANCEL_MS);
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
  signal.addEventListener('abort', abort, { once: true });
  return () => {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  };
};

interface Running {
  readonly child: ChildProcess;
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
