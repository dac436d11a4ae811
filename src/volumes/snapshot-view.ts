import { DriverError } from '../domain/errors.ts';
import { formatGroupHandle } from '../domain/handle.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { type Shelf, snapshotIdOf, volumeIdOf } from './context.ts';

/** A snapshot as the caller gets to know it. */
export interface SnapshotView {
  readonly snapshotId: string;
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly createdAt: Date;
  readonly ready: boolean;
  readonly groupId: string | undefined;
}

export const viewSnapshot = (shelf: Shelf, record: SnapshotRecord): SnapshotView => ({
  snapshotId: snapshotIdOf(shelf, record.name),
  volumeId: volumeIdOf(shelf, record.volume),
  sizeBytes: record.sizeBytes,
  createdAt: new Date(record.createdAt),
  ready: record.state === 'ready',
  groupId: record.group === undefined ? undefined : formatGroupHandle(record.group.name),
});

export const readView = async (shelf: Shelf, name: string): Promise<SnapshotView> => {
  const record = await shelf.snapshots.read(name);
  if (record !== undefined) return viewSnapshot(shelf, record);
  throw new DriverError('aborted', 'the snapshot was deleted while it was made');
};
