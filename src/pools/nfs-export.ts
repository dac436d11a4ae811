import { DriverError, isCausedBy } from '../errors/errors.ts';
import type { RootTools } from '../roots/root.ts';
import { makeOwnMountPoint, removeMountPoint } from '../system/mount-point.ts';
import { spaceByChild } from '../system/space.ts';
import type { Reach } from '../worker/worker-root.ts';
import type { SharedTools } from './hostpath.ts';
import { type NfsSource, nameSource, withVersion } from './nfs-source.ts';

/** The controller's own mount of a whole export. */
export interface NfsExport {
  /** Does work below the mount, which is made when it does not exist, and again when the server has forgotten it. */
  readonly reach: Reach;
  /** Lets go of the mount for good, without waiting for the server. */
  readonly close: () => Promise<void>;
}

/** Milliseconds; within the bound of the call that waits for it. */
const DEADLINE_MS = 10_000;

export const createNfsExport = (
  source: NfsSource,
  mountPath: string,
  options: readonly string[],
  { exec, breaker, workers, mounter, readMounts }: SharedTools & RootTools,
): NfsExport => {
  const wanted = nameSource(source);

  let isClosed = false;
  const mount = async (): Promise<void> => {
    const there = (await readMounts()).at(mountPath);
    if (isClosed) throw new DriverError('unavailable', 'the driver is stopping');
    if (there?.source === wanted) return;
    if (there !== undefined) await mounter.unmount(mountPath);
    await makeOwnMountPoint(mountPath);
    await mounter.mountNfs(wanted, mountPath, withVersion(options), DEADLINE_MS);
    const mounted = (await readMounts()).at(mountPath)?.source;
    if (mounted === wanted) return;
    await mounter.unmount(mountPath);
    throw new DriverError('failed-precondition', `${wanted} is a link on the server: configure ${mounted}`);
  };

  let mounting: Promise<void> | undefined;
  const reachOnce = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    mounting ??= mount().finally(() => {
      mounting = undefined;
    });
    await mounting;
    return work();
  };

  /** Lets go of a mount, unless somebody has since the caller has looked. The worker holds its folders open. */
  let mountNumber = 0;
  const letGo = async (seen: number): Promise<void> => {
    if (seen !== mountNumber) return;
    mountNumber += 1;
    workers.quick.stop();
    // Not by force, which would end the requests of a copy that is running there.
    if ((await readMounts()).at(mountPath) !== undefined) await mounter.detach(mountPath);
  };

  /** The root itself decides: a directory below it may belong to a pod, which denies what it likes. */
  const isForgotten = async (): Promise<boolean> =>
    spaceByChild(exec, mountPath).then(
      () => false,
      (thrown: unknown) => DriverError.from(thrown).kind === 'unavailable',
    );

  return {
    reach: (work) =>
      breaker.run(async () => {
        const seen = mountNumber;
        try {
          return await reachOnce(work);
        } catch (thrown) {
          const mayBeForgotten = isCausedBy(thrown, ...HANDLE_LOST);
          if (seen === mountNumber && !(mayBeForgotten && (await isForgotten()))) throw thrown;
          await letGo(seen);
          return reachOnce(work);
        }
      }),
    close: async () => {
      isClosed = true;
      if ((await readMounts()).at(mountPath) === undefined) return;
      await mounter.detach(mountPath);
      await removeMountPoint(mountPath);
    },
  };
};

/**
 * What a server returns that has forgotten the mount: it has become another one, or its export is (or was) missing. It
 * also returns them for a directory that its owner has closed.
 */
const HANDLE_LOST = ['ESTALE', 'EACCES', 'EPERM'];
