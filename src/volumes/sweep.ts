import { ownerOf } from '../domain/copy.ts';
import type { Pool } from '../pools/pool.ts';
import { abandonCreate } from './abandon.ts';
import { type Call, type Context, lockKey, type Shelf, snapshotLockKey, volumeIdOf } from './context.ts';
import { finishDelete } from './delete.ts';
import { resumeSnapshot } from './snapshot-copy.ts';
import { finishDeleteSnapshot } from './snapshot-delete.ts';

/** What a start has brought to an end: volumes that were never finished, deletions, snapshots that are copied again. */
export interface Swept {
  readonly abandoned: number;
  readonly deleted: number;
  readonly resumed: number;
}

/**
 * Finishes what a crash has left and nobody may ever ask for again. Deletions are finished by whoever comes first;
 * what is young and `creating` may be another controller's, and is left to it.
 */
export const sweepShelf = async (context: Context, shelf: Shelf, call: Call): Promise<Swept> => {
  const oldest = Date.now() - minimumAgeMs(shelf.pool);
  const isLeft = ({ state, createdAt }: Unfinished): boolean =>
    state === 'deleting' || (state !== 'ready' && Date.parse(createdAt) <= oldest);
  const volumes = shelf.ledger.list().filter(isLeft);
  for (const { name } of volumes) {
    await context.locks.run([lockKey(volumeIdOf(shelf, name))], call.signal, () => finish(context, shelf, name));
  }
  const snapshots = shelf.snapshots.list().filter(isLeft);
  for (const { name } of snapshots) {
    await context.locks.run([snapshotLockKey(name)], call.signal, () => finishSnapshot(context, shelf, name));
  }
  await discardStray(shelf);
  context.purger.wake(shelf.pool.name);
  return {
    abandoned: count(volumes, 'creating'),
    deleted: count([...volumes, ...snapshots], 'deleting'),
    resumed: count(snapshots, 'copying'),
  };
};

interface Unfinished {
  readonly state: string;
  readonly createdAt: string;
}

/** Milliseconds after which something unfinished is nobody's any more. */
export const minimumAgeMs = ({ reach }: Pool): number => (reach === 'node' ? 0 : 600_000);

const finish = async (context: Context, shelf: Shelf, name: string): Promise<void> => {
  const record = await shelf.ledger.read(name);
  if (record?.state === 'creating') await abandonCreate(context, shelf, record);
  if (record?.state === 'deleting') await finishDelete(context, shelf, record);
};

const finishSnapshot = async (context: Context, shelf: Shelf, name: string): Promise<void> => {
  const record = await shelf.snapshots.read(name);
  if (record?.state === 'copying') await resumeSnapshot(context, shelf, record);
  if (record?.state === 'deleting') await finishDeleteSnapshot(context, shelf, record);
};

/** Copies whose record has gone; those of what is being made are its maker's. */
const discardStray = async ({ pool: { root }, ledger, snapshots }: Shelf): Promise<void> => {
  for (const copy of await root.listCopies()) {
    const { kind, name } = ownerOf(copy) ?? {};
    const record = name === undefined ? undefined : await (kind === 'volume' ? ledger : snapshots).read(name);
    if (record?.state !== 'creating' && record?.state !== 'copying') await root.discardCopies([copy]);
  }
};

const count = (records: readonly Unfinished[], state: string): number =>
  records.filter((record) => record.state === state).length;
