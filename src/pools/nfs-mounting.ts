import { randomUUID } from 'node:crypto';
import type { Directory } from '../domain/paths.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { Root, RootTools } from '../roots/root.ts';
import { inodeByChild } from '../system/inode.ts';
import { makeOwnMountPoint, removeMountPoint } from '../system/mount-point.ts';
import type { SharedTools } from './hostpath.ts';
import { type NfsPool, nameSource, withVersion } from './nfs-source.ts';
import type { Mounting } from './pool.ts';

/** Milliseconds; within the bound of NodeStageVolume. */
const DEADLINE_MS = 25_000;

/**
 * The mounts of an export share one device and the root `/`, and the kubelet takes what has both for one volume: it
 * would unstage none while another is there (docs/adr/0029-a-superblock-per-volume.md).
 */
const OF_ITS_OWN = 'nosharecache';

/**
 * How a volume's directory is mounted by itself. `root` is the same export through the controller's mount: it tells
 * what a mount that failed, or one of NFSv3, cannot tell of itself.
 */
export const createNfsMounting = (
  pool: NfsPool,
  root: Pick<Root, 'identify'>,
  { exec, breaker, mounter, readMounts }: SharedTools & RootTools,
): Mounting => {
  const attach: Mounting['attach'] = async (directory, path, options) => {
    const all = withVersion([...pool.mountOptions, ...options, OF_ITS_OWN]);
    try {
      await breaker.run(() => mounter.mountNfs(nameSource(pool, directory), path, all, DEADLINE_MS));
      if (!(await isItself(directory, path))) throw throughLink(directory);
    } catch (thrown) {
      await mounter.unmount(path);
      throw await explain(directory, thrown);
    }
  };
  /** Links are followed on the way to what is mounted: with NFSv4 the mount table tells, with NFSv3 nobody does. */
  const isItself = async (directory: Directory, path: string): Promise<boolean> => {
    const entry = (await readMounts()).at(path);
    if (entry?.fileSystem === 'nfs4') return entry.source === nameSource(pool, directory);
    return (await root.identify(directory)) === (await inodeByChild(exec, path));
  };
  /** A server that says no may say it of this directory alone. */
  const explain = async (directory: Directory, thrown: unknown): Promise<unknown> => {
    if (DriverError.from(thrown).kind !== 'unavailable') return thrown;
    const reason = await root.identify(directory).then(() => undefined, DriverError.from);
    return reason?.kind === 'not-found' || reason?.kind === 'failed-precondition' ? reason : thrown;
  };

  return {
    attach,
    /** Mounted aside first: a staging path that is empty would not be staged again while pods use the volume. */
    reattach: async (directory, stagingPath, options) => {
      const aside = `${pool.mountPath}.${randomUUID()}`;
      await makeOwnMountPoint(aside);
      try {
        await attach(directory, aside, options);
        await mounter.unmount(stagingPath);
        await mounter.bind(aside, stagingPath, []);
      } finally {
        await mounter.unmount(aside);
        await removeMountPoint(aside);
      }
    },
  };
};

const throughLink = (directory: Directory): DriverError =>
  new DriverError('failed-precondition', `directory ${quote(directory)}: something on the way is a link on the server`);
