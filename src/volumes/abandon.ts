import type { VolumeRecord } from '../domain/volume.ts';
import type { Root } from '../host/root.ts';
import type { Context, Shelf } from './context.ts';
import { discardCopies } from './origin.ts';

/**
 * Takes back a volume that never became ready. Its directory goes while it is empty and was made by us, or when it is
 * a copy of ours.
 */
export const abandonCreate = async (context: Context, { pool, ledger }: Shelf, record: VolumeRecord): Promise<void> => {
  const trashed = record.source !== undefined && (await abandonCopy(pool.root, record));
  if (!trashed) await abandonDirectory(pool.root, record);
  await ledger.remove(record.name);
  context.purger.wake(pool.name);
};

/** True when the copy that a record speaks of has become the volume directory. */
export const isPlaced = async (root: Root, { copy }: VolumeRecord): Promise<boolean> =>
  copy !== undefined && !(await root.listCopies()).includes(copy);

/** True when there was one: what holds it is given back with its data, by the purge. */
const abandonCopy = async (root: Root, record: VolumeRecord): Promise<boolean> => {
  const placed = await isPlaced(root, record);
  if (placed) await root.trash(record);
  return (await discardCopies(root, { kind: 'volume', name: record.name }, record)) || placed;
};

const abandonDirectory = async (root: Root, record: VolumeRecord): Promise<void> => {
  const { directory, adopted, source, limit } = record;
  if (!adopted && source === undefined) await root.removeEmpty(directory);
  if (limit !== undefined) await root.giveBack({ ...record, limit });
};
