import type { Space } from '../domain/space.ts';
import { describeUsageLevel } from '../domain/usage-level.ts';
import { DriverError } from '../errors/errors.ts';
import { hasBecomeReadOnly, type MountEntry, type MountTable } from '../system/mountinfo.ts';
import { spaceOf } from '../system/space.ts';
import { type Condition, READ_ONLY } from '../volumes/condition.ts';
import { isGone, type NodeContext } from './context.ts';
import { notMounted, requireMountOf } from './match.ts';

/** What these operations use of the context. */
export type StatsContext = Pick<NodeContext, 'indexes' | 'readMounts'>;

export interface VolumeStats {
  /** Undefined where the storage does not answer and never has. */
  readonly space: Space | undefined;
  readonly condition: Condition;
}

export type GetVolumeStats = (volumeId: string, volumePath: string | undefined) => Promise<VolumeStats>;

/**
 * Bytes and inodes of the volume that is mounted at a path. While its server does not answer: the last ones known,
 * and an abnormal condition. Throws not-found where nothing is mounted.
 */
export const createGetVolumeStats = (context: StatsContext): GetVolumeStats => {
  const known = new Map<string, Space>();
  const forgetUnmounted = (table: MountTable): void => {
    for (const path of known.keys()) if (table.at(path) === undefined) known.delete(path);
  };
  return async (volumeId, volumePath) => {
    const table = await context.readMounts();
    forgetUnmounted(table);
    const entry = volumePath === undefined ? undefined : table.at(volumePath);
    if (entry === undefined || volumePath === undefined) throw notMounted(volumeId);
    await requireMountOf(context, volumeId, entry, table);
    try {
      const space = await measure(context, entry, table, volumePath);
      known.set(volumePath, space);
      return { space, condition: conditionOf(entry, space) };
    } catch (thrown) {
      return { space: known.get(volumePath), condition: { abnormal: true, message: silence(thrown) } };
    }
  };
};

/** What a server that does not answer is described with; anything else is thrown on. */
const silence = (thrown: unknown): string => {
  const { kind, message } = DriverError.from(thrown);
  if (!['unavailable', 'unreachable', 'deadline-exceeded'].includes(kind)) throw thrown;
  return message;
};

/** By the pool the mount is of; any other mount on a node whose volumes are local is local too. */
const measure = ({ indexes }: StatsContext, entry: MountEntry, table: MountTable, path: string): Promise<Space> => {
  const pools = [...indexes.values()].map(({ pool }) => pool);
  const owner = pools.find((pool) => pool.owns(entry, table)) ?? pools[0];
  return owner === undefined ? spaceOf(path) : owner.measure(path);
};

const conditionOf = (entry: MountEntry, { totalBytes, availableBytes }: Space): Condition => {
  if (isGone(entry)) return { abnormal: true, message: 'the directory has been deleted while it was mounted' };
  if (hasBecomeReadOnly(entry)) return READ_ONLY;
  const usageLevel = describeUsageLevel(totalBytes - availableBytes, totalBytes);
  return { abnormal: usageLevel !== undefined, message: usageLevel ?? 'the volume is mounted' };
};
