import { DriverError } from '../domain/errors.ts';
import { formatGroupHandle, nameRecord } from '../domain/handle.ts';
import { parseSnapshotParameters } from '../domain/parameters.ts';
import type { SnapshotGroup, SnapshotRecord } from '../domain/snapshot.ts';
import {
  type Call,
  type Context,
  findShelf,
  findSnapshotShelf,
  type Shelf,
  snapshotIdOf,
  snapshotLockKey,
  volumeIdOf,
  volumeNotFound,
} from './context.ts';
import { markDeleting } from './mark.ts';
import { copyAside, discardCopies, findOrigin, type Origin } from './origin.ts';

export interface SnapshotCommand {
  readonly name: string;
  readonly volumeId: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** A snapshot as the caller gets to know it. */
export interface SnapshotView {
  readonly snapshotId: string;
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly createdAt: Date;
  readonly ready: boolean;
  readonly groupId: string | undefined;
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

/** Deletes a snapshot, a copy that is being made first. An id that is not ours, or gone already, is a success. */
export const deleteSnapshot = async (context: Context, snapshotId: string, call: Call): Promise<void> => {
  const shelf = findSnapshotShelf(context, snapshotId);
  if (shelf === undefined) return;
  await context.locks.run([snapshotLockKey(shelf.handle.name)], call.signal, async () => {
    const record = await shelf.snapshots.read(shelf.handle.name);
    if (record?.group !== undefined) {
      throw new DriverError('failed-precondition', `the snapshot belongs to group ${record.group.name}: delete that`);
    }
    await removeSnapshot(context, shelf, shelf.handle.name);
  });
};

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

/** Goes on with a snapshot whose copy was ended with the process. */
export const resumeSnapshot = async (context: Context, shelf: Shelf, record: SnapshotRecord): Promise<void> => {
  try {
    const origin = await findOrigin(context, { kind: 'volume', id: volumeIdOf(shelf, record.volume) });
    startCopy(context, shelf, origin, record);
  } catch (thrown) {
    if (DriverError.from(thrown).kind !== 'not-found') throw thrown;
    await finishDelete(context, shelf, record);
  }
};

/** The caller holds the lock. */
export const removeSnapshot = async (context: Context, shelf: Shelf, name: string): Promise<void> => {
  const id = snapshotIdOf(shelf, name);
  if (context.copier.isRead(id)) throw new DriverError('aborted', 'the snapshot is being copied to a volume');
  await context.copier.cancel(id);
  const record = await shelf.snapshots.read(name);
  if (record !== undefined) await finishDelete(context, shelf, record);
};

/** Each step may be the last one before a crash, and may be repeated. */
export const finishDelete = async (context: Context, shelf: Shelf, record: SnapshotRecord): Promise<void> => {
  const { pool, snapshots } = shelf;
  await markDeleting(snapshots, record);
  context.step('snapshot marked');
  await pool.root.discardData(record.name);
  await discardCopies(pool.root, { kind: 'snapshot', name: record.name });
  context.step('snapshot put away');
  await snapshots.remove(record.name);
  context.purger.wake(pool.name);
};

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
    await finishDelete(context, shelf, before);
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

const startCopy = (context: Context, shelf: Shelf, origin: Origin, record: SnapshotRecord): void =>
  context.copier.start({
    id: snapshotIdOf(shelf, record.name),
    source: volumeIdOf(shelf, record.volume),
    pool: shelf.pool.name,
    work: async (signal) => {
      try {
        await takeSnapshot(shelf, origin, record, signal);
      } catch (thrown) {
        await giveUp(context, shelf, record, thrown).catch(() => {
          // The storage does not let us; the record says `copying`, and a repeated call or the next start repairs it.
        });
        throw thrown;
      }
    },
  });

/** While this runs, nobody else changes the record: a deletion ends it first. */
const takeSnapshot = async (shelf: Shelf, origin: Origin, record: SnapshotRecord, signal: AbortSignal) => {
  const { root } = shelf.pool;
  // Of a process that has ended between the last two steps.
  await root.discardData(record.name);
  const copy = await copyAside(shelf, origin, { kind: 'snapshot', name: record.name }, signal);
  await root.keep(copy.name, record.name);
  await shelf.snapshots.replace({ ...record, state: 'ready', sizeBytes: copy.bytes });
};

/** What may work when it is tried again keeps its record: the caller was told of it. */
const giveUp = async (context: Context, shelf: Shelf, record: SnapshotRecord, thrown: unknown): Promise<void> => {
  context.purger.wake(shelf.pool.name);
  if (!PASSING.has(DriverError.from(thrown).kind)) await finishDelete(context, shelf, record);
};

const PASSING: ReadonlySet<string> = new Set(['unavailable', 'unreachable', 'deadline-exceeded']);
