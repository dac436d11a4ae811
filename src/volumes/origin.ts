import { type CopyOwner, type CopySource, ownerOf } from '../domain/copy.ts';
import { DriverError, quote } from '../domain/errors.ts';
import type { Ownership, VolumeSource } from '../domain/volume.ts';
import type { Copy, CopyTarget } from '../host/copies.ts';
import type { Root } from '../host/root.ts';
import type { TrashedVolume } from '../host/trash.ts';
import { type Context, findSnapshot, findVolume, type Shelf } from './context.ts';

/** A volume or a snapshot, as something to copy. */
export interface Origin {
  readonly shelf: Shelf;
  readonly tree: CopySource;
  readonly capacityBytes: number;
  readonly ownership: Ownership;
  /** Throws aborted when it is not there any more as it was: what was read of it may not be all of it. */
  readonly requireThere: () => Promise<void>;
}

/** Only what is ready is a source. Throws not-found. */
export const findOrigin = async (context: Context, source: VolumeSource): Promise<Origin> => {
  const { tree, record, shelf, ownership } = await describe(context, source);
  return {
    shelf,
    tree,
    ownership,
    capacityBytes: record.capacityBytes,
    requireThere: async () => {
      // From disk: another controller may have deleted it.
      const now = await describe(context, source).catch(() => undefined);
      if (now?.record.createdAt === record.createdAt) return;
      throw new DriverError('aborted', `${source.kind} ${quote(source.id)} was deleted while it was copied`);
    },
  };
};

const describe = async (context: Context, { kind, id }: VolumeSource) => {
  if (kind === 'volume') {
    const { record, ...shelf } = await findVolume(context, id);
    const { mode, uid, gid } = record.settings;
    const tree: CopySource = { kind, root: shelf.pool.root.path, directory: record.directory };
    return { shelf, record, tree, ownership: { mode, uid, gid } };
  }
  const { record, ...shelf } = await findSnapshot(context, id);
  const tree: CopySource = { kind, root: shelf.pool.root.path, name: record.name };
  return { shelf, record, tree, ownership: record.ownership };
};

/**
 * Makes a whole copy of an origin below the root of `shelf`, aside. What earlier attempts for the same owner have left
 * goes first; what this one leaves when it fails goes then.
 */
export const copyAside = async (
  { pool: { root } }: Shelf,
  origin: Origin,
  owner: CopyTarget,
  signal: AbortSignal,
): Promise<Copy> => {
  await discardCopies(root, owner);
  try {
    const copy = await root.copy(origin.tree, owner, signal);
    await origin.requireThere();
    return copy;
  } catch (thrown) {
    await discardCopies(root, owner).catch(() => {
      // The storage does not let us; who copies next, or the next start, finds it.
    });
    throw thrown;
  }
};

/**
 * Moves every copy made for an owner to the trash; with the `volume` it was for, what holds that is given back with
 * it. False when there was none.
 */
export const discardCopies = async (root: Root, owner: CopyOwner, volume?: TrashedVolume): Promise<boolean> => {
  const copies = (await root.listCopies()).filter((copy) => isFor(copy, owner));
  await root.discardCopies(copies, volume);
  return copies.length > 0;
};

const isFor = (copy: string, { kind, name }: CopyOwner): boolean => {
  const owner = ownerOf(copy);
  return owner?.kind === kind && owner.name === name;
};
