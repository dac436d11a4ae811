import { formatHandle, formatSnapshotHandle, parseSnapshotHandle } from '../domain/handle.ts';
import { isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import { type Page, type PageRequest, type PageRules, pageAfter } from '../index/page.ts';
import { findSnapshot, type PoolIndexes } from '../index/pool-index.ts';
import { refreshAll } from '../index/refresh.ts';
import { type SnapshotView, viewSnapshot } from './view.ts';

/** What snapshots somebody wants to see: all, one, or those of one volume. */
export interface SnapshotFilter {
  readonly snapshotId: string | undefined;
  readonly volumeId: string | undefined;
}

/** One snapshot. Throws not-found, also for one that is not complete yet. */
export const getSnapshot = async (all: PoolIndexes, snapshotId: string): Promise<SnapshotView> => {
  const { record, ...index } = await findSnapshot(all, snapshotId);
  return viewSnapshot(index, record);
};

/** Snapshots by pool and name; none for ids that nobody knows. Throws aborted for a token that is not one. */
export const listSnapshots = async (
  all: PoolIndexes,
  { snapshotId, volumeId }: SnapshotFilter,
  request: PageRequest,
): Promise<Page<SnapshotView>> => {
  const indexes = await refreshAll(all, request.token);
  const rules: PageRules<SnapshotRecord> = {
    isListed: (record, pool) =>
      isReported(record) &&
      (snapshotId === undefined || snapshotId === formatSnapshotHandle({ pool, name: record.name })) &&
      (volumeId === undefined || volumeId === formatHandle({ pool, name: record.volume })),
    formatId: formatSnapshotHandle,
    parseId: parseSnapshotHandle,
  };
  const sources = indexes.map((index) => ({ index, pool: index.pool.name, records: index.snapshots.list() }));
  const { entries, nextToken } = pageAfter(sources, rules, request);
  return { entries: entries.map(({ source, record }) => viewSnapshot(source.index, record)), nextToken };
};
