import type { CopySource } from '../domain/copy.ts';
import { dataOf } from '../domain/snapshot.ts';
import type { Ownership, VolumeSource } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { findSnapshot, findVolume, type Shelf, type Shelves } from '../index/shelf.ts';
import type { CopyTarget } from '../trees/copies.ts';

/** A volume or a snapshot, as something to copy. */
export interface Origin {
  readonly shelf: Shelf;
  readonly tree: CopySource;
  readonly capacityBytes: number;
  readonly ownership: Ownership;
  /** Throws aborted when it does not exist any more: what was read of it may not be all of it. */
  readonly requireThere: () => Promise<void>;
}

/** Only what is ready is a source. Throws not-found. */
export const findOrigin = async (shelves: Shelves, source: VolumeSource): Promise<Origin> => {
  const { tree, record, shelf, ownership } = await describe(shelves, source);
  return {
    shelf,
    tree,
    ownership,
    capacityBytes: record.capacityBytes,
    requireThere: async () => {
      // From disk: another controller may have deleted it.
      const now = await describe(shelves, source).catch(() => undefined);
      if (now?.record.uid === record.uid) return;
      throw new DriverError('aborted', `${source.kind} ${quote(source.id)} was deleted while it was copied`);
    },
  };
};

const describe = async (shelves: Shelves, { kind, id }: VolumeSource) => {
  if (kind === 'volume') {
    const { record, ...shelf } = await findVolume(shelves, id);
    const { mode, uid, gid } = record.settings;
    const tree: CopySource = { kind, root: shelf.pool.root.path, directory: record.directory };
    return { shelf, record, tree, ownership: { mode, uid, gid } };
  }
  const { record, ...shelf } = await findSnapshot(shelves, id);
  const tree: CopySource = { kind, root: shelf.pool.root.path, data: dataOf(record) };
  return { shelf, record, tree, ownership: record.ownership };
};

/** Makes a complete copy of an origin below the root of `shelf`. What it leaves when it fails is discarded. */
export const copyOrigin = async (
  { pool: { root } }: Shelf,
  origin: Origin,
  target: CopyTarget,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await root.copy(origin.tree, target, signal);
    await origin.requireThere();
  } catch (thrown) {
    await root.discardCopies([target.copy]).catch(() => {
      // The storage does not let us: the sweep finds it.
    });
    throw thrown;
  }
};
