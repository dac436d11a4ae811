import { type CapacityRange, chooseExpansion } from '../domain/capacity.ts';
import { type Call, type Context, findVolume, lockKey } from './context.ts';
import { holdVolume } from './hold.ts';

/** Raises a volume's size to what is required, at once and in use. The answer is its size, in bytes. */
export const expandVolume = (context: Context, volumeId: string, range: CapacityRange, call: Call): Promise<number> =>
  context.locks.run([lockKey(volumeId)], call.signal, async () => {
    const { pool, ledger, record } = await findVolume(context, volumeId);
    const capacityBytes = chooseExpansion(record.capacityBytes, range);
    if (capacityBytes !== record.capacityBytes) {
      context.step('expansion chosen');
      await ledger.replace({ ...record, capacityBytes });
    }
    // Always: a crash may have left the limit behind.
    await holdVolume(pool, { ...record, capacityBytes });
    return capacityBytes;
  });
