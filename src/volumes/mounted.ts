import { join } from 'node:path';
import { isBelow } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import { isWithin, sameDirectory } from '../system/mountinfo.ts';
import type { Context } from './context.ts';

/** What these operations use of the context. */
export type MountedContext = Pick<Context, 'readMounts'>;

/**
 * Refuses to delete a volume that is in use on this node (CSI spec, DeleteVolume: FAILED_PRECONDITION). A driver whose
 * volumes belong to its node sees every mount of them in its own mount table; another one does not.
 */
export const refuseMounted = async (
  context: MountedContext,
  { pool }: PoolIndex,
  record: VolumeRecord,
): Promise<void> => {
  if (pool.reach !== 'node') return;
  const table = await context.readMounts();
  const expected = table.identify(join(pool.root.path, record.directory));
  if (expected === undefined) return;
  const mount = table
    .onDevice(expected.device)
    .find(
      (entry) =>
        (sameDirectory(entry, expected) || isWithin(expected, entry)) &&
        !isBelow(pool.root.path, entry.mountPoint) &&
        entry.mountPoint !== pool.root.path,
    );
  if (mount === undefined) return;
  throw new DriverError('failed-precondition', `the volume is mounted on this node, at ${quote(mount.mountPoint)}`);
};
