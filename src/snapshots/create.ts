import { findOrigin, type Origin } from '../copies/origin.ts';
import { nameRecord } from '../domain/handle.ts';
import type { SnapshotGroup, SnapshotRecord } from '../domain/snapshot.ts';
import { firstVersion } from '../domain/version.ts';
import { DriverError } from '../errors/errors.ts';
import { findShelf, type Shelf, snapshotIdOf, snapshotLockKey, volumeIdOf, volumeNotFound } from '../index/shelf.ts';
import { parseSnapshotParameters } from '../requests/parameters.ts';
import type { Call, Context } from '../volumes/context.ts';
import { startCopy } from './copy.ts';
import { finishDeleteSnapshot } from './delete.ts';
import { requireReady, type SnapshotView, viewSnapshot } from './view.ts';

/** What these operations use of the context. */
export type CreateContext = Pick<Context, 'shelves' | 'locks' | 'purger' | 'copier' | 'owners' | 'step'>;

export interface SnapshotCommand {
  readonly name: string;
  readonly volumeId: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Takes a snapshot, or returns the one that is there. A copy is no point in time until it is complete, so the call
 * waits for it. A caller that gives up does not end the copy: the same call again waits for the same one. Throws what
 * the copy has failed with, once; the call after that starts again.
 */
export const createSnapshot = async (
  context: CreateContext,
  command: SnapshotCommand,
  call: Call,
): Promise<SnapshotView> => {
  parseSnapshotParameters(command.parameters, 'parameters');
  const shelf = findShelf(context, command.volumeId);
  if (shelf === undefined) throw volumeNotFound(command.volumeId);
  const name = nameRecord(command.name, 'snapshot');
  await startSnapshot(context, shelf, { name, requestedName: command.name, volume: shelf.handle.name }, call);
  await context.copier.wait(snapshotIdOf(shelf, name), call.signal);
  return viewSnapshot(shelf, await requireReady(shelf, name));
};

export interface SnapshotPlan {
  readonly name: string;
  readonly requestedName: string;
  /** Record name of the volume. */
  readonly volume: string;
  readonly group?: SnapshotGroup;
}

/**
 * Makes sure that there is a record, and a copy under way unless the snapshot is ready. Returns the uid of the snapshot
 * if this call has created it.
 */
export const startSnapshot = (
  context: CreateContext,
  shelf: Shelf,
  plan: SnapshotPlan,
  call: Call,
): Promise<string | undefined> =>
  context.locks.run([snapshotLockKey(plan.name)], call.signal, async () => {
    refuseOtherPool(context, shelf, plan);
    const before = await readBefore(context, shelf, plan);
    if (before?.state === 'ready' || context.copier.knows(snapshotIdOf(shelf, plan.name))) return undefined;
    const origin = await findOrigin(context, { kind: 'volume', id: volumeIdOf(shelf, plan.volume) });
    const record =
      before === undefined ? await begin(context, shelf, plan, origin) : await takeOver(context, shelf, before);
    startCopy(context, shelf, origin, record);
    return before === undefined ? record.uid : undefined;
  });

/** Makes this process the one that copies. Throws aborted while another one does. */
const takeOver = async (
  { owners }: CreateContext,
  { pool, snapshots }: Shelf,
  record: SnapshotRecord,
): Promise<SnapshotRecord> => {
  if (record.owner === owners.self) return record;
  if (!owners.isAbandoned(pool, record)) throw new DriverError('aborted', 'another controller is taking this snapshot');
  return snapshots.replace(record, { ...record, owner: owners.self });
};

const refuseOtherPool = ({ shelves }: CreateContext, { pool }: Shelf, { name }: SnapshotPlan): void => {
  const other = [...shelves.values()].find((shelf) => shelf.pool !== pool && shelf.snapshots.get(name) !== undefined);
  if (other === undefined) return;
  throw new DriverError('already-exists', `name: a snapshot of this name exists in pool ${other.pool.name}`);
};

/** The record that an earlier call has left, with a deletion that was interrupted brought to its end. */
const readBefore = async (
  context: CreateContext,
  shelf: Shelf,
  plan: SnapshotPlan,
): Promise<SnapshotRecord | undefined> => {
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

const begin = async (
  context: CreateContext,
  shelf: Shelf,
  plan: SnapshotPlan,
  origin: Origin,
): Promise<SnapshotRecord> => {
  const record: SnapshotRecord = {
    ...firstVersion(),
    ...plan,
    capacityBytes: origin.capacityBytes,
    ownership: origin.ownership,
    state: 'copying',
    owner: context.owners.self,
    createdAt: new Date().toISOString(),
  };
  if (!(await shelf.snapshots.create(record)))
    throw new DriverError('aborted', 'another controller is taking this snapshot');
  context.step('snapshot record made');
  return record;
};
