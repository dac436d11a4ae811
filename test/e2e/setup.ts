import { startCluster, stopCluster } from './support/ground.ts';
import { install, uninstall } from './support/installed.ts';

// Before all tests: a cluster, the driver's image in it, the chart with its default values.
//
//   KUBECONFIG=…   that cluster; it has the image already (kind load docker-image …), kubectl and helm are on the PATH
//   otherwise      a one-node cluster on this machine, made from Go modules (test/e2e/ground); root is needed
//   KEEP=1         leaves all of it standing at the end

export const setup = async (): Promise<() => Promise<void>> => {
  const isOurs = process.env.KUBECONFIG === undefined;
  if (isOurs) await startCluster();
  const stop = async (): Promise<void> => {
    if (process.env.KEEP) return;
    await uninstall();
    if (isOurs) await stopCluster();
  };
  try {
    await install();
  } catch (thrown) {
    await stop().catch(() => undefined);
    throw thrown;
  }
  return stop;
};
