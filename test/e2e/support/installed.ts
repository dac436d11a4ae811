import { resolve } from 'node:path';
import { helm, kubectl, run } from './cluster.ts';

// The driver as it is installed: with the default values of the chart.

export const CHART = resolve(import.meta.dirname, '../../../charts/csi-driver-subdir');
export const NAMESPACE = 'csi-subdir';
export const RELEASE = 'csi-subdir';
export const LOCAL_CLASS = 'csi-subdir-local';
export const POOL = '/var/lib/csi-subdir';

const inside = `--namespace=${NAMESPACE}`;

/** Installs the chart with these values and no others, or changes what is installed. Waits until all of it is ready. */
export const install = async (...values: readonly string[]): Promise<void> => {
  const how = ['--create-namespace', '--reset-values', '--wait', '--timeout=280s'];
  await helm('upgrade', '--install', RELEASE, CHART, inside, ...how, ...values);
  // Helm is content when as many nodes have the new driver as must have one during an update.
  await kubectl(inside, 'rollout', 'status', 'daemonset', '--timeout=280s');
};

export const uninstall = (): Promise<string> => helm('uninstall', RELEASE, inside, '--wait', '--timeout=110s');

/** What a script has printed that runs beside the driver on its node, with the node's pools and mounts before it. */
export const besideDriver = (script: string): Promise<string> =>
  run('kubectl', [inside, 'exec', 'daemonset/csi-subdir-local', '--container=driver', '--', 'sh', '-ec', script]);

/** Files below the pool's root, the driver's own folder left out. */
export const filesInPool = async (): Promise<readonly string[]> => {
  const text = await besideDriver(`cd ${POOL} && find . -path ./.csi-subdir -prune -o -type f -print`);
  return text.split('\n').filter((line) => line !== '');
};

/** Kills the driver's process without asking it: all of the pod's containers but the sidecars stay. */
export const killDriver = async (): Promise<void> => {
  // tini passes nothing on that cannot be caught: its child is the driver.
  await besideDriver(
    'for p in /proc/[0-9]*; do grep -qs csi-subdir.cjs $p/cmdline && kill -9 "$(basename $p)"; done || true',
  ).catch(() => undefined);
};

export const driverReady = async (): Promise<void> => {
  await kubectl(inside, 'rollout', 'status', 'daemonset/csi-subdir-local', '--timeout=90s');
};
