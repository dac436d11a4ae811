import { resolve } from 'node:path';
import { execa } from 'execa';

const GROUND = resolve(import.meta.dirname, '../ground');

/** Runs a program of test/e2e/ground; answers what it has printed. */
const ground = async (program: string, ...args: readonly string[]): Promise<string> =>
  (await execa(resolve(GROUND, program), args, { stderr: 'inherit' })).stdout.trim();

/** A one-node cluster of our own with all images; kubectl and helm find it. What an earlier run has left is taken away. */
export const startCluster = async (): Promise<void> => {
  await ground('packages');
  process.env.PATH = `${await ground('build')}:${process.env.PATH}`;
  const images = await ground('images');
  await stopCluster();
  process.env.KUBECONFIG = await ground('cluster', 'up');
  await ground('cluster', 'load', images);
};

export const stopCluster = async (): Promise<void> => {
  await ground('nfs-node', 'down');
  await ground('cluster', 'down');
};

/** The second node, `nfs1`: the only one that reaches the two NFS servers. */
export const startNfsNode = (): Promise<string> => ground('nfs-node', 'up');
