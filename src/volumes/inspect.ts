import { formatHandle, parseHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { type Page, type PageRequest, type PageRules, pageAfter } from '../index/page.ts';
import { findVolume, type PoolIndex, pickPool } from '../index/pool-index.ts';
import { refresh, refreshAll } from '../index/refresh.ts';
import { type Condition, conditionOf, conditionsOf, NOT_CHECKED } from './condition.ts';
import type { Context } from './context.ts';
import { type VolumeView, viewVolume } from './create.ts';

/** What these operations use of the context. */
export type InspectContext = Pick<Context, 'indexes' | 'auditor' | 'topology'>;

/** A volume with its health. */
export type VolumeStatus = VolumeView & { readonly condition: Condition };

/** One volume. Throws not-found. */
export const getVolume = async (context: InspectContext, volumeId: string): Promise<VolumeStatus> => {
  const { record, ...index } = await findVolume(context, volumeId);
  return { ...viewVolume(index, record), condition: audited(context, record, await conditionOf(index.pool, record)) };
};

/** Ready volumes by pool and name, each with its health. Throws aborted for a token that is not one. */
export const listVolumes = async (context: InspectContext, request: PageRequest): Promise<Page<VolumeStatus>> => {
  const indexes = await refreshAll(context, request.token);
  const sources = indexes.map(({ pool, volumes }) => ({ pool: pool.name, records: volumes.list() }));
  const { entries, nextToken } = pageAfter(sources, VOLUMES, request);
  const byPool = indexes.map(async (index): Promise<readonly VolumeStatus[]> => {
    const records = entries.flatMap(({ source, record }) => (source.pool === index.pool.name ? [record] : []));
    const conditions = await conditionsOf(index.pool, records);
    return records.map((record) => ({
      ...viewVolume(index, record),
      condition: audited(context, record, conditions.get(record.name) ?? NOT_CHECKED),
    }));
  });
  return { entries: (await Promise.all(byPool)).flat(), nextToken };
};

/** What the audit has found is told where nothing worse is known. */
const audited = ({ auditor }: InspectContext, record: VolumeRecord, condition: Condition): Condition => {
  const problem = auditor.problemOf(record);
  return condition.abnormal || problem === undefined ? condition : { abnormal: true, message: problem };
};

const VOLUMES: PageRules<VolumeRecord> = {
  isListed: ({ state }) => state === 'ready',
  formatId: formatHandle,
  parseId: parseHandle,
};

/**
 * Bytes that new volumes may still ask for: what is left of the budget, else of the file system. Parameters that
 * CreateVolume refuses change nothing here: with 0 the scheduler would report a lack of space, and CreateVolume, which
 * reports the reason, would never be called.
 */
export const getCapacity = async (
  context: InspectContext,
  parameters: Readonly<Record<string, string>>,
  segments: Readonly<Record<string, string>> | undefined,
): Promise<number> => {
  const { topology } = context;
  if (topology !== undefined && segments !== undefined && segments[topology.key] !== topology.node) return 0;
  const { pool } = parameters;
  if (pool !== undefined && context.indexes.has(pool)) return bytesLeft(pickPool(context, pool, 'parameters.pool'));
  const left = await Promise.allSettled([...context.indexes.values()].map(bytesLeft));
  // A volume lies in one pool: the largest is what a claim can count on; a pool that is dead counts for nothing.
  return Math.max(0, ...left.map((result) => (result.status === 'fulfilled' ? result.value : 0)));
};

const bytesLeft = async (index: PoolIndex): Promise<number> => {
  const { pool, volumes } = index;
  if (pool.budgetBytes === undefined) return (await pool.root.space()).availableBytes;
  await refresh(index.pool, volumes);
  return Math.max(0, pool.budgetBytes - volumes.allocatedBytes());
};
