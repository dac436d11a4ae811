import { DriverError } from '../domain/errors.ts';
import { nameRecord } from '../domain/handle.ts';
import { parseSnapshotParameters } from '../domain/parameters.ts';
import type { SnapshotGroup, SnapshotRecord } from '../domain/snapshot.ts';
import {
  type Call,
  type Context,
  findShelf,
  type Shelf,
  snapshotIdOf,
  snapshotLockKey,
  volumeIdOf,
  volumeNotFound,
} from './context.ts';
import { findOrigin, type Origin } from './origin.ts';
import { startCopy } from './snapshot-copy.ts';
import { finishDeleteSnapshot } from './snapshot-delete.ts';
import { readView, type SnapshotView } from './snapshot-view.ts';

export interface SnapshotCommand {
  readonly name: string;
  readonly volumeId: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Milliseconds a caller waits for the copy before it is told that it goes on behind. */
export const PATIENCE_MS = 5_000;

/**
 * Takes a snapshot, or answers the one that is there. The copy is made behind the caller: the same call again says
 * how far it is. Throws what it has failed with, once; the call after that begins anew.
 */
export const createSnapshot = async (context: Context, command: SnapshotCommand, call: Call): Promise<SnapshotView> => {
  parseSnapshotParameters(command.parameters, 'parameters');
  const shelf = findShelf(context, command.volumeId);
  if (shelf === undefined) throw volumeNotFound(command.volumeId);
  const name = nameRecord(command.name, 'snapshot');
  await startSnapshot(context, shelf, { name, requestedName: command.name, volume: shelf.handle.name }, call);
  await context.copier.wait(snapshotIdOf(shelf, name), PATIENCE_MS);
  return readView(shelf, name);
};

export interface SnapshotPlan {
  readonly name: string;
  readonly requestedName: string;
  /** Record name of the volume. */
  readonly volume: string;
  readonly group?: SnapshotGroup;
}

/** Sees to it that there is a record, and a copy on its way unless the snapshot is ready. */
export const startSnapshot = (context: Context, shelf: Shelf, plan: SnapshotPlan, call: Call): Promise<void> =>
  context.locks.run([snapshotLockKey(plan.name)], call.signal, async () => {
    refuseOtherPool(context, shelf, plan);
    const before = await readBefore(context, shelf, plan);
    if (before?.state === 'ready' || context.copier.knows(snapshotIdOf(shelf, plan.name))) return;
    const origin = await findOrigin(context, { kind: 'volume', id: volumeIdOf(shelf, plan.volume) });
    startCopy(context, shelf, origin, before ?? (await begin(context, shelf, plan, origin)));
  });

const refuseOtherPool = ({ shelves }: Context, { pool }: Shelf, { name }: SnapshotPlan): void => {
  const other = [...shelves.values()].find((shelf) => shelf.pool !== pool && shelf.snapshots.get(name) !== undefined);
  if (other === undefined) return;
  throw new DriverError('already-exists', `name: a snapshot of this name exists in pool ${other.pool.name}`);
};

/** The record that an earlier call has left, with a deletion that was interrupted brought to its end. */
const readBefore = async (context: Context, shelf: Shelf, plan: SnapshotPlan): Promise<SnapshotRecord | undefined> => {
  const before = await shelf.snapshots.read(plan.name);
  if (before === undefined) return undefined;
  if (before.state === 'deleting') {
    await finishDeleteSnapshot(context, shelf, before);
    return undefined;
  }
  const same =
    before.requestedName === plan.requestedName &&
    before.volume === plan.volume &&
    JSON.stringify(before.group) === JSON.stringify(plan.group);
  if (same) return before;
  throw new DriverError('already-exists', 'name: a snapshot of this name exists, of another volume or group');
};

const begin = async (context: Context, shelf: Shelf, plan: SnapshotPlan, origin: Origin): Promise<SnapshotRecord> => {
  const record: SnapshotRecord = {
    ...plan,
    sizeBytes: 0,
    capacityBytes: origin.capacityBytes,
    ownership: origin.ownership,
    state: 'copying',
    createdAt: new Date().toISOString(),
  };
  if (!(await shelf.snapshots.create(record)))
    throw new DriverError('aborted', 'another controller is taking this snapshot');
  context.step('snapshot record made');
  return record;
};
