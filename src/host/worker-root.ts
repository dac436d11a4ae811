import { isCausedBy } from '../domain/errors.ts';
import type { Records } from './records.ts';
import type { Root } from './root.ts';
import { PURGE_DEADLINE_MS } from './trash.ts';
import type { Worker } from './worker.ts';

export interface PoolWorkers {
  /** For work that is done in a moment: killed when it is not. */
  readonly quick: Worker;
  /** For copies and purges. */
  readonly long: Worker;
}

/** Makes the root reachable first (mounts it), and decides what happens when it is not. */
export type Reach = <Value>(work: () => Promise<Value>) => Promise<Value>;

/** Milliseconds for one piece of file work, and for reading all records. */
const DEADLINE_MS = 12_000;
const LIST_DEADLINE_MS = 60_000;

/** A root whose file work is done by workers. */
export const createWorkerRoot = (path: string, { quick, long }: PoolWorkers, reach: Reach): Root => {
  const remote =
    (method: string, deadlineMs = DEADLINE_MS) =>
    (...args: readonly unknown[]) =>
      reach(() => quick.call(method, args, deadlineMs));

  const remoteRecords = <Kind>(folder: (typeof RECORD_KINDS)[number]): Records<Kind> => {
    const methods = RECORD_METHODS.map((method) => [
      method,
      remote(`${folder}.${method}`, method === 'list' ? LIST_DEADLINE_MS : DEADLINE_MS),
    ]);
    return Object.fromEntries(methods) as unknown as Records<Kind>;
  };

  /** Whether the server is there is asked before. What takes long itself holds no place of those that ask. */
  const remoteLong = async (work: () => Promise<unknown>): Promise<unknown> => {
    await remote('listCopies')();
    return work().catch((thrown: unknown) => {
      if (isCausedBy(thrown, 'ESTALE')) long.stop();
      throw thrown;
    });
  };

  return {
    ...(Object.fromEntries(QUICK.map((method) => [method, remote(method)])) as unknown as Root),
    path,
    volumes: remoteRecords('volumes'),
    snapshots: remoteRecords('snapshots'),
    copy: async (source, owner, signal) =>
      (await remoteLong(async () => {
        signal.throwIfAborted();
        return long.call('copy', [source, owner], signal);
      })) as Awaited<ReturnType<Root['copy']>>,
    purge: async (entries) => {
      await remoteLong(() => long.call('purge', [entries], PURGE_DEADLINE_MS + DEADLINE_MS));
    },
    include: async (volume) => {
      await remoteLong(() => long.call('include', [volume], PURGE_DEADLINE_MS));
    },
  };
};

export const RECORD_KINDS = ['volumes', 'snapshots'] as const;

const RECORD_METHODS: readonly (keyof Records<unknown>)[] = ['read', 'create', 'replace', 'remove', 'names', 'list'];

const QUICK: readonly (keyof Root)[] = [
  'prepare',
  'clean',
  'kindOf',
  'identify',
  'make',
  'isSubvolume',
  'own',
  'compress',
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
  'keep',
  'place',
  'listCopies',
  'discardCopies',
  'discardData',
];
