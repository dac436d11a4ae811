import type { Expectation } from '../domain/identity.ts';
import { isCausedBy } from '../errors/errors.ts';
import type { Root } from '../roots/root.ts';
import { createInvokedRoot, type Invoke } from '../roots/root-methods.ts';
import { NOT_OPEN, notOpen, refuse } from '../store/layout.ts';
import { PURGE_DEADLINE_MS } from '../trees/purge.ts';
import type { Limit, Worker } from './worker.ts';

export interface PoolWorkers {
  /** For work that is done in a moment: killed when it is not. */
  readonly quick: Worker;
  /** For copies and purges. */
  readonly long: Worker;
}

/** Makes the root reachable first (mounts it), and decides what happens when it is not. */
export type Reach = <Value>(work: () => Promise<Value>) => Promise<Value>;

export interface WorkerRootTools {
  readonly workers: PoolWorkers;
  readonly reach: Reach;
  /** Called when the root is not the one any more that was prepared. */
  readonly whenChanged: (reason: string) => void;
  /** Given: a root that nobody has prepared is prepared when it is needed. */
  readonly prepareOnDemand?: ((root: Root) => Promise<unknown>) | undefined;
}

/** Milliseconds for one piece of file work, and for reading all records. */
const DEADLINE_MS = 12_000;
const LIST_DEADLINE_MS = 60_000;

/** What takes the longer the more volumes there are. */
const LISTS = /\.(?:names|readAll)$/;

/** A root whose file work is done by workers. Any of them may be new: each call says which pool it is for. */
export const createWorkerRoot = (path: string, tools: WorkerRootTools): Root => {
  const { reach, whenChanged } = tools;
  const { quick, long } = tools.workers;
  let expected: Expectation | undefined;

  const prepare = async (expectation: Expectation): Promise<string | undefined> => {
    const id = (await reach(() => quick.call('prepare', [expectation], DEADLINE_MS))) as string | undefined;
    expected = { ...expectation, known: { ...expectation.known, id }, mayCreate: false };
    return id;
  };

  const requireExpected = async (): Promise<Expectation> => {
    if (expected === undefined) await tools.prepareOnDemand?.(root);
    if (expected === undefined) throw refuse(`its root ${path} is not open`);
    return expected;
  };

  const callOn = async (worker: Worker, method: string, args: readonly unknown[], limit: Limit): Promise<unknown> => {
    const opened = await requireExpected();
    try {
      return await worker.call(method, [opened, ...args], limit);
    } catch (thrown) {
      if (!isCausedBy(thrown, NOT_OPEN) || !(thrown instanceof Error)) throw thrown;
      if (expected === opened) {
        expected = undefined;
        whenChanged(thrown.message);
      }
      throw notOpen(opened.pool, thrown.message);
    }
  };

  const invokeQuick: Invoke = async (method, args) => {
    await requireExpected();
    return reach(() => callOn(quick, method, args, LISTS.test(method) ? LIST_DEADLINE_MS : DEADLINE_MS));
  };

  /** Whether the server is there is asked before. What takes long itself holds no place of those that ask. */
  const invokeLong = async (method: string, args: readonly unknown[], limit: Limit): Promise<unknown> => {
    await invokeQuick('listCopies', []);
    if (typeof limit !== 'number') limit.throwIfAborted();
    return callOn(long, method, args, limit).catch((thrown: unknown) => {
      if (isCausedBy(thrown, 'ESTALE')) long.stop();
      throw thrown;
    });
  };

  const invoke: Invoke = (method, args) => {
    switch (method) {
      case 'copy':
        // The signal cannot be sent: it ends the call.
        return invokeLong(method, args.slice(0, -1), args.at(-1) as AbortSignal);
      case 'purge':
        return invokeLong(method, args, PURGE_DEADLINE_MS + DEADLINE_MS);
      case 'countExisting':
        return invokeLong(method, args, PURGE_DEADLINE_MS);
      default:
        return invokeQuick(method, args);
    }
  };

  const root = createInvokedRoot(path, prepare, invoke);
  return root;
};
