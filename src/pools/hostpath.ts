import { join } from 'node:path';
import { spaceOfVolume } from '../quotas/qgroups.ts';
import { createRoot } from '../roots/held-root.ts';
import type { Root, RootTools } from '../roots/root.ts';
import type { Exec } from '../subprocess/exec.ts';
import type { ReadMounts } from '../system/mountinfo.ts';
import { isWithin, sameDirectory } from '../system/mountinfo.ts';
import { spaceByChild } from '../system/space.ts';
import type { Breaker } from '../worker/breaker.ts';
import { createWorkerRoot, type PoolWorkers, type Reach } from '../worker/worker-root.ts';
import { findOut } from './facts.ts';
import { describePool, type Pool, type PoolSettings } from './pool.ts';

/** A pool on a path of this node: its file work runs in this process, pods get bind mounts of it. */
export const createHostPathPool = (settings: PoolSettings, path: string, tools: RootTools): Pool => ({
  ...bindPool(settings, createRoot(path, { ...tools, whenChanged: settings.whenChanged }), tools.readMounts),
  reach: 'node',
  measure: (volumePath) => spaceOfVolume(tools.exec, volumePath),
  problem: () => undefined,
  close: async () => {},
});

/** What a pool needs whose storage may stop answering. */
export interface SharedTools {
  readonly exec: Exec;
  readonly breaker: Breaker;
  readonly workers: PoolWorkers;
}

/** A pool on a path where the same network file system is mounted on every node: nothing of it runs in this process. */
export const createSharedPathPool = (
  settings: PoolSettings,
  path: string,
  tools: SharedTools,
  readMounts: ReadMounts,
): Pool => {
  const { exec, breaker, workers } = tools;
  return {
    ...bindPool(settings, createPoolWorkerRoot(path, settings, workers, breaker.run), readMounts),
    reach: 'everywhere',
    measure: (volumePath) => breaker.run(() => spaceByChild(exec, volumePath)),
    problem: breaker.problem,
    close: async () => {
      workers.quick.stop();
      workers.long.stop();
    },
  };
};

/** The root of a pool that workers reach. */
export const createPoolWorkerRoot = (
  path: string,
  { openRoot, whenChanged, opensOnDemand }: PoolSettings,
  workers: PoolWorkers,
  reach: Reach,
): Root => {
  const prepareOnDemand = opensOnDemand
    ? (root: Root) => openRoot(root, { mayCreate: false, remembers: true })
    : undefined;
  return createWorkerRoot(path, { workers, reach, whenChanged, prepareOnDemand });
};

const bindPool = (settings: PoolSettings, root: Root, readMounts: ReadMounts) => {
  const isShownBy: Pool['isShownBy'] = (entry, directory, table) => {
    const expected = table.identify(join(root.path, directory));
    return expected !== undefined && sameDirectory(entry, expected);
  };
  return {
    ...describePool(settings, root, readMounts),
    mountOptionKind: 'bind' as const,
    mounting: undefined,
    findOut: () => findOut(root, readMounts, settings.sizes),
    isShownBy,
    owns: (entry, table) => {
      const own = table.identify(root.path);
      return own !== undefined && isWithin(own, entry);
    },
  } satisfies Partial<Pool>;
};
