import { DriverError, quote } from '../domain/errors.ts';
import { type Space, spaceOf } from '../host/root.ts';
import type { Condition } from './inspect.ts';
import { isGone, type NodeContext } from './node-context.ts';

export interface VolumeStats {
  readonly space: Space;
  readonly condition: Condition;
}

/** Bytes and inodes of the volume that is mounted at a path. Throws not-found where nothing is. */
export const getVolumeStats = async (
  context: NodeContext,
  volumeId: string,
  volumePath: string,
): Promise<VolumeStats> => {
  const entry = (await context.readMounts()).at(volumePath);
  if (entry === undefined) {
    throw new DriverError('not-found', `volume ${quote(volumeId)} is not mounted at ${quote(volumePath)}`);
  }
  const condition = isGone(entry)
    ? { abnormal: true, message: 'the directory has been deleted while it was mounted' }
    : { abnormal: false, message: 'the volume is mounted' };
  return { space: await spaceOf(volumePath), condition };
};
