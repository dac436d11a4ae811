import { resolve } from 'node:path';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';

export const CHART = resolve(import.meta.dirname, '../../charts/csi-driver-subdir');
const BUILD = resolve(import.meta.dirname, '../e2e/ground/build');

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: PodOwner;
  readonly rules?: readonly Rule[];
}

interface PodOwner {
  readonly template?: { readonly spec: PodSpec };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly hostNetwork?: boolean;
  readonly containers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly livenessProbe?: { readonly httpGet: object };
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly capabilities?: { readonly add?: readonly string[] };
  };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Helm, made from its Go module. Throws with what it has written to standard error. */
export const helm = async (...args: readonly string[]): Promise<string> => {
  const { stdout: bin } = await execa(BUILD, ['helm']);
  return (await execa(resolve(bin, 'helm'), args)).stdout;
};

export const template = (...settings: readonly string[]): Promise<string> =>
  helm('template', 'csi-subdir', CHART, '--namespace=csi-subdir', ...settings.map((setting) => `--set=${setting}`));

export const render = async (...settings: readonly string[]): Promise<readonly Manifest[]> =>
  parseAllDocuments(await template(...settings))
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);

export const NFS = ['shared.enabled=true', 'shared.pools.nas.nfs.server=192.0.2.1', 'shared.pools.nas.nfs.export=/e'];

export const EVERYTHING = [
  ...NFS,
  'shared.controller.replicas=2',
  'snapshots=true',
  'snapshotController.install=true',
  'networkPolicy.enabled=true',
  'monitoring.podMonitor.enabled=true',
  'monitoring.prometheusRule.enabled=true',
  'monitoring.dashboard.enabled=true',
  'sidecars.registrar.enabled=true',
  'local.volumeAttributesClasses.keep.onDelete=retain',
];
