import { randomBytes } from 'node:crypto';
import { nameCopy } from '../domain/copy.ts';
import type { Settings, VolumeRecord } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import { type Context, type Shelf, volumeIdOf } from '../volumes/context.ts';
import { isPlaced } from '../volumes/delete.ts';
import { copyOrigin, findOrigin } from './origin.ts';

/**
 * Makes the directory of a volume from its source: copied under another name, noted in the record, put in place. What
 * an earlier call has done of it is not done again. The owner and the mode are the source's but for what is `explicit`.
 * Returns the record as it is then.
 */
export const fillFromSource = async (
  context: Context,
  shelf: Shelf,
  record: VolumeRecord,
  explicit: Partial<Settings>,
): Promise<VolumeRecord> => {
  const { root } = shelf.pool;
  const copied = record.copy === undefined ? await copyNoted(context, shelf, record) : record;
  if (copied.copy !== undefined && !isPlaced(copied, await root.listCopies())) await root.place(copied.copy, copied);
  const { mode, uid, gid } = explicit;
  if ((mode ?? uid ?? gid) !== undefined) await root.own(copied, copied.settings);
  return copied;
};

/** The name of the copy is on disk before it is put in place: a directory that is there is known as the volume's then. */
const copyNoted = async (context: Context, shelf: Shelf, record: VolumeRecord): Promise<VolumeRecord> => {
  const { source } = record;
  if (source === undefined) return record;
  const origin = await findOrigin(context, source);
  const owned = await takeOver(context, shelf, record);
  const { pool, ledger } = shelf;
  const copy = nameCopy({ kind: 'volume', name: record.name, uid: record.uid }, randomBytes(4).toString('hex'));
  let current = owned;
  await context.copier.run({
    id: volumeIdOf(shelf, record.name),
    source: source.id,
    pool: pool.name,
    work: async (cancelled) => {
      const done = await context.owners.work(pool, ledger, owned, cancelled, (signal) =>
        copyOrigin(shelf, origin, { copy, volume: owned }, signal),
      );
      current = done.record;
    },
  });
  const noted = await ledger.replace(current, { ...current, copy });
  context.step('copy noted');
  return noted;
};

/** Makes this process the one that copies. Throws aborted while another one does. */
const takeOver = async (context: Context, { pool, ledger }: Shelf, record: VolumeRecord): Promise<VolumeRecord> => {
  const { owners } = context;
  if (record.owner === owners.self) return record;
  if (!owners.isAbandoned(pool, record))
    throw new DriverError('aborted', 'another controller is copying the data of this volume');
  return ledger.replace(record, { ...record, owner: owners.self });
};
