import type { BackgroundContext } from '../background/context.ts';
import type { Opener } from '../background/open.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import { within } from '../system/within.ts';
import { countUsageLevels, mayEnforce } from '../volumes/limits.ts';
import type { PoolSample } from './metrics.ts';

/** How long a sample is current, in milliseconds. */
const CURRENT_MS = 5_000;

/**
 * Takes at most one sample at a time, however many ask: whoever asks while it is taken, or shortly after, gets the same.
 */
export const shareSample = <Sample>(take: () => Promise<Sample>): (() => Promise<Sample>) => {
  let last: { readonly sample: Promise<Sample>; until: number } | undefined;
  return () => {
    if (last !== undefined && performance.now() < last.until) return last.sample;
    const taken = { sample: take(), until: Number.POSITIVE_INFINITY };
    last = taken;
    const expire = (): void => {
      taken.until = performance.now() + CURRENT_MS;
    };
    taken.sample.then(expire, () => {
      taken.until = 0;
    });
    return taken.sample;
  };
};

/** The state of every pool, for the metrics. */
export const samplePools = (context: BackgroundContext, opener: Opener): Promise<readonly PoolSample[]> =>
  Promise.all([...context.indexes.values()].map((index) => samplePool(index, context, opener)));

/** A scrape does not wait for storage that does not answer. */
const DEADLINE_MS = 2_000;

const samplePool = async (
  { pool, volumes, snapshots }: PoolIndex,
  { purger }: BackgroundContext,
  opener: Opener,
): Promise<PoolSample> => {
  const opened = opener.opened(pool.name);
  // A process that has not opened the pool, such as a node's, has no reason to reach for its storage.
  const ask = async <Value>(question: () => Promise<Value>): Promise<Value | undefined> =>
    opened === undefined ? undefined : within(question(), DEADLINE_MS).catch(() => undefined);
  const [space, held] = await Promise.all([ask(pool.root.space), ask(() => countUsageLevels(pool, volumes.list()))]);
  return {
    pool: pool.name,
    ready: opened !== undefined,
    answers: pool.problem() === undefined,
    fileSystem: opened?.facts.fileSystem ?? 'unknown',
    sizes: opened === undefined ? 'unknown' : mayEnforce(pool) ? opened.facts.sizes : 'none',
    budgetBytes: pool.budgetBytes,
    // What is not known is absent: nobody may take it for zero.
    allocatedBytes: opened && volumes.allocatedBytes(),
    totalBytes: space?.totalBytes,
    availableBytes: space?.availableBytes,
    volumes: opened && countStates(volumes.list(), { creating: 0, ready: 0, deleting: 0 }),
    snapshots: opened && countStates(snapshots.list(), { copying: 0, ready: 0, deleting: 0 }),
    held,
    unreadableRecords: opened?.unreadable,
    purge: opened && purger.backlog(pool.name),
  };
};

const countStates = <State extends string>(
  records: readonly { readonly state: State }[],
  counts: Record<State, number>,
): Readonly<Record<State, number>> => {
  for (const { state } of records) counts[state] += 1;
  return counts;
};
