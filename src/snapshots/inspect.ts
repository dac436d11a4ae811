import { formatHandle, formatSnapshotHandle, parseSnapshotHandle } from '../domain/handle.ts';
import { isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import { type Page, type PageRequest, type PageRules, pageAfter } from '../index/page.ts';
import { refreshAll } from '../index/refresh.ts';
import { findSnapshot, type Shelves } from '../index/shelf.ts';
import { type SnapshotView, viewSnapshot } from './view.ts';

/** What snapshots somebody wants to see: all, one, or those of one volume. */
export interface SnapshotFilter {
  readonly snapshotId: string | undefined;
  readonly volumeId: string | undefined;
}

/** One snapshot. Throws not-found, also for one that is not complete yet. */
export const getSnapshot = async (all: Shelves, snapshotId: string): Promise<SnapshotView> => {
  const { record, ...shelf } = await findSnapshot(all, snapshotId);
  return viewSnapshot(shelf, record);
};

/** Snapshots by pool and name; none for ids that nobody knows. Throws aborted for a token that is not one. */
export const listSnapshots = async (
  all: Shelves,
  { snapshotId, volumeId }: SnapshotFilter,
  request: PageRequest,
): Promise<Page<SnapshotView>> => {
  const shelves = await refreshAll(all, request.token);
  const rules: PageRules<SnapshotRecord> = {
    isListed: (record, pool) =>
      isReported(record) &&
      (snapshotId === undefined || snapshotId === formatSnapshotHandle({ pool, name: record.name })) &&
      (volumeId === undefined || volumeId === formatHandle({ pool, name: record.volume })),
    formatId: formatSnapshotHandle,
    parseId: parseSnapshotHandle,
  };
  const sources = shelves.map((shelf) => ({ shelf, pool: shelf.pool.name, records: shelf.snapshots.list() }));
  const { entries, nextToken } = pageAfter(sources, rules, request);
  return { entries: entries.map(({ source, record }) => viewSnapshot(source.shelf, record)), nextToken };
};
