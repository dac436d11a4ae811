import type { VolumeRecord } from '../domain/volume.ts';
import type { Root } from '../host/root.ts';
import type { Context, Shelf } from './context.ts';
import { discardCopies } from './origin.ts';

/**
 * Takes back a volume that never became ready. Its directory goes while it is empty and was made by us, or when it is
 * a copy of ours.
 */
export const abandonCreate = async (context: Context, { pool, ledger }: Shelf, record: VolumeRecord): Promise<void> => {
  const { root } = pool;
  if (record.source !== undefined) {
    if (await isPlaced(root, record)) await root.trash(record.directory, record.name);
    await discardCopies(root, { kind: 'volume', name: record.name });
    context.purger.wake(pool.name);
  } else if (!record.adopted) await root.removeEmpty(record.directory);
  await ledger.remove(record.name);
};

/** True when the copy that a record speaks of has become the volume directory. */
export const isPlaced = async (root: Root, { copy }: VolumeRecord): Promise<boolean> =>
  copy !== undefined && !(await root.listCopies()).includes(copy);
