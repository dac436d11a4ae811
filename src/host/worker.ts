import { type ChildProcess, fork } from 'node:child_process';
import { DriverError, type ErrorKind } from '../domain/errors.ts';
import type { ExecObserver } from './exec.ts';

/**
 * File work on storage that may never answer, in a process of its own: started when it is needed, stopped when it
 * idles, killed with its process group when an answer is late, replaced at the next call.
 */
export interface Worker {
  readonly call: (method: string, args: readonly unknown[], deadlineMs: number) => Promise<unknown>;
  readonly stop: () => void;
}

export interface WorkerRequest {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
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
}

/** A worker without work for so long is stopped: it costs memory. */
const IDLE_MS = 30_000;
/** How long a killed worker may take to go before it is counted as abandoned. */
const REAP_MS = 1_000;

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
    call: (method, callArgs, deadlineMs) => {
      current ??= start();
      const running = current;
      clearTimeout(running.idle);
      lastId += 1;
      const id = lastId;
      return new Promise((resolve, reject) => {
        const late = (): void =>
          kill(running, new DriverError('deadline-exceeded', `no answer within ${deadlineMs} ms`));
        const timer = setTimeout(late, deadlineMs);
        const done = () => clearTimeout(timer);
        running.pending.set(id, {
          resolve: (value) => [done(), resolve(value)],
          reject: (reason) => [done(), reject(reason)],
        });
        running.child.send({ id, method, args: callArgs } satisfies WorkerRequest, (failure) => {
          if (failure !== null)
            drop(running, new DriverError('unavailable', 'the worker of the pool has ended', { cause: failure }));
        });
      });
    },
    stop: () => {
      if (current !== undefined) retire(current);
    },
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
