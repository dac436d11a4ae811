import { parseHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { describeClosed, type PoolIndex } from '../index/pool-index.ts';
import type { Location } from '../requests/attributes.ts';
import { isDirectory } from '../system/mount-point.ts';
import type { MountEntry, MountTable } from '../system/mountinfo.ts';
import type { Context } from '../volumes/context.ts';

/** What these operations use of the context. */
export type MatchContext = Pick<Context, 'indexes' | 'readMounts'>;

// The CSI spec lets nobody mix volumes up: volume_context MUST match volume_id, and so must what is mounted at a path.

/**
 * Refuses the volume_context of another volume. What CreateVolume returns names its volume, which a node without records
 * can check; the directory is compared where the records are known. An id that an admin has chosen for a static PV, which
 * has no slash, matches every context. Throws invalid-argument.
 */
export const requireOwnContext = async (context: MatchContext, volumeId: string, location: Location): Promise<void> => {
  const handle = parseHandle(volumeId);
  if (location.volume !== undefined && location.volume !== handle?.name) throw mismatch(volumeId);
  if (handle === undefined) return;
  if (location.pool !== undefined && location.pool !== handle.pool) throw mismatch(volumeId);
  const record = await findRecord(context, volumeId);
  if (record !== undefined && record.directory !== location.directory) throw mismatch(volumeId);
};

/** Throws not-found unless the volume of this id is what is mounted at a path, as far as the records tell. */
export const requireMountOf = async (
  context: MatchContext,
  volumeId: string,
  entry: MountEntry,
  table: MountTable,
): Promise<void> => {
  const handle = parseHandle(volumeId);
  const index = handle === undefined ? undefined : context.indexes.get(handle.pool);
  const isOther =
    index === undefined
      ? [...context.indexes.values()].some((each) => showsAnother(each, volumeId, entry, table))
      : isOpen(index) && !shows(index, await findRecord(context, volumeId), entry, table);
  if (isOther) throw notMounted(volumeId);
};

/**
 * Throws not-found unless the volume of this id is in use at a path: mounted there, or staged where staging mounts
 * nothing, because the node has mounted what the volume lies on.
 */
export const requireUsedAt = async (
  context: MatchContext,
  volumeId: string,
  path: string,
  { stagingPath }: { readonly stagingPath: string | undefined },
): Promise<void> => {
  const table = await context.readMounts();
  const entry = table.at(path);
  if (entry !== undefined) return requireMountOf(context, volumeId, entry, table);
  if (path === stagingPath && (await isDirectory(path))) return;
  throw notMounted(volumeId);
};

const findRecord = async ({ indexes }: MatchContext, volumeId: string): Promise<VolumeRecord | undefined> => {
  const handle = parseHandle(volumeId);
  const index = handle === undefined ? undefined : indexes.get(handle.pool);
  if (handle === undefined || index === undefined || !isOpen(index)) return undefined;
  const { pool, volumes } = index;
  // A node must not wait for the storage of a shared pool.
  return pool.reach === 'node' ? volumes.read(handle.name) : volumes.get(handle.name);
};

const isOpen = (index: PoolIndex): boolean => describeClosed(index) === undefined;

const shows = ({ pool }: PoolIndex, record: VolumeRecord | undefined, entry: MountEntry, table: MountTable): boolean =>
  record !== undefined && pool.isShownBy(entry, record.directory, table);

/** True for a volume that has an id of this driver. An inline volume has the id that its record is named after. */
const showsAnother = (index: PoolIndex, volumeId: string, entry: MountEntry, table: MountTable): boolean =>
  isOpen(index) &&
  index.volumes.list().some((record) => record.requestedName !== volumeId && shows(index, record, entry, table));

/** For a path where nothing is mounted, or another volume. */
export const notMounted = (volumeId: string): DriverError =>
  new DriverError('not-found', `volume_path: volume ${quote(volumeId)} is not mounted there`);

const mismatch = (volumeId: string): DriverError =>
  new DriverError('invalid-argument', `volume_context: it does not belong to volume_id ${quote(volumeId)}`);
