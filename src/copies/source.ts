import type { CopySource } from '../domain/copy.ts';
import { dataOf } from '../domain/snapshot.ts';
import type { Ownership, VolumeSource } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { findSnapshot, findVolume, type PoolIndex, type PoolIndexes } from '../index/pool-index.ts';
import type { CopyTarget } from '../trees/copies.ts';

/** A volume or a snapshot, as something to copy. */
export interface ResolvedSource {
  readonly index: PoolIndex;
  readonly tree: CopySource;
  readonly capacityBytes: number;
  readonly ownership: Ownership;
  /** Throws aborted when it does not exist any more: what was read of it may not be all of it. */
  readonly requireThere: () => Promise<void>;
}

/** Only what is ready is a source. Throws not-found. */
export const resolveSource = async (indexes: PoolIndexes, source: VolumeSource): Promise<ResolvedSource> => {
  const { tree, record, index, ownership } = await describe(indexes, source);
  return {
    index,
    tree,
    ownership,
    capacityBytes: record.capacityBytes,
    requireThere: async () => {
      // From disk: another controller may have deleted it.
      const now = await describe(indexes, source).catch(() => undefined);
      if (now?.record.uid === record.uid) return;
      throw new DriverError('aborted', `${source.kind} ${quote(source.id)} was deleted while it was copied`);
    },
  };
};

const describe = async (indexes: PoolIndexes, { kind, id }: VolumeSource) => {
  if (kind === 'volume') {
    const { record, ...index } = await findVolume(indexes, id);
    const { mode, uid, gid } = record.settings;
    const tree: CopySource = { kind, root: index.pool.root.path, directory: record.directory };
    return { index, record, tree, ownership: { mode, uid, gid } };
  }
  const { record, ...index } = await findSnapshot(indexes, id);
  const tree: CopySource = { kind, root: index.pool.root.path, data: dataOf(record) };
  return { index, record, tree, ownership: record.ownership };
};

/** Makes a complete copy of a source below the root of `index`. What it leaves when it fails is discarded. */
export const copyResolved = async (
  { pool: { root } }: PoolIndex,
  resolved: ResolvedSource,
  target: CopyTarget,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await root.copy(resolved.tree, target, signal);
    await resolved.requireThere();
  } catch (thrown) {
    await root.dropCopies([target.copy]).catch(() => {
      // The storage does not let us: the sweep finds it.
    });
    throw thrown;
  }
};
