import { resolve } from 'node:path';
import { kubectl, run } from './cluster.ts';

const CLUSTER = resolve(import.meta.dirname, '../ground/cluster');

/** A cluster of somebody else is not ours to disturb. */
export const isOurCluster = process.env.KUBECONFIG?.includes('/csi-driver-subdir/ground/') === true;

export const restartKubelet = async (): Promise<void> => {
  await run(CLUSTER, ['restart']);
  await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=60s');
};

interface Summary {
  readonly pods: readonly {
    readonly podRef: { readonly namespace: string };
    readonly volume?: readonly { readonly pvcRef?: { readonly name: string }; readonly capacityBytes?: number }[];
    readonly containers: readonly { readonly name: string; readonly memory: { readonly workingSetBytes: number } }[];
  }[];
}

/** Working-set memory of each container of a namespace on a node, in bytes. */
export const memoryOf = async (node: string, namespace: string): Promise<Readonly<Record<string, number>>> => {
  const { pods } = await summaryOf(node);
  return Object.fromEntries(
    pods
      .filter(({ podRef }) => podRef.namespace === namespace)
      .flatMap(({ containers }) => containers.map(({ name, memory }) => [name, memory.workingSetBytes])),
  );
};

/** Size of a claim's volume in bytes, as the kubelet has it from NodeGetVolumeStats; it asks once a minute. */
export const volumeSizeOf = async (node: string, namespace: string, claim: string): Promise<number | undefined> => {
  const volumes = (await summaryOf(node)).pods
    .filter(({ podRef }) => podRef.namespace === namespace)
    .flatMap(({ volume = [] }) => volume);
  return volumes.find(({ pvcRef }) => pvcRef?.name === claim)?.capacityBytes;
};

const summaryOf = async (node: string): Promise<Summary> =>
  JSON.parse(await kubectl('get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`));
