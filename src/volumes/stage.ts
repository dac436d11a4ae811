import type { Location } from '../domain/attributes.ts';
import { DriverError, quote } from '../domain/errors.ts';
import { makeMountPoint } from '../host/mount-point.ts';
import { type Call, lockKey, pickShelf } from './context.ts';
import type { NodeContext } from './node-context.ts';

export interface StageCommand {
  readonly volumeId: string;
  readonly location: Location;
  readonly stagingPath: string;
}

/** Puts the volume directory at its staging path. There already: fine. Something else there: already-exists. */
export const stageVolume = (context: NodeContext, command: StageCommand, call: Call): Promise<void> => {
  const { stagingPath, location } = command;
  const { pool } = pickShelf(context, location.pool, 'volume_context.pool');
  return context.locks.run([lockKey(command.volumeId), stagingPath], call.signal, async () => {
    const table = await context.readMounts();
    const there = table.at(stagingPath);
    if (there !== undefined) {
      if (pool.isShownBy(there, location.directory, table)) return;
      throw new DriverError(
        'already-exists',
        `staging_target_path: something else is mounted at ${quote(stagingPath)}`,
      );
    }
    await makeMountPoint(stagingPath);
    context.step('staging path made');
    await pool.attach(location.directory, stagingPath);
  });
};

/** Takes the volume from its staging path. The directory itself is the caller's, who made it. */
export const unstageVolume = (context: NodeContext, volumeId: string, stagingPath: string, call: Call): Promise<void> =>
  context.locks.run([lockKey(volumeId), stagingPath], call.signal, () => context.mounter.unmount(stagingPath));
