import { describeFullness } from '../domain/fullness.ts';
import { parseHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Pool } from '../pools/pool.ts';
import { type Context, findVolume, pickShelf, type Shelf } from './context.ts';
import { type VolumeView, viewVolume } from './create.ts';
import { isWhole } from './hold.ts';
import { type Page, type PageRequest, pageAfter } from './page.ts';
import { refresh, refreshAll } from './refresh.ts';

export interface Condition {
  readonly abnormal: boolean;
  readonly message: string;
}

/** One volume with its health. Throws not-found. */
export const getVolume = async (
  context: Context,
  volumeId: string,
): Promise<VolumeView & { readonly condition: Condition }> => {
  const { record, ...shelf } = await findVolume(context, volumeId);
  return { ...viewVolume(shelf, record), condition: await conditionOf(shelf.pool, record) };
};

/** Ready volumes by pool and name. Throws aborted for a token that is not one. */
export const listVolumes = async (context: Context, request: PageRequest): Promise<Page<VolumeView>> => {
  const shelves = await refreshAll(context);
  const views = shelves.flatMap((shelf) =>
    shelf.ledger.list().flatMap((record) => (record.state === 'ready' ? [viewVolume(shelf, record)] : [])),
  );
  return pageAfter(views, ({ volumeId }) => volumeId, parseHandle, request);
};

/**
 * Bytes that new volumes may still ask for: what is left of the budget, else of the file system. Parameters that
 * CreateVolume will refuse are no error here: the scheduler would take it for a lack of room, and nobody would be told.
 */
export const getCapacity = async (
  context: Context,
  parameters: Readonly<Record<string, string>>,
  segments: Readonly<Record<string, string>> | undefined,
): Promise<number> => {
  const { topology } = context;
  if (topology !== undefined && segments !== undefined && segments[topology.key] !== topology.node) return 0;
  const { pool } = parameters;
  if (pool !== undefined && context.shelves.has(pool)) return bytesLeft(pickShelf(context, pool, 'parameters.pool'));
  const left = await Promise.allSettled([...context.shelves.values()].map(bytesLeft));
  // A volume lies in one pool: the largest is what a claim can count on; a pool that is dead counts for nothing.
  return Math.max(0, ...left.map((result) => (result.status === 'fulfilled' ? result.value : 0)));
};

const bytesLeft = async (shelf: Shelf): Promise<number> => {
  const { pool, ledger } = shelf;
  if (pool.budgetBytes === undefined) return (await pool.root.space()).availableBytes;
  await refresh(shelf.pool, ledger);
  return Math.max(0, pool.budgetBytes - ledger.allocatedBytes());
};

const conditionOf = async (pool: Pool, record: VolumeRecord): Promise<Condition> => {
  switch (await pool.root.kindOf(record.directory)) {
    case 'empty':
    case 'directory':
      return conditionOfUse(pool, record);
    case 'missing':
      return { abnormal: true, message: `directory ${JSON.stringify(record.directory)} is missing` };
    case 'other':
      return { abnormal: true, message: `${JSON.stringify(record.directory)} is a link or a file, not a directory` };
  }
};

const conditionOfUse = async ({ root }: Pool, { limit, ...record }: VolumeRecord): Promise<Condition> => {
  const [usage] = limit !== undefined && isWhole(limit) ? await root.usages([{ ...record, limit }]) : [];
  if (usage === undefined) return { abnormal: false, message: 'the directory is there' };
  const { usedBytes, limitBytes } = usage;
  if (limitBytes === undefined) return { abnormal: true, message: 'nothing holds the volume to its size any more' };
  const fullness = describeFullness(usedBytes, limitBytes);
  return { abnormal: fullness !== undefined, message: fullness ?? 'the directory is there, and has room' };
};
