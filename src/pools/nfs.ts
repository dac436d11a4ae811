import { join } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import type { Directory } from '../domain/paths.ts';
import { makeOwnMountPoint } from '../host/mount-point.ts';
import type { Mounter } from '../host/mounter.ts';
import type { MountEntry, ReadMounts } from '../host/mountinfo.ts';
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

export interface NfsTools extends SharedTools {
  readonly mounter: Mounter;
  readonly readMounts: ReadMounts;
  readonly step: RootTools['step'];
}

/** Milliseconds for the controller's mount and for a volume's; each within the bound of the call that waits for it. */
const REACH_DEADLINE_MS = 10_000;
const ATTACH_DEADLINE_MS = 25_000;

/** A pool on an NFS export: volumes are mounted one by one, records are reached by a mount of the whole export. */
export const createNfsPool = (settings: NfsPool, tools: NfsTools): Pool => {
  const { exec, breaker, worker, mounter, readMounts } = tools;
  const { mountPath, localPath } = settings;

  const mountExport = async (): Promise<void> => {
    const there = (await readMounts()).at(mountPath);
    if (there?.source === sourceOf(settings)) return;
    if (there !== undefined) await mounter.unmount(mountPath);
    await makeOwnMountPoint(mountPath);
    const options = settings.controllerMountOptions;
    await mounter.mountNfs(sourceOf(settings), mountPath, options, REACH_DEADLINE_MS).catch((thrown: unknown) => {
      // A missing export is a silent server; a missing volume would be an answer, and a deletion would be done with.
      throw new DriverError('unavailable', DriverError.from(thrown).message, { cause: thrown });
    });
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
  /** A server that came back with other file handles is mounted anew, once. */
  const reach = <Value>(work: () => Promise<Value>): Promise<Value> =>
    breaker.run(async () => {
      try {
        return await reachOnce(work);
      } catch (thrown) {
        if (!isStale(thrown)) throw thrown;
        worker.stop();
        await mounter.unmount(mountPath);
        return reachOnce(work);
      }
    });

  const root = localPath === undefined ? createWorkerRoot(mountPath, worker, reach) : createRoot(localPath, tools);
  return {
    name: settings.name,
    budgetBytes: settings.budgetBytes,
    defaults: settings.defaults,
    root,
    reach: 'everywhere',
    mountOptionKind: 'nfs',
    findOut: () => findOut(root, readMounts),
    attach: (directory, stagingPath, options) =>
      breaker.run(() =>
        mounter.mountNfs(
          sourceOf(settings, directory),
          stagingPath,
          [...settings.mountOptions, ...options],
          ATTACH_DEADLINE_MS,
        ),
      ),
    isShownBy: (entry, directory) => isNfs(entry) && entry.source === sourceOf(settings, directory),
    owns: (entry) => isNfs(entry) && entry.source.startsWith(`${bracket(settings.server)}:`),
    measure: (path) => breaker.run(() => spaceByChild(exec, path)),
    problem: breaker.problem,
    close: async () => {
      worker.stop();
      if ((await readMounts()).at(mountPath) !== undefined) await mounter.detach(mountPath);
    },
  };
};

const sourceOf = (pool: Pick<NfsPool, 'server' | 'export'>, directory?: Directory): string =>
  `${bracket(pool.server)}:${directory === undefined ? pool.export : join(pool.export, directory)}`;

const bracket = (server: string): string => (server.includes(':') ? `[${server}]` : server);

const isNfs = ({ fileSystem }: MountEntry): boolean => fileSystem === 'nfs' || fileSystem === 'nfs4';

const isStale = (thrown: unknown): boolean =>
  errnoOf(thrown) === 'ESTALE' ||
  (thrown as DriverError).cause === 'ESTALE' ||
  errnoOf((thrown as DriverError).cause) === 'ESTALE';
