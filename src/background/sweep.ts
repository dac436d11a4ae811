import { ownerOf } from '../domain/copy.ts';
import { isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { lockKey, type PoolIndex, snapshotIdOf, snapshotLockKey, volumeIdOf } from '../index/pool-index.ts';
import { finishDeleteSnapshot, rollBackSnapshot } from '../snapshots/delete.ts';
import type { Log } from '../system/log.ts';
import type { Call, Context } from '../volumes/context.ts';
import { finishDelete, rollBackCreate } from '../volumes/delete.ts';

/** What these operations use of the context. */
export type SweepContext = Pick<Context, 'indexes' | 'locks' | 'purger' | 'copier' | 'owners' | 'readMounts' | 'step'>;

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
export const sweepPool = async (context: SweepContext, index: PoolIndex, options: SweepOptions): Promise<Swept> => {
  const { pool, volumes, snapshots } = index;
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
  for (const { name } of volumes.list().filter(isUnfinished))
    await attempt({ volume: name }, () => sweepVolume(context, index, name, options));
  for (const { name } of snapshots.list().filter((record) => !isReported(record)))
    await attempt({ snapshot: name }, () => sweepSnapshot(context, index, name, options));
  for (const folder of ['copies', 'data'] as const) await attempt({ folder }, () => discardStray(index, folder));
  context.purger.wake(pool.name);
  return swept;
};

const isUnfinished = ({ state, reservedBytes }: VolumeRecord): boolean =>
  state !== 'ready' || reservedBytes !== undefined;

const sweepVolume = (context: SweepContext, index: PoolIndex, name: string, { signal, isAlone }: SweepOptions) =>
  context.locks.run([lockKey(volumeIdOf(index, name))], signal, async () => {
    const record = await index.volumes.read(name);
    if (record?.state === 'deleting') {
      await finishDelete(context, index, record);
      return 'deleted';
    }
    if (record === undefined || !isUnfinished(record) || !(isAlone || context.owners.isAbandoned(index.pool, record)))
      return undefined;
    if (record.state === 'creating') await rollBackCreate(context, index, record);
    else await releaseReservation(index, record);
    return 'rolledBack';
  });

const releaseReservation = async ({ volumes }: PoolIndex, record: VolumeRecord): Promise<void> => {
  const { reservedBytes: _, ...settled } = record;
  await volumes.replace(record, settled);
};

const sweepSnapshot = (context: SweepContext, index: PoolIndex, name: string, { signal, isAlone }: SweepOptions) =>
  context.locks.run([snapshotLockKey(name)], signal, async () => {
    const record = await index.snapshots.read(name);
    if (record?.state === 'deleting') {
      await finishDeleteSnapshot(context, index, record);
      return 'deleted';
    }
    if (record === undefined || isReported(record) || context.copier.knows(snapshotIdOf(index, name))) return undefined;
    if (!isAlone && !context.owners.isAbandoned(index.pool, record)) return undefined;
    await rollBackSnapshot(context, index, record);
    return 'rolledBack';
  });

/** Moves to the trash what was copied for records that do not exist any more, or that have another copy. */
const discardStray = async (index: PoolIndex, folder: 'copies' | 'data'): Promise<undefined> => {
  const { root } = index.pool;
  const entries = folder === 'copies' ? await root.listCopies() : await root.listData();
  for (const entry of entries) {
    if (!(await isStray(index, entry, folder))) continue;
    await (folder === 'copies' ? root.dropCopies([entry]) : root.dropData([entry]));
  }
};

const isStray = async (
  { volumes, snapshots }: PoolIndex,
  entry: string,
  folder: 'copies' | 'data',
): Promise<boolean> => {
  const owner = ownerOf(entry);
  // Layout 1 names data like its snapshot.
  if (owner === undefined || (folder === 'data' && owner.uid === undefined)) return false;
  const record: SnapshotRecord | VolumeRecord | undefined = await (owner.kind === 'volume' ? volumes : snapshots).read(
    owner.name,
  );
  if (record === undefined || (owner.uid !== undefined && record.uid !== owner.uid)) return true;
  if (record.state !== 'ready') return false;
  return folder === 'copies' || !('data' in record) || record.data !== entry;
};
