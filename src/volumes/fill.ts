import type { Settings, VolumeRecord } from '../domain/volume.ts';
import { isPlaced } from './abandon.ts';
import { type Context, type Shelf, volumeIdOf } from './context.ts';
import { copyAside, findOrigin } from './origin.ts';

/**
 * Makes the directory of a volume from its source: copied aside, noted in the record, put in place. What an earlier
 * call has done of it is not done again. The owner and the mode are the source's but for what is `explicit`.
 */
export const fillFromSource = async (
  context: Context,
  shelf: Shelf,
  record: VolumeRecord,
  explicit: Partial<Settings>,
): Promise<void> => {
  const { root } = shelf.pool;
  const copied = record.copy === undefined ? await copyNoted(context, shelf, record) : record;
  if (copied.copy !== undefined && !(await isPlaced(root, copied))) await root.place(copied.copy, record.directory);
  const { mode, uid, gid } = explicit;
  if ((mode ?? uid ?? gid) !== undefined) await root.own(record.directory, record.settings);
};

/** The name of the copy is on disk before it is put in place: a directory that is there is known to be ours then. */
const copyNoted = async (context: Context, shelf: Shelf, record: VolumeRecord): Promise<VolumeRecord> => {
  const { source } = record;
  if (source === undefined) return record;
  const origin = await findOrigin(context, source);
  let copied = record;
  await context.copier.run({
    id: volumeIdOf(shelf, record.name),
    source: source.id,
    pool: shelf.pool.name,
    work: async (signal) => {
      const { name } = await copyAside(shelf, origin, { kind: 'volume', name: record.name, volume: record }, signal);
      copied = { ...record, copy: name };
    },
  });
  await shelf.ledger.replace(copied);
  context.step('copy noted');
  return copied;
};
