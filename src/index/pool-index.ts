import { formatHandle, formatSnapshotHandle, type Handle, parseHandle, parseSnapshotHandle } from '../domain/handle.ts';
import { isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { Pool } from '../pools/pool.ts';
import type { Openness } from './openness.ts';
import type { RecordIndex } from './record-index.ts';
import type { VolumeIndex } from './volume-index.ts';

/** A pool with its records. */
export interface PoolIndex {
  readonly pool: Pool;
  readonly volumes: VolumeIndex;
  readonly snapshots: RecordIndex<SnapshotRecord>;
  readonly openness: Openness;
}

/** The pools of a driver, by name. */
export interface PoolIndexes {
  readonly indexes: ReadonlyMap<string, PoolIndex>;
}

/**
 * All pools, for calls that concern every one of them. Throws unavailable while any is not open: what is in it is not
 * known, so nothing may be reported as complete, or as missing.
 */
export const requireOpen = ({ indexes }: PoolIndexes): readonly PoolIndex[] => {
  const all = [...indexes.values()];
  const problems = all.flatMap((index) => describeClosed(index) ?? []);
  if (problems.length > 0) throw new DriverError('unavailable', problems.join('; '));
  return all;
};

/** Why a pool is not open, with its name; undefined while it is. */
export const describeClosed = ({ pool, openness }: PoolIndex): string | undefined => {
  const problem = openness.problem();
  return problem === undefined ? undefined : `pool ${pool.name} is not open: ${problem}`;
};

/** The pool that a request means, the named one or the only one. Throws unavailable while it is not open. */
export const pickPool = (indexes: PoolIndexes, name: string | undefined, field: string): PoolIndex =>
  openOne(findPool(indexes, name, field));

/** The same where the records do not matter: a node mounts what it is told. */
export const findPool = ({ indexes }: PoolIndexes, name: string | undefined, field: string): PoolIndex => {
  const names = [...indexes.keys()];
  const picked = name ?? (names.length === 1 ? names[0] : undefined);
  const index = picked === undefined ? undefined : indexes.get(picked);
  if (index !== undefined) return index;
  const got = name === undefined ? 'none' : quote(name);
  throw new DriverError('invalid-argument', `${field}: expected one of the pools ${names.join(', ')}, got ${got}`);
};

/** The pool of a volume id, or undefined for an id that is not ours. Throws for a pool that is not configured. */
export const findPoolOf = (indexes: PoolIndexes, volumeId: string): LocatedPool | undefined =>
  locate(indexes, parseHandle(volumeId), `volume ${quote(volumeId)}`);

/** The same for a snapshot id. */
export const findPoolOfSnapshot = (indexes: PoolIndexes, snapshotId: string): LocatedPool | undefined =>
  locate(indexes, parseSnapshotHandle(snapshotId), `snapshot ${quote(snapshotId)}`);

export interface LocatedPool extends PoolIndex {
  readonly handle: Handle;
}

/** The ready volume of an id. Throws not-found. */
export const findVolume = async (
  indexes: PoolIndexes,
  volumeId: string,
): Promise<PoolIndex & { readonly record: VolumeRecord }> => {
  const index = findPoolOf(indexes, volumeId);
  const record = await index?.volumes.read(index.handle.name);
  if (index === undefined || record?.state !== 'ready') throw volumeNotFound(volumeId);
  return { ...index, record };
};

export const volumeNotFound = (volumeId: string): DriverError =>
  new DriverError('not-found', `volume ${quote(volumeId)} does not exist`);

/** The ready snapshot of an id. Throws not-found. */
export const findSnapshot = async (
  indexes: PoolIndexes,
  snapshotId: string,
): Promise<PoolIndex & { readonly record: SnapshotRecord }> => {
  const index = findPoolOfSnapshot(indexes, snapshotId);
  const record = await index?.snapshots.read(index.handle.name);
  if (index === undefined || record === undefined || !isReported(record)) throw snapshotNotFound(snapshotId);
  return { ...index, record };
};

export const snapshotNotFound = (snapshotId: string): DriverError =>
  new DriverError('not-found', `snapshot ${quote(snapshotId)} does not exist`);

export const volumeIdOf = ({ pool }: PoolIndex, name: string): string => formatHandle({ pool: pool.name, name });

export const snapshotIdOf = ({ pool }: PoolIndex, name: string): string =>
  formatSnapshotHandle({ pool: pool.name, name });

/** One key for all that happens to a volume, whichever service asks. */
export const lockKey = (volumeId: string): string => `volume ${parseHandle(volumeId)?.name ?? volumeId}`;

/** The same for snapshots, whose names are one set for all pools too. */
export const snapshotLockKey = (name: string): string => `snapshot ${name}`;

const locate = ({ indexes }: PoolIndexes, handle: Handle | undefined, what: string): LocatedPool | undefined => {
  if (handle === undefined) return undefined;
  const index = indexes.get(handle.pool);
  if (index !== undefined) return { ...openOne(index), handle };
  throw new DriverError('not-found', `${what}: there is no pool ${quote(handle.pool)} in the configuration`);
};

const openOne = (index: PoolIndex): PoolIndex => {
  const problem = describeClosed(index);
  if (problem === undefined) return index;
  throw new DriverError('unavailable', problem);
};
