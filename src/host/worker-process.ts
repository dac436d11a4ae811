import { stat } from 'node:fs/promises';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { createExec, noObserver } from './exec.ts';
import { createMounter } from './mounter.ts';
import { createReadMounts } from './mountinfo.ts';
import { createRoot } from './root.ts';
import type { Step } from './step.ts';
import type { WorkerAnswer, WorkerRequest } from './worker.ts';
import { RECORD_KINDS } from './worker-root.ts';

/**
 * The worker's side: does file work below one root for the process that has started it, until that one goes. Where the
 * root is `mounted`, it is entered once and held: the bare directory below the mount is never taken for an empty pool.
 */
export const serveWorker = (path: string, mounted: boolean, step: Step): Promise<number> => {
  // A directory that has its mode from the beginning is a request less. Everything here is made with a mode.
  if (mounted) process.umask(0);
  let entering: Promise<void> | undefined;
  const exec = createExec(noObserver);
  const readMounts = createReadMounts();
  const root = createRoot(mounted ? '.' : path, {
    exec,
    mounter: createMounter(exec, readMounts),
    readMounts,
    step,
  });
  const methods = new Map<string, (...args: readonly unknown[]) => Promise<unknown>>();
  for (const [name, method] of Object.entries(root)) methods.set(name, method);
  for (const kind of RECORD_KINDS) {
    for (const [name, method] of Object.entries(root[kind])) methods.set(`${kind}.${name}`, method);
  }
  const cancels = new Map<number, AbortController>();

  const enter = async (): Promise<void> => {
    if (!mounted) return;
    entering ??= enterMount(path).catch((thrown: unknown) => {
      entering = undefined;
      throw thrown;
    });
    await entering;
  };

  process.on('message', (request: WorkerRequest) => {
    if ('cancel' in request) {
      cancels.get(request.cancel)?.abort(new DriverError('aborted', 'the work was cancelled'));
      return;
    }
    const { id, method, args, cancellable } = request;
    const work = methods.get(method) ?? (() => Promise.reject(new Error(`no method ${method}`)));
    const cancel = new AbortController();
    cancels.set(id, cancel);
    enter()
      .then(() => work(...args, ...(cancellable ? [cancel.signal] : [])))
      .then(
        (value) => answer({ id, value }),
        (thrown: unknown) => answer({ id, error: describe(thrown) }),
      )
      .finally(() => cancels.delete(id));
  });
  return new Promise((resolve) => process.once('disconnect', () => resolve(0)));
};

const enterMount = async (path: string): Promise<void> => {
  process.chdir(path);
  const [here, above] = await Promise.all([stat('.'), stat('..')]);
  if (here.dev === above.dev) throw new DriverError('unavailable', `${path} is not mounted`, { cause: 'ESTALE' });
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
