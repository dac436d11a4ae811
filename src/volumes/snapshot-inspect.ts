import { parseSnapshotHandle } from '../domain/handle.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { type Context, findSnapshotShelf, type Shelf, snapshotNotFound } from './context.ts';
import { type Page, type PageRequest, pageAfter } from './page.ts';
import { refreshAll } from './refresh.ts';
import { type SnapshotView, viewSnapshot } from './snapshot-view.ts';

/** What snapshots somebody wants to see: all, one, or those of one volume. */
export interface SnapshotFilter {
  readonly snapshotId: string | undefined;
  readonly volumeId: string | undefined;
}

/** One snapshot, ready or being copied. Throws not-found. */
export const getSnapshot = async (context: Context, snapshotId: string): Promise<SnapshotView> => {
  const shelf = findSnapshotShelf(context, snapshotId);
  const record = await shelf?.snapshots.read(shelf.handle.name);
  if (shelf === undefined || record === undefined || !isThere(record)) throw snapshotNotFound(snapshotId);
  return viewSnapshot(shelf, record);
};

/** Snapshots by pool and name; none for ids that nobody knows. Throws aborted for a token that is not one. */
export const listSnapshots = async (
  context: Context,
  { snapshotId, volumeId }: SnapshotFilter,
  request: PageRequest,
): Promise<Page<SnapshotView>> => {
  const views = (await refreshAll(context))
    .flatMap(viewAll)
    .filter((view) => (snapshotId ?? view.snapshotId) === view.snapshotId)
    .filter((view) => (volumeId ?? view.volumeId) === view.volumeId);
  return pageAfter(views, (view) => view.snapshotId, parseSnapshotHandle, request);
};

const viewAll = (shelf: Shelf): readonly SnapshotView[] =>
  shelf.snapshots.list().flatMap((record) => (isThere(record) ? [viewSnapshot(shelf, record)] : []));

const isThere = ({ state }: SnapshotRecord): boolean => state !== 'deleting';
