import { randomBytes } from 'node:crypto';
import { nameCopy } from '../domain/copy.ts';
import type { Settings, VolumeRecord } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import type { Owners } from '../index/owners.ts';
import { type Shelf, type Shelves, volumeIdOf } from '../index/shelf.ts';
import type { Step } from '../system/step.ts';
import type { Copier } from './copier.ts';
import { copyOrigin, findOrigin } from './origin.ts';

export interface FillTools extends Shelves {
  readonly copier: Copier;
  readonly owners: Owners;
  readonly step: Step;
}

/**
 * Makes the directory of a volume from its source: copied under another name, noted in the record, put in place. What
 * an earlier call has done of it is not done again. The owner and the mode are the source's but for what is `explicit`.
 * Returns the record as it is then.
 */
export const fillFromSource = async (
  tools: FillTools,
  shelf: Shelf,
  record: VolumeRecord,
  explicit: Partial<Settings>,
): Promise<VolumeRecord> => {
  const { root } = shelf.pool;
  const copied = record.copy === undefined ? await copyNoted(tools, shelf, record) : record;
  if (copied.copy !== undefined && !isPlaced(copied, await root.listCopies())) await root.place(copied.copy, copied);
  const { mode, uid, gid } = explicit;
  if ((mode ?? uid ?? gid) !== undefined) await root.own(copied, copied.settings);
  return copied;
};

/** The name of the copy is on disk before it is put in place: a directory that is there is known as the volume's then. */
const copyNoted = async (tools: FillTools, shelf: Shelf, record: VolumeRecord): Promise<VolumeRecord> => {
  const { source } = record;
  if (source === undefined) return record;
  const origin = await findOrigin(tools, source);
  const owned = await takeOver(tools, shelf, record);
  const { pool, ledger } = shelf;
  const copy = nameCopy({ kind: 'volume', name: record.name, uid: record.uid }, randomBytes(4).toString('hex'));
  let current = owned;
  await tools.copier.run({
    id: volumeIdOf(shelf, record.name),
    source: source.id,
    pool: pool.name,
    work: async (cancelled) => {
      const done = await tools.owners.work(pool, ledger, owned, cancelled, (signal) =>
        copyOrigin(shelf, origin, { copy, volume: owned }, signal),
      );
      current = done.record;
    },
  });
  const noted = await ledger.replace(current, { ...current, copy });
  tools.step('copy noted');
  return noted;
};

/** Makes this process the one that copies. Throws aborted while another one does. */
const takeOver = async (
  { owners }: FillTools,
  { pool, ledger }: Shelf,
  record: VolumeRecord,
): Promise<VolumeRecord> => {
  if (record.owner === owners.self) return record;
  if (!owners.isAbandoned(pool, record))
    throw new DriverError('aborted', 'another controller is copying the data of this volume');
  return ledger.replace(record, { ...record, owner: owners.self });
};

/** True when the copy that a record names has become the volume directory. */
export const isPlaced = ({ copy }: VolumeRecord, copies: readonly string[]): boolean =>
  copy !== undefined && !copies.includes(copy);
