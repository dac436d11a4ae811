import { ownerOf } from '../domain/copy.ts';
import { isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { lockKey, type Shelf, snapshotIdOf, snapshotLockKey, volumeIdOf } from '../index/shelf.ts';
import { finishDeleteSnapshot, rollBackSnapshot } from '../snapshots/delete.ts';
import type { Log } from '../system/log.ts';
import type { Call, Context } from '../volumes/context.ts';
import { finishDelete, rollBackCreate } from '../volumes/delete.ts';

/** What these operations use of the context. */
export type SweepContext = Pick<Context, 'shelves' | 'locks' | 'purger' | 'copier' | 'owners' | 'readMounts' | 'step'>;

/** What a sweep has brought to an end, and what it could not. */
export interface Swept {
  readonly rolledBack: number;
  readonly deleted: number;
  readonly failed: number;
}

export interface SweepOptions extends Call {
  /** True at the start on a root that only this node reaches: nobody else works on what is unfinished. */
  readonly isAlone: boolean;
  readonly log: Log;
}

/**
 * Finishes what a process has left that has ended, and that nobody may ever ask for again. Deletions are finished by
 * whoever comes first. What is being created is rolled back when its owner shows no progress: nobody was told of it.
 * Each item is on its own: one that fails is logged, counted and left to the next sweep.
 */
export const sweepShelf = async (context: SweepContext, shelf: Shelf, options: SweepOptions): Promise<Swept> => {
  const { pool, ledger, snapshots } = shelf;
  const swept = { rolledBack: 0, deleted: 0, failed: 0 };
  const attempt = async (what: object, work: () => Promise<'rolledBack' | 'deleted' | undefined>): Promise<void> => {
    try {
      const result = await work();
      if (result !== undefined) swept[result] += 1;
    } catch (thrown) {
      swept.failed += 1;
      options.log.error({ pool: pool.name, ...what, err: thrown }, 'sweep failed, will be retried');
    }
  };
  for (const { name } of ledger.list().filter(isUnfinished))
    await attempt({ volume: name }, () => sweepVolume(context, shelf, name, options));
  for (const { name } of snapshots.list().filter((record) => !isReported(record)))
    await attempt({ snapshot: name }, () => sweepSnapshot(context, shelf, name, options));
  for (const folder of ['copies', 'data'] as const) await attempt({ folder }, () => discardStray(shelf, folder));
  context.purger.wake(pool.name);
  return swept;
};

const isUnfinished = ({ state, reservedBytes }: VolumeRecord): boolean =>
  state !== 'ready' || reservedBytes !== undefined;

const sweepVolume = (context: SweepContext, shelf: Shelf, name: string, { signal, isAlone }: SweepOptions) =>
  context.locks.run([lockKey(volumeIdOf(shelf, name))], signal, async () => {
    const record = await shelf.ledger.read(name);
    if (record?.state === 'deleting') {
      await finishDelete(context, shelf, record);
      return 'deleted';
    }
    if (record === undefined || !isUnfinished(record) || !(isAlone || context.owners.isAbandoned(shelf.pool, record)))
      return undefined;
    if (record.state === 'creating') await rollBackCreate(context, shelf, record);
    else await releaseReservation(shelf, record);
    return 'rolledBack';
  });

const releaseReservation = async ({ ledger }: Shelf, record: VolumeRecord): Promise<void> => {
  const { reservedBytes: _, ...settled } = record;
  await ledger.replace(record, settled);
};

const sweepSnapshot = (context: SweepContext, shelf: Shelf, name: string, { signal, isAlone }: SweepOptions) =>
  context.locks.run([snapshotLockKey(name)], signal, async () => {
    const record = await shelf.snapshots.read(name);
    if (record?.state === 'deleting') {
      await finishDeleteSnapshot(context, shelf, record);
      return 'deleted';
    }
    if (record === undefined || isReported(record) || context.copier.knows(snapshotIdOf(shelf, name))) return undefined;
    if (!isAlone && !context.owners.isAbandoned(shelf.pool, record)) return undefined;
    await rollBackSnapshot(context, shelf, record);
    return 'rolledBack';
  });

/** Moves to the trash what was copied for records that do not exist any more, or that have another copy. */
const discardStray = async (shelf: Shelf, folder: 'copies' | 'data'): Promise<undefined> => {
  const { root } = shelf.pool;
  const entries = folder === 'copies' ? await root.listCopies() : await root.listData();
  for (const entry of entries) {
    if (!(await isStray(shelf, entry, folder))) continue;
    await (folder === 'copies' ? root.discardCopies([entry]) : root.discardData([entry]));
  }
};

const isStray = async ({ ledger, snapshots }: Shelf, entry: string, folder: 'copies' | 'data'): Promise<boolean> => {
  const owner = ownerOf(entry);
  // Layout 1 names data like its snapshot.
  if (owner === undefined || (folder === 'data' && owner.uid === undefined)) return false;
  const record: SnapshotRecord | VolumeRecord | undefined = await (owner.kind === 'volume' ? ledger : snapshots).read(
    owner.name,
  );
  if (record === undefined || (owner.uid !== undefined && record.uid !== owner.uid)) return true;
  if (record.state !== 'ready') return false;
  return folder === 'copies' || !('data' in record) || record.data !== entry;
};
