import { randomBytes } from 'node:crypto';
import { nameCopy } from '../domain/copy.ts';
import type { Settings, VolumeRecord } from '../domain/volume.ts';
import type { Owners } from '../index/owners.ts';
import { type PoolIndex, type PoolIndexes, volumeIdOf } from '../index/pool-index.ts';
import type { Step } from '../system/step.ts';
import type { Copier } from './copier.ts';
import { copyResolved, resolveSource } from './source.ts';

export interface PopulateTools extends PoolIndexes {
  readonly copier: Copier;
  readonly owners: Owners;
  readonly step: Step;
}

/**
 * Makes the directory of a volume from its source: copied under another name, noted in the record, put in place. What
 * an earlier call has done of it is not done again. The owner and the mode are the source's but for what is `explicit`.
 * Returns the record as it is then.
 */
export const populateFromSource = async (
  tools: PopulateTools,
  index: PoolIndex,
  record: VolumeRecord,
  explicit: Partial<Settings>,
): Promise<VolumeRecord> => {
  const { root } = index.pool;
  const copied = record.copy === undefined ? await copyNoted(tools, index, record) : record;
  if (copied.copy !== undefined && !isCommitted(copied, await root.listCopies()))
    await root.commitCopy(copied.copy, copied);
  const { mode, uid, gid } = explicit;
  if ((mode ?? uid ?? gid) !== undefined) await root.own(copied, copied.settings);
  return copied;
};

/** The name of the copy is on disk before it is put in place: a directory that is there is known as the volume's then. */
const copyNoted = async (tools: PopulateTools, index: PoolIndex, record: VolumeRecord): Promise<VolumeRecord> => {
  const { source } = record;
  if (source === undefined) return record;
  const resolved = await resolveSource(tools, source);
  const { pool, volumes } = index;
  const busy = 'another controller is copying the data of this volume';
  const owned = await tools.owners.takeOver(pool, volumes, record, busy);
  const copy = nameCopy({ kind: 'volume', name: record.name, uid: record.uid }, randomBytes(4).toString('hex'));
  let current = owned;
  await tools.copier.run({
    id: volumeIdOf(index, record.name),
    source: source.id,
    pool: pool.name,
    work: async (cancelled) => {
      const done = await tools.owners.work(pool, volumes, owned, cancelled, (signal) =>
        copyResolved(index, resolved, { copy, volume: owned }, signal),
      );
      current = done.record;
    },
  });
  const noted = await volumes.replace(current, { ...current, copy });
  tools.step('copy noted');
  return noted;
};

/** True when the copy that a record names has become the volume directory. */
export const isCommitted = ({ copy }: VolumeRecord, copies: readonly string[]): boolean =>
  copy !== undefined && !copies.includes(copy);
