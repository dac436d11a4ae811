import { formatHandle, nameRecord } from '../domain/handle.ts';
import type { Directory } from '../domain/paths.ts';
import { firstVersion } from '../domain/version.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import { type VolumeView, viewVolume } from './create.ts';

export interface AdoptCommand {
  readonly directory: Directory;
  readonly capacityBytes: number;
  /** False: only say what would be done. */
  readonly write: boolean;
}

/**
 * Makes a directory that exists into a volume: a record, and nothing else is touched. Its data outlives the volume
 * unless somebody changes `onDelete`. Throws not-found, already-exists for what is a volume already.
 */
export const adoptDirectory = async (index: PoolIndex, command: AdoptCommand): Promise<VolumeView> => {
  const { pool, volumes } = index;
  const { directory, capacityBytes, write } = command;
  const kind = await pool.root.kindOf(directory);
  if (kind === 'missing') throw new DriverError('not-found', `${quote(directory)} does not exist in pool ${pool.name}`);
  if (kind === 'other') throw new DriverError('failed-precondition', `${quote(directory)} is a link or a file`);
  if (kind === 'elsewhere')
    throw new DriverError('failed-precondition', `${quote(directory)} lies on another file system than its pool`);
  const record: VolumeRecord = {
    ...firstVersion(),
    name: nameRecord(directory.replaceAll('/', '-')),
    requestedName: directory,
    directory,
    capacityBytes,
    state: 'ready',
    parameters: {},
    settings: { ...pool.defaults.settings, onDelete: 'retain' },
    adopted: true,
    inode: await pool.root.fingerprint(directory),
    createdAt: new Date().toISOString(),
  };
  if (volumes.get(record.name) !== undefined) {
    throw new DriverError(
      'already-exists',
      `${formatHandle({ pool: pool.name, name: record.name })} is a volume already`,
    );
  }
  volumes.requireRoom(record);
  if (write && !(await volumes.create(record)))
    throw new DriverError('aborted', 'somebody else has just made this volume');
  return viewVolume(index, record);
};
