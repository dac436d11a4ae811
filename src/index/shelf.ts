import { formatHandle, formatSnapshotHandle, type Handle, parseHandle, parseSnapshotHandle } from '../domain/handle.ts';
import { isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { Pool } from '../pools/pool.ts';
import type { Catalog } from './catalog.ts';
import type { Ledger } from './ledger.ts';
import type { Openness } from './openness.ts';

/** A pool with its records. */
export interface Shelf {
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly snapshots: Catalog<SnapshotRecord>;
  readonly openness: Openness;
}

/** The pools of a driver, by name. */
export interface Shelves {
  readonly shelves: ReadonlyMap<string, Shelf>;
}

/**
 * All pools, for calls that concern every one of them. Throws unavailable while any is not open: what is in it is not
 * known, so nothing may be reported as complete, or as missing.
 */
export const requireOpen = ({ shelves }: Shelves): readonly Shelf[] => {
  const all = [...shelves.values()];
  const problems = all.flatMap((shelf) => describeClosed(shelf) ?? []);
  if (problems.length > 0) throw new DriverError('unavailable', problems.join('; '));
  return all;
};

/** Why a pool is not open, with its name; undefined while it is. */
export const describeClosed = ({ pool, openness }: Shelf): string | undefined => {
  const problem = openness.problem();
  return problem === undefined ? undefined : `pool ${pool.name} is not open: ${problem}`;
};

/** The pool that a request means, the named one or the only one. Throws unavailable while it is not open. */
export const pickShelf = (shelves: Shelves, name: string | undefined, field: string): Shelf =>
  openOne(findPool(shelves, name, field));

/** The same where the records do not matter: a node mounts what it is told. */
export const findPool = ({ shelves }: Shelves, name: string | undefined, field: string): Shelf => {
  const names = [...shelves.keys()];
  const picked = name ?? (names.length === 1 ? names[0] : undefined);
  const shelf = picked === undefined ? undefined : shelves.get(picked);
  if (shelf !== undefined) return shelf;
  const got = name === undefined ? 'none' : quote(name);
  throw new DriverError('invalid-argument', `${field}: expected one of the pools ${names.join(', ')}, got ${got}`);
};

/** The pool of a volume id, or undefined for an id that is not ours. Throws for a pool that is not configured. */
export const findShelf = (shelves: Shelves, volumeId: string): LocatedShelf | undefined =>
  locate(shelves, parseHandle(volumeId), `volume ${quote(volumeId)}`);

/** The same for a snapshot id. */
export const findSnapshotShelf = (shelves: Shelves, snapshotId: string): LocatedShelf | undefined =>
  locate(shelves, parseSnapshotHandle(snapshotId), `snapshot ${quote(snapshotId)}`);

export interface LocatedShelf extends Shelf {
  readonly handle: Handle;
}

/** The ready volume of an id. Throws not-found. */
export const findVolume = async (
  shelves: Shelves,
  volumeId: string,
): Promise<Shelf & { readonly record: VolumeRecord }> => {
  const shelf = findShelf(shelves, volumeId);
  const record = await shelf?.ledger.read(shelf.handle.name);
  if (shelf === undefined || record?.state !== 'ready') throw volumeNotFound(volumeId);
  return { ...shelf, record };
};

export const volumeNotFound = (volumeId: string): DriverError =>
  new DriverError('not-found', `volume ${quote(volumeId)} does not exist`);

/** The ready snapshot of an id. Throws not-found. */
export const findSnapshot = async (
  shelves: Shelves,
  snapshotId: string,
): Promise<Shelf & { readonly record: SnapshotRecord }> => {
  const shelf = findSnapshotShelf(shelves, snapshotId);
  const record = await shelf?.snapshots.read(shelf.handle.name);
  if (shelf === undefined || record === undefined || !isReported(record)) throw snapshotNotFound(snapshotId);
  return { ...shelf, record };
};

export const snapshotNotFound = (snapshotId: string): DriverError =>
  new DriverError('not-found', `snapshot ${quote(snapshotId)} does not exist`);

export const volumeIdOf = ({ pool }: Shelf, name: string): string => formatHandle({ pool: pool.name, name });

export const snapshotIdOf = ({ pool }: Shelf, name: string): string => formatSnapshotHandle({ pool: pool.name, name });

/** One key for all that happens to a volume, whichever service asks. */
export const lockKey = (volumeId: string): string => `volume ${parseHandle(volumeId)?.name ?? volumeId}`;

/** The same for snapshots, whose names are one set for all pools too. */
export const snapshotLockKey = (name: string): string => `snapshot ${name}`;

const locate = ({ shelves }: Shelves, handle: Handle | undefined, what: string): LocatedShelf | undefined => {
  if (handle === undefined) return undefined;
  const shelf = shelves.get(handle.pool);
  if (shelf !== undefined) return { ...openOne(shelf), handle };
  throw new DriverError('not-found', `${what}: there is no pool ${quote(handle.pool)} in the configuration`);
};

const openOne = (shelf: Shelf): Shelf => {
  const problem = describeClosed(shelf);
  if (problem === undefined) return shelf;
  throw new DriverError('unavailable', problem);
};
