import { type ResolvedSource, resolveSource } from '../copies/source.ts';
import { nameRecord } from '../domain/handle.ts';
import type { SnapshotGroup, SnapshotRecord } from '../domain/snapshot.ts';
import { firstVersion } from '../domain/version.ts';
import { DriverError } from '../errors/errors.ts';
import {
  findPoolOf,
  type PoolIndex,
  snapshotIdOf,
  snapshotLockKey,
  volumeIdOf,
  volumeNotFound,
} from '../index/pool-index.ts';
import { parseSnapshotParameters } from '../requests/parameters.ts';
import type { Call } from '../volumes/context.ts';
import { type CopyContext, startCopy } from './copy.ts';
import { finishDeleteSnapshot } from './delete.ts';
import { requireReady, type SnapshotView, viewSnapshot } from './view.ts';

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
  context: CopyContext,
  command: SnapshotCommand,
  call: Call,
): Promise<SnapshotView> => {
  parseSnapshotParameters(command.parameters, 'parameters');
  const index = findPoolOf(context, command.volumeId);
  if (index === undefined) throw volumeNotFound(command.volumeId);
  const name = nameRecord(command.name, 'snapshot');
  await startSnapshot(context, index, { name, requestedName: command.name, volume: index.handle.name }, call);
  await context.copier.wait(snapshotIdOf(index, name), call.signal);
  return viewSnapshot(index, await requireReady(index, name));
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
  context: CopyContext,
  index: PoolIndex,
  plan: SnapshotPlan,
  call: Call,
): Promise<string | undefined> =>
  context.locks.run([snapshotLockKey(plan.name)], call.signal, async () => {
    refuseOtherPool(context, index, plan);
    const before = await readBefore(context, index, plan);
    if (before?.state === 'ready' || context.copier.knows(snapshotIdOf(index, plan.name))) return undefined;
    const resolved = await resolveSource(context, { kind: 'volume', id: volumeIdOf(index, plan.volume) });
    const record =
      before === undefined
        ? await begin(context, index, plan, resolved)
        : await context.owners.takeOver(index.pool, index.snapshots, before, BUSY);
    startCopy(context, index, resolved, record);
    return before === undefined ? record.uid : undefined;
  });

const refuseOtherPool = ({ indexes }: CopyContext, { pool }: PoolIndex, { name }: SnapshotPlan): void => {
  const other = [...indexes.values()].find((index) => index.pool !== pool && index.snapshots.get(name) !== undefined);
  if (other === undefined) return;
  throw new DriverError('already-exists', `name: a snapshot of this name exists in pool ${other.pool.name}`);
};

/** The record that an earlier call has left, with a deletion that was interrupted brought to its end. */
const readBefore = async (
  context: CopyContext,
  index: PoolIndex,
  plan: SnapshotPlan,
): Promise<SnapshotRecord | undefined> => {
  const before = await index.snapshots.read(plan.name);
  if (before === undefined) return undefined;
  if (before.state === 'deleting') {
    await finishDeleteSnapshot(context, index, before);
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
  context: CopyContext,
  index: PoolIndex,
  plan: SnapshotPlan,
  resolved: ResolvedSource,
): Promise<SnapshotRecord> => {
  const record: SnapshotRecord = {
    ...firstVersion(),
    ...plan,
    capacityBytes: resolved.capacityBytes,
    ownership: resolved.ownership,
    state: 'copying',
    owner: context.owners.self,
    createdAt: new Date().toISOString(),
  };
  if (!(await index.snapshots.create(record))) throw new DriverError('aborted', BUSY);
  context.step('snapshot record made');
  return record;
};

const BUSY = 'another controller is taking this snapshot';
