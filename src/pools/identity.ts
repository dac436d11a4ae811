import type { Root } from '../roots/root.ts';
import type { PoolMemory } from '../store/pool-memory.ts';

/** How a process opens the root of a pool. */
export interface Entry {
  /** Whether a new pool is created, and an older layout migrated. */
  readonly mayCreate: boolean;
  /** Whether this node remembers the pool from then on. A command leaves that to the driver. */
  readonly remembers: boolean;
}

/** Opens the root of a pool, and makes sure that it is this pool. Returns its id; undefined for layout 1. */
export type OpenRoot = (root: Root, entry: Entry) => Promise<string | undefined>;

export interface PoolName {
  readonly pool: string;
  /** The id that the configuration says the pool has. */
  readonly pinnedId: string | undefined;
  readonly requireMount: boolean;
  /** See `Expectation.closesRoot`. */
  readonly closesRoot: boolean;
}

export const createOpenRoot = (name: PoolName, memory: PoolMemory): OpenRoot => {
  const { pool, pinnedId, requireMount, closesRoot } = name;
  const recall = async () =>
    pinnedId === undefined ? memory.recall(pool) : { id: pinnedId, from: `pools.${pool}.id in the configuration` };
  return async (root, { mayCreate, remembers }) => {
    const id = await root.prepare({ pool, known: await recall(), mayCreate, requireMount, closesRoot });
    if (id !== undefined && remembers) await memory.remember(pool, id);
    return id;
  };
};
