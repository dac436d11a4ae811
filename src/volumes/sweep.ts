import { formatHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { type Call, type Context, lockKey, type Shelf } from './context.ts';
import { abandonCreate } from './create.ts';
import { finishDelete } from './delete.ts';

/** What a start has brought to an end: volumes that were never finished, and deletions. */
export interface Swept {
  readonly abandoned: number;
  readonly deleted: number;
}

/**
 * Finishes what a crash has left and nobody may ever ask for again. For a pool of which this process is the only
 * writer: what is being made elsewhere would look the same.
 */
export const sweepShelf = async (context: Context, shelf: Shelf, call: Call): Promise<Swept> => {
  const unfinished = shelf.ledger.list().filter((record) => record.state !== 'ready');
  for (const { name } of unfinished) {
    const key = lockKey(formatHandle({ pool: shelf.pool.name, name }));
    await context.locks.run([key], call.signal, () => finish(context, shelf, name));
  }
  context.purger.wake(shelf.pool.name);
  return { abandoned: count(unfinished, 'creating'), deleted: count(unfinished, 'deleting') };
};

const finish = async (context: Context, shelf: Shelf, name: string): Promise<void> => {
  const record = await shelf.ledger.read(name);
  if (record?.state === 'creating') await abandonCreate(shelf, record);
  if (record?.state === 'deleting') await finishDelete(context, shelf, record);
};

const count = (records: readonly VolumeRecord[], state: VolumeRecord['state']): number =>
  records.filter((record) => record.state === state).length;
