import { formatHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Pool } from '../pools/pool.ts';
import { type Call, type Context, lockKey, type Shelf } from './context.ts';
import { abandonCreate } from './create.ts';
import { finishDelete } from './delete.ts';

/** What a start has brought to an end: volumes that were never finished, and deletions. */
export interface Swept {
  readonly abandoned: number;
  readonly deleted: number;
}

/**
 * Finishes what a crash has left and nobody may ever ask for again. Deletions are finished by whoever comes first;
 * what is young and `creating` may be another controller's, and is left to it.
 */
export const sweepShelf = async (context: Context, shelf: Shelf, call: Call): Promise<Swept> => {
  const oldest = Date.now() - minimumAgeMs(shelf.pool);
  const unfinished = shelf.ledger
    .list()
    .filter(
      ({ state, createdAt }) => state === 'deleting' || (state === 'creating' && Date.parse(createdAt) <= oldest),
    );
  for (const { name } of unfinished) {
    const key = lockKey(formatHandle({ pool: shelf.pool.name, name }));
    await context.locks.run([key], call.signal, () => finish(context, shelf, name));
  }
  context.purger.wake(shelf.pool.name);
  return { abandoned: count(unfinished, 'creating'), deleted: count(unfinished, 'deleting') };
};

/** Milliseconds after which something unfinished is nobody's any more. */
export const minimumAgeMs = ({ reach }: Pool): number => (reach === 'node' ? 0 : 600_000);

const finish = async (context: Context, shelf: Shelf, name: string): Promise<void> => {
  const record = await shelf.ledger.read(name);
  if (record?.state === 'creating') await abandonCreate(shelf, record);
  if (record?.state === 'deleting') await finishDelete(context, shelf, record);
};

const count = (records: readonly VolumeRecord[], state: VolumeRecord['state']): number =>
  records.filter((record) => record.state === state).length;
