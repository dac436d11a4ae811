import { createRoot } from '../roots/held-root.ts';
import type { RootTools } from '../roots/root.ts';
import { spaceByChild } from '../system/space.ts';
import { findOut } from './facts.ts';
import { createPoolWorkerRoot, type SharedTools } from './hostpath.ts';
import { createNfsExport } from './nfs-export.ts';
import { createNfsMounting } from './nfs-mounting.ts';
import { isOnServer, type NfsPool, nameSource } from './nfs-source.ts';
import { describePool, type Pool } from './pool.ts';

/** A pool on an NFS export: volumes are mounted one by one, records are reached by a mount of the whole export. */
export const createNfsPool = (settings: NfsPool, tools: SharedTools & RootTools): Pool => {
  const { exec, breaker, workers, readMounts } = tools;
  const whole = createNfsExport(settings, settings.mountPath, settings.controllerMountOptions, tools);
  const byMount = createPoolWorkerRoot(settings.mountPath, settings, workers, whole.reach);
  const root =
    settings.localPath === undefined
      ? byMount
      : createRoot(settings.localPath, { ...tools, whenChanged: settings.whenChanged });
  return {
    ...describePool(settings, root, readMounts),
    reach: 'everywhere',
    mountOptionKind: 'nfs',
    mounting: createNfsMounting(settings, byMount, tools),
    findOut: () => findOut(root, readMounts, settings.sizes),
    isShownBy: (entry, directory) =>
      isOnServer(entry, settings.server) && entry.source === nameSource(settings, directory),
    owns: (entry) => isOnServer(entry, settings.server),
    measure: (path) => breaker.run(() => spaceByChild(exec, path)),
    problem: breaker.problem,
    close: async () => {
      workers.quick.stop();
      workers.long.stop();
      await whole.close();
    },
  };
};
