import { randomBytes } from 'node:crypto';
import { copyResolved, type ResolvedSource } from '../copies/source.ts';
import { nameCopy } from '../domain/copy.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { isConflict } from '../errors/conflicts.ts';
import { DriverError } from '../errors/errors.ts';
import { type PoolIndex, snapshotIdOf, volumeIdOf } from '../index/pool-index.ts';
import type { Context } from '../volumes/context.ts';
import { type DeleteContext, rollBackSnapshot } from './delete.ts';

/** What these operations use of the context. */
export type CopyContext = DeleteContext & Pick<Context, 'owners'>;

/** Starts the copy of a snapshot in the background. This process owns its record, which says `copying`. */
export const startCopy = (
  context: CopyContext,
  index: PoolIndex,
  resolved: ResolvedSource,
  record: SnapshotRecord,
): void =>
  context.copier.start({
    id: snapshotIdOf(index, record.name),
    source: volumeIdOf(index, record.volume),
    pool: index.pool.name,
    work: async (signal) => {
      try {
        await takeSnapshot(context, index, resolved, record, signal);
      } catch (thrown) {
        await resolveFailure(context, index, record, thrown);
      }
    },
  });

const takeSnapshot = async (
  context: CopyContext,
  index: PoolIndex,
  resolved: ResolvedSource,
  record: SnapshotRecord,
  cancelled: AbortSignal,
): Promise<void> => {
  const { pool, snapshots } = index;
  const copy = nameCopy({ kind: 'snapshot', name: record.name, uid: record.uid }, randomBytes(4).toString('hex'));
  const done = await context.owners.work(pool, snapshots, record, cancelled, (signal) =>
    copyResolved(index, resolved, { copy }, signal),
  );
  try {
    await pool.root.commitData(copy);
    const { owner: _, ...made } = done.record;
    await snapshots.replace(done.record, { ...made, state: 'ready', data: copy });
  } catch (thrown) {
    // After any other failure the record may still become ready: nobody knows whether the change has arrived.
    if (isConflict(thrown)) await discard(index, copy);
    throw thrown;
  }
};

const discard = async ({ pool: { root } }: PoolIndex, copy: string): Promise<void> => {
  await root.dropCopies([copy]);
  await root.dropData([copy]);
};

/**
 * A failure counts only while the snapshot is still this process's to make: another controller may have made it ready
 * in the meantime, or deleted it. What may succeed when it is tried again keeps its record.
 */
const resolveFailure = async (
  context: CopyContext,
  index: PoolIndex,
  { name, uid }: SnapshotRecord,
  thrown: unknown,
): Promise<void> => {
  context.purger.wake(index.pool.name);
  const record = await index.snapshots.read(name).catch(() => {
    throw thrown;
  });
  if (record?.uid === uid && record.state === 'ready') return;
  if (record?.uid !== uid || record.state !== 'copying')
    throw new DriverError('aborted', 'the snapshot was deleted while it was made', { cause: thrown });
  const isOwn = record.owner === context.owners.self;
  if (isOwn && !isConflict(thrown) && !PASSING.has(DriverError.from(thrown).kind)) {
    await rollBackSnapshot(context, index, record).catch(() => {
      // The storage does not let us: a repeated call or the sweep repairs it.
    });
  }
  throw thrown;
};

const PASSING: ReadonlySet<string> = new Set(['unavailable', 'unreachable', 'deadline-exceeded']);
