import { DriverError, isCausedBy, quote } from '../errors/errors.ts';
import { findPool, lockKey } from '../index/pool-index.ts';
import type { Pool } from '../pools/pool.ts';
import type { Location } from '../requests/attributes.ts';
import { sortMountOptions } from '../requests/mount-options.ts';
import { makeMountPoint } from '../system/mount-point.ts';
import { isNfs, type MountEntry, type MountTable } from '../system/mountinfo.ts';
import type { Call } from '../volumes/context.ts';
import type { NodeContext } from './context.ts';

/** What these operations use of the context. */
export type StageContext = Pick<NodeContext, 'indexes' | 'locks' | 'readMounts' | 'step' | 'mounter'>;

export interface StageCommand {
  readonly volumeId: string;
  readonly location: Location;
  readonly stagingPath: string;
  readonly mountOptions: readonly string[];
}

/**
 * Puts the volume directory at its staging path. There already: fine. Something else there: already-exists. Where a node
 * has mounted what the volume lies on: looks whether it is there (docs/adr/0030-a-path-is-not-staged.md).
 */
export const stageVolume = (context: StageContext, command: StageCommand, call: Call): Promise<void> => {
  const { stagingPath, location } = command;
  const { pool } = findPool(context, location.pool, 'volume_context.pool');
  const options = sortMountOptions(command.mountOptions, pool.mountOptionKind, 'volume_capability.mount.mount_flags');
  return context.locks.run([lockKey(command.volumeId), stagingPath], call.signal, async () => {
    const table = await context.readMounts();
    const there = table.at(stagingPath);
    if (there !== undefined && pool.isShownBy(there, location.directory, table)) {
      return keepAlive(pool, command, options.fileSystem);
    }
    if (there !== undefined) await makeWay(context, pool, table, there);
    await makeMountPoint(stagingPath);
    context.step('staging path made');
    if (pool.mounting === undefined) await pool.root.identify(location.directory);
    else await pool.mounting.attach(location.directory, stagingPath, options.fileSystem);
  });
};

/** Takes the volume from its staging path. The directory itself is the caller's, who made it. */
export const unstageVolume = (
  context: StageContext,
  volumeId: string,
  stagingPath: string,
  call: Call,
): Promise<void> =>
  context.locks.run([lockKey(volumeId), stagingPath], call.signal, () => context.mounter.unmount(stagingPath));

/** A stale mount is replaced. Throws where the server is silent, and leaves the mount: its data may be on the way. */
export const keepAlive = async (
  pool: Pool,
  { location, stagingPath }: Pick<StageCommand, 'location' | 'stagingPath'>,
  options: readonly string[],
): Promise<void> => {
  if (pool.mounting === undefined) return;
  try {
    await pool.measure(stagingPath);
  } catch (thrown) {
    if (!isCausedBy(thrown, 'ESTALE')) throw thrown;
    await pool.mounting.reattach(location.directory, stagingPath, options);
  }
};

/**
 * A pool that points at another server since the volume was staged: the kubelet does not stage it again where the pool
 * has moved before it has unstaged. Pods that use the volume on this node keep what they have, and the next shares it.
 * Answers the mount table as it is then.
 */
export const followPool = async (
  context: StageContext,
  pool: Pool,
  { location, stagingPath }: Pick<StageCommand, 'location' | 'stagingPath'>,
  options: readonly string[],
): Promise<MountTable> => {
  const table = await context.readMounts();
  const staged = table.at(stagingPath);
  if (staged === undefined || pool.mounting === undefined || !isNfs(staged)) return table;
  if (pool.isShownBy(staged, location.directory, table) || table.mountsOf(staged).length > 1) return table;
  await pool.mounting.reattach(location.directory, stagingPath, options);
  return context.readMounts();
};

/** A pool that points at another server now: what nobody uses any more gives way, what a pod uses does not. */
const makeWay = async (context: StageContext, pool: Pool, table: MountTable, there: MountEntry): Promise<void> => {
  const { mountPoint } = there;
  if (pool.mounting === undefined || !isNfs(there)) {
    throw new DriverError('already-exists', `staging_target_path: something else is mounted at ${quote(mountPoint)}`);
  }
  if (table.mountsOf(there).length > 1) {
    throw new DriverError(
      'failed-precondition',
      `pods on this node still use the volume at ${there.source}: end them first`,
    );
  }
  await context.mounter.unmount(mountPoint);
};
