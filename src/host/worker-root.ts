import type { Root } from './root.ts';
import { PURGE_DEADLINE_MS } from './trash.ts';
import type { Worker } from './worker.ts';

/** Milliseconds for one piece of file work, and for reading all records. */
const DEADLINE_MS = 12_000;
const LIST_DEADLINE_MS = 60_000;

/**
 * A root whose file work is done by a worker. `reach` makes the root reachable first (mounts it), and decides what
 * happens when it is not.
 */
export const createWorkerRoot = (
  path: string,
  worker: Worker,
  reach: <Value>(work: () => Promise<Value>) => Promise<Value>,
): Root => {
  const remote =
    (method: string, deadlineMs = DEADLINE_MS) =>
    (...args: readonly unknown[]) =>
      reach(() => worker.call(method, args, deadlineMs));
  const volumes = {
    read: remote('volumes.read'),
    create: remote('volumes.create'),
    replace: remote('volumes.replace'),
    remove: remote('volumes.remove'),
    names: remote('volumes.names'),
    list: remote('volumes.list', LIST_DEADLINE_MS),
  };
  const work = [
    'prepare',
    'clean',
    'kindOf',
    'identify',
    'make',
    'isSubvolume',
    'own',
    'removeEmpty',
    'trash',
    'archive',
    'listTrash',
    'space',
    'abilities',
    'newLimit',
    'hold',
    'lift',
    'giveBack',
    'usages',
    'bind',
  ];
  return {
    ...(Object.fromEntries(work.map((method) => [method, remote(method)])) as unknown as Root),
    path,
    volumes: volumes as unknown as Root['volumes'],
    purge: async (entries) => {
      await remote('purge', PURGE_DEADLINE_MS + DEADLINE_MS)(entries);
    },
    include: async (volume) => {
      await remote('include', PURGE_DEADLINE_MS)(volume);
    },
  };
};
