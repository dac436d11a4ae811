import { startCluster, startNfsNode, stopCluster } from './support/ground.ts';
import { installShared } from './support/shared.ts';
import { installSnapshotCrds } from './support/snapshots.ts';

// Before the tests on NFS: our own cluster with its second node, and the chart with both drivers, two pools on two servers.
// KEEP=1 leaves all of it standing at the end.

export const setup = async (): Promise<() => Promise<void>> => {
  const stop = async (): Promise<void> => {
    if (!process.env.KEEP) await stopCluster();
  };
  try {
    await startCluster();
    await startNfsNode();
    await installSnapshotCrds();
    await installShared();
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return stop;
};
