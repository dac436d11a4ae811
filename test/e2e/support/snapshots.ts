import { resolve } from 'node:path';
import { execa } from 'execa';
import { kubectl } from './cluster.ts';
import type { Space } from './space.ts';

const SIDECARS = resolve(import.meta.dirname, '../ground/go/sidecars');
const CLIENT = 'github.com/kubernetes-csi/external-snapshotter/client/v8';

/** What a cluster needs besides the chart, and the values that make the chart bring the rest. */
export const SNAPSHOT_VALUES = ['--set=snapshots=true', '--set=snapshotController.install=true'] as const;

/** The CRDs come with the Go module of their client. */
export const installSnapshotCrds = async (): Promise<void> => {
  const { stdout } = await execa('go', ['list', '-m', '-f', '{{.Dir}}', CLIENT], { cwd: SIDECARS });
  await kubectl('apply', '--server-side', '--kustomize', `${stdout}/config/crd`);
};

/** Takes a snapshot of a claim, and waits until it is ready. */
export const takeSnapshot = async (space: Space, name: string, claim: string, snapshotClass: string): Promise<void> => {
  await space.apply({
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { name },
    spec: { volumeSnapshotClassName: snapshotClass, source: { persistentVolumeClaimName: claim } },
  });
  const ready = '--for=jsonpath={.status.readyToUse}=true';
  await kubectl('wait', '-n', space.namespace, `volumesnapshot/${name}`, ready, '--timeout=60s');
};

/** What a claim is made from, as part of its spec. */
export const fromSnapshot = (name: string) => ({
  dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name },
});

export const fromClaim = (name: string) => ({ dataSource: { kind: 'PersistentVolumeClaim', name } });
