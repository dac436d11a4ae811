import { DriverError, errnoOf } from '../domain/errors.ts';
import { createExec, noObserver } from './exec.ts';
import { createMounter } from './mounter.ts';
import { createReadMounts } from './mountinfo.ts';
import { createRoot } from './root.ts';
import { noStep } from './step.ts';
import type { WorkerAnswer, WorkerRequest } from './worker.ts';

/** The worker's side: does file work below one root for the process that has started it, until that one goes. */
export const serveWorker = (path: string): Promise<number> => {
  const exec = createExec(noObserver);
  const root = createRoot(path, { exec, mounter: createMounter(exec, createReadMounts()), step: noStep });
  const methods = new Map<string, (...args: readonly unknown[]) => Promise<unknown>>();
  for (const [name, method] of Object.entries(root)) methods.set(name, method);
  for (const [name, method] of Object.entries(root.volumes)) methods.set(`volumes.${name}`, method);

  process.on('message', (request: WorkerRequest) => {
    const { id, method, args } = request;
    const work = methods.get(method)?.(...args) ?? Promise.reject(new Error(`no method ${method}`));
    work.then(
      (value) => answer({ id, value }),
      (thrown: unknown) => answer({ id, error: describe(thrown) }),
    );
  });
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
    code: errnoOf(detail) ?? (error.kind === 'internal' ? String(detail) : undefined),
  };
};
