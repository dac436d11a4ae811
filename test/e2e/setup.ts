import { resolve } from 'node:path';
import { execa } from 'execa';
import { install, uninstall } from './support/installed.ts';

// Before all tests: a cluster, the driver's image in it, the chart with its default values.
//
//   KUBECONFIG=…   that cluster; it has the image already (kind load docker-image …), kubectl and helm are on the PATH
//   otherwise      a one-node cluster on this machine, made from Go modules (test/e2e/ground); root is needed
//   KEEP=1         leaves all of it standing at the end

const GROUND = resolve(import.meta.dirname, 'ground');

const ground = async (program: string, ...args: readonly string[]): Promise<string> =>
  (await execa(resolve(GROUND, program), args, { stderr: 'inherit' })).stdout.trim();

export const setup = async (): Promise<() => Promise<void>> => {
  const isOurs = process.env.KUBECONFIG === undefined;
  if (isOurs) await startCluster();
  const stop = async (): Promise<void> => {
    if (process.env.KEEP) return;
    await uninstall();
    if (isOurs) await ground('cluster', 'down');
  };
  try {
    await install();
  } catch (thrown) {
    await stop().catch(() => undefined);
    throw thrown;
  }
  return stop;
};

const startCluster = async (): Promise<void> => {
  await ground('packages');
  process.env.PATH = `${await ground('build')}:${process.env.PATH}`;
  const images = await ground('images');
  await ground('cluster', 'down');
  process.env.KUBECONFIG = await ground('cluster', 'up');
  await ground('cluster', 'load', images);
};
