import { join } from 'node:path';
import { DriverError, quote } from '../errors/errors.ts';
import { findPool, lockKey } from '../index/pool-index.ts';
import type { Pool } from '../pools/pool.ts';
import type { Location } from '../requests/attributes.ts';
import { isReaderOnly, type VolumeCapability } from '../requests/capability.ts';
import { sortMountOptions } from '../requests/mount-options.ts';
import { makeMountPoint, removeMountPoint } from '../system/mount-point.ts';
import { type MountEntry, type MountTable, sameDirectory } from '../system/mountinfo.ts';
import type { Call } from '../volumes/context.ts';
import { followPool, keepAlive, type StageContext } from './stage.ts';

export interface PublishCommand {
  readonly volumeId: string;
  readonly location: Location;
  readonly stagingPath: string;
  readonly targetPath: string;
  readonly capability: VolumeCapability;
  readonly readOnly: boolean;
}

/** Binds the staged volume at a pod's target. The mount table alone says what is there: a restart forgets nothing. */
export const publishVolume = (context: StageContext, command: PublishCommand, call: Call): Promise<void> => {
  const { stagingPath, targetPath, location, capability } = command;
  const { pool } = findPool(context, location.pool, 'volume_context.pool');
  const asked = sortMountOptions(capability.mountOptions, pool.mountOptionKind, 'volume_capability.mount.mount_flags');
  return context.locks.run([lockKey(command.volumeId), targetPath], call.signal, async () => {
    const table = await followPool(context, pool, command, asked.fileSystem);
    const staged = sourceOf(pool, command, table);
    const options = bindOptions(staged, command, asked.bind);
    if (isPublished(table, staged, targetPath, options)) return;
    if (capability.mode === 'SINGLE_NODE_SINGLE_WRITER') refuseSecondTarget(table, staged, command);
    await keepAlive(pool, command, asked.fileSystem);
    await makeMountPoint(targetPath);
    context.step('target made');
    if (pool.mounting === undefined) await pool.root.bind(location.directory, targetPath, options);
    else await context.mounter.bind(stagingPath, targetPath, options);
  });
};

/** Takes the volume from a target and removes the target. Not published, or long gone: fine. */
export const unpublishVolume = (
  context: StageContext,
  volumeId: string,
  targetPath: string,
  call: Call,
): Promise<void> =>
  context.locks.run([lockKey(volumeId), targetPath], call.signal, async () => {
    await context.mounter.unmount(targetPath);
    context.step('target unmounted');
    await removeMountPoint(targetPath);
  });

/** What pods are bound to. */
const sourceOf = (pool: Pool, { location, stagingPath }: PublishCommand, table: MountTable): MountEntry => {
  const source =
    pool.mounting === undefined ? table.identify(join(pool.root.path, location.directory)) : table.at(stagingPath);
  if (source !== undefined) return source;
  throw new DriverError(
    'failed-precondition',
    `staging_target_path: the volume is not staged at ${quote(stagingPath)}`,
  );
};

/** True when it is there as it is asked for. Throws already-exists for something else. */
const isPublished = (
  table: MountTable,
  staged: MountEntry,
  targetPath: string,
  options: readonly string[],
): boolean => {
  const there = table.at(targetPath);
  if (there === undefined) return false;
  if (sameDirectory(there, staged) && hasOptions(there, options)) return true;
  throw new DriverError(
    'already-exists',
    `target_path: something else is mounted at ${quote(targetPath)}, or in another way`,
  );
};

/** ReadWriteOncePod: the volume may be seen at its staging path and at one target. */
const refuseSecondTarget = (
  table: MountTable,
  staged: MountEntry,
  { stagingPath, targetPath }: PublishCommand,
): void => {
  const other = table
    .mountsOf(staged)
    .find(({ mountPoint }) => mountPoint !== stagingPath && mountPoint !== targetPath);
  if (other === undefined) return;
  throw new DriverError(
    'failed-precondition',
    `target_path: the volume is published at ${quote(other.mountPoint)} and its access mode allows one target`,
  );
};

/** Restrictions add up: what the staged mount has is kept, for a bind mount with options of its own would drop it. */
const bindOptions = (staged: MountEntry, command: PublishCommand, asked: readonly string[]): readonly string[] => {
  const wanted = command.readOnly || isReaderOnly(command.capability.mode) ? [...asked, 'ro'] : asked;
  const kept = RESTRICTIONS.filter((option) => wanted.includes(option) || staged.options.includes(option));
  return [...kept, ...wanted.filter((option) => ACCESS_TIMES.includes(option))];
};

const hasOptions = ({ options }: MountEntry, wanted: readonly string[]): boolean =>
  RESTRICTIONS.every((option) => options.includes(option) === wanted.includes(option));

const RESTRICTIONS = ['ro', 'nosuid', 'nodev', 'noexec'];
const ACCESS_TIMES = ['noatime', 'nodiratime', 'relatime'];
