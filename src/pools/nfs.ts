import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DriverError, isCausedBy, quote } from '../domain/errors.ts';
import type { Directory } from '../domain/paths.ts';
import { inodeByChild } from '../host/inode.ts';
import { makeOwnMountPoint, removeMountPoint } from '../host/mount-point.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { createRoot, type RootTools } from '../host/root.ts';
import { spaceByChild } from '../host/space.ts';
import { createWorkerRoot } from '../host/worker-root.ts';
import { findOut } from './facts.ts';
import type { SharedTools } from './hostpath.ts';
import type { Pool, PoolSettings } from './pool.ts';

export interface NfsPool extends PoolSettings {
  /** DNS name or address; IPv6 without brackets. */
  readonly server: string;
  readonly export: string;
  /** For the volumes' own mounts, on the nodes. */
  readonly mountOptions: readonly string[];
  /** For the controller's mount of the whole export: one that gives up soon. */
  readonly controllerMountOptions: readonly string[];
  /** The export's directory where the controller runs on the server itself: no mount then. */
  readonly localPath: string | undefined;
  /** Where the controller mounts the export. */
  readonly mountPath: string;
}

type NfsTools = SharedTools & RootTools;

/** Milliseconds for the controller's mount and for a volume's; each within the bound of the call that waits for it. */
const REACH_DEADLINE_MS = 10_000;
const ATTACH_DEADLINE_MS = 25_000;

/** A pool on an NFS export: volumes are mounted one by one, records are reached by a mount of the whole export. */
export const createNfsPool = (settings: NfsPool, tools: NfsTools): Pool => {
  const { exec, breaker, workers, mounter, readMounts } = tools;
  const { mountPath, localPath } = settings;

  const mountExport = async (): Promise<void> => {
    const there = (await readMounts()).at(mountPath);
    if (there?.source === sourceOf(settings)) return;
    if (there !== undefined) await mounter.unmount(mountPath);
    await makeOwnMountPoint(mountPath);
    const options = settings.controllerMountOptions;
    await mounter.mountNfs(sourceOf(settings), mountPath, withVersion(options), REACH_DEADLINE_MS);
    const source = (await readMounts()).at(mountPath)?.source;
    if (source === sourceOf(settings)) return;
    await mounter.unmount(mountPath);
    throw new DriverError('failed-precondition', `${sourceOf(settings)} is a link on the server: configure ${source}`);
  };
  let mounting: Promise<void> | undefined;
  const ensureMounted = (): Promise<void> => {
    mounting ??= mountExport().finally(() => {
      mounting = undefined;
    });
    return mounting;
  };
  const reachOnce = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    await ensureMounted();
    return work();
  };
  /** Lets go of a mount, unless somebody has since the caller has looked. The worker holds its folders open. */
  let mountNumber = 0;
  const letGo = async (seen: number): Promise<void> => {
    if (seen !== mountNumber) return;
    mountNumber += 1;
    workers.quick.stop();
    await mounter.unmount(mountPath);
  };
  /** A server that came back with other file handles is mounted anew, once. */
  const reach = <Value>(work: () => Promise<Value>): Promise<Value> =>
    breaker.run(async () => {
      const seen = mountNumber;
      try {
        return await reachOnce(work);
      } catch (thrown) {
        if (seen === mountNumber && !isCausedBy(thrown, ...HANDLE_LOST)) throw thrown;
        await letGo(seen);
        return reachOnce(work);
      }
    });

  const byMount = createWorkerRoot(mountPath, workers, reach);
  const root = localPath === undefined ? byMount : createRoot(localPath, tools);

  const mountVolume = (directory: Directory, path: string, options: readonly string[]): Promise<void> => {
    const all = withVersion([...settings.mountOptions, ...options]);
    return mounter.mountNfs(sourceOf(settings, directory), path, all, ATTACH_DEADLINE_MS);
  };
  /** Links are followed on the way to what is mounted: with NFSv4 the mount table tells, with NFSv3 nobody does. */
  const isItself = async (directory: Directory, path: string): Promise<boolean> => {
    const entry = (await readMounts()).at(path);
    if (entry?.fileSystem === 'nfs4') return entry.source === sourceOf(settings, directory);
    return (await byMount.identify(directory)) === (await inodeByChild(exec, path));
  };
  const attach: Pool['attach'] = async (directory, path, options) => {
    try {
      await breaker.run(() => mountVolume(directory, path, options));
      if (!(await isItself(directory, path))) throw throughLink(directory);
    } catch (thrown) {
      await mounter.unmount(path);
      throw await explain(directory, thrown);
    }
  };
  /** A server that says no may say it of this directory alone. */
  const explain = async (directory: Directory, thrown: unknown): Promise<unknown> => {
    if (DriverError.from(thrown).kind !== 'unavailable') return thrown;
    const reason = await byMount.identify(directory).then(() => undefined, DriverError.from);
    return reason?.kind === 'not-found' || reason?.kind === 'failed-precondition' ? reason : thrown;
  };
  /** Mounted aside first: a staging path that is empty would not be staged again while pods use the volume. */
  const reattach: Pool['reattach'] = async (directory, stagingPath, options) => {
    const aside = `${mountPath}.${randomUUID()}`;
    await makeOwnMountPoint(aside);
    try {
      await attach(directory, aside, options);
      await mounter.unmount(stagingPath);
      await mounter.bind(aside, stagingPath, []);
    } finally {
      await mounter.unmount(aside);
      await removeMountPoint(aside);
    }
  };

  return {
    name: settings.name,
    budgetBytes: settings.budgetBytes,
    sizes: settings.sizes,
    defaults: settings.defaults,
    root,
    reach: 'everywhere',
    mountOptionKind: 'nfs',
    findOut: () => findOut(root, readMounts, settings.sizes),
    attach,
    reattach,
    isShownBy: (entry, directory) => isNfs(entry) && entry.source === sourceOf(settings, directory),
    owns: (entry) => isNfs(entry) && entry.source.startsWith(`${bracket(settings.server)}:`),
    measure: (path) => breaker.run(() => spaceByChild(exec, path)),
    problem: breaker.problem,
    close: async () => {
      workers.quick.stop();
      workers.long.stop();
      if ((await readMounts()).at(mountPath) === undefined) return;
      await mounter.detach(mountPath);
      await removeMountPoint(mountPath);
    },
  };
};

const throughLink = (directory: Directory): DriverError =>
  new DriverError('failed-precondition', `directory ${quote(directory)}: something on the way is a link on the server`);

/** Without a version mount.nfs would go on to NFSv3, which is another way to lock, when the server has said no. */
const withVersion = (options: readonly string[]): readonly string[] =>
  options.some((option) => /^(?:nfs)?vers=/.test(option)) ? options : ['nfsvers=4', ...options];

const sourceOf = (pool: Pick<NfsPool, 'server' | 'export'>, directory?: Directory): string =>
  `${bracket(pool.server)}:${directory === undefined ? pool.export : join(pool.export, directory)}`;

const bracket = (server: string): string => (server.includes(':') ? `[${server}]` : server);

const isNfs = ({ fileSystem }: MountEntry): boolean => fileSystem === 'nfs' || fileSystem === 'nfs4';

/** The server has forgotten the mount: it has come back as another, or the export is (or was) gone. */
const HANDLE_LOST = ['ESTALE', 'EACCES', 'EPERM'];
