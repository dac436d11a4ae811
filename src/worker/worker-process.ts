import type { Expectation } from '../domain/identity.ts';
import { DriverError, errnoOf } from '../errors/errors.ts';
import { createRoot } from '../roots/held-root.ts';
import { invokeOn } from '../roots/root-methods.ts';
import { createExec, noObserver } from '../subprocess/exec.ts';
import { createMounter } from '../system/mounter.ts';
import { createReadMounts } from '../system/mountinfo.ts';
import type { Step } from '../system/step.ts';
import type { WorkerAnswer, WorkerReady, WorkerRequest, WorkRequest } from './worker.ts';

/** The worker's side, by its arguments (`workerArgs`): does file work below one root for the process that has started it, until that one ends. */
export const serveWorker = (
  [path = '', reached = '', factor = '1']: readonly string[],
  step: Step,
): Promise<number> => {
  const mounted = reached === 'mounted';
  // A directory that has its mode from the beginning is a request less. Everything here is made with a mode.
  if (mounted) process.umask(0);
  const exec = createExec(noObserver, { deadlineFactor: Number(factor) });
  const readMounts = createReadMounts();
  const mounter = createMounter(exec, readMounts);
  const root = createRoot(path, { exec, mounter, readMounts, step, whenChanged: 'reopen', mounted });
  const invoke = invokeOn(root);
  const cancels = new Map<number, AbortController>();

  let opened: { readonly id: string | undefined; readonly done: Promise<unknown> } | undefined;
  const open = async (expected: Expectation): Promise<void> => {
    const id = expected.known.id;
    if (opened?.id !== id) opened = undefined;
    opened ??= { id, done: root.prepare(expected) };
    const mine = opened;
    await mine.done.catch((thrown: unknown) => {
      if (opened === mine) opened = undefined;
      throw thrown;
    });
  };

  const work = async ({ method, args: [expected, ...args], cancellable }: WorkRequest, signal: AbortSignal) => {
    if (method === 'prepare') return root.prepare(expected);
    await open(expected);
    return invoke(method, cancellable ? [...args, signal] : args);
  };

  process.on('message', (request: WorkerRequest) => {
    if ('cancel' in request) {
      cancels.get(request.cancel)?.abort(new DriverError('aborted', 'the work was cancelled'));
      return;
    }
    const { id } = request;
    const cancel = new AbortController();
    cancels.set(id, cancel);
    work(request, cancel.signal)
      .then(
        (value) => answer({ id, value }),
        (thrown: unknown) => answer({ id, error: describe(thrown) }),
      )
      .finally(() => cancels.delete(id));
  });
  const ready: WorkerReady = { ready: true };
  process.send?.(ready);
  return new Promise((resolve) => process.once('disconnect', () => resolve(0)));
};

const answer = (message: WorkerAnswer): void => {
  process.send?.(message);
};

const describe = (thrown: unknown): NonNullable<WorkerAnswer['error']> => {
  const error = DriverError.from(thrown);
  const detail = error.cause instanceof Error ? error.cause : thrown;
  return {
    kind: error.kind,
    message: error.message,
    code:
      errnoOf(detail) ??
      (typeof error.cause === 'string' ? error.cause : undefined) ??
      (error.kind === 'internal' ? String(detail) : undefined),
  };
};
