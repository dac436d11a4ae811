// Objects that the tests ask Kubernetes for, with what is the same in all of them filled in.

export type AccessMode = 'ReadWriteOnce' | 'ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOncePod';

export interface ClaimOptions {
  readonly storageClass: string;
  readonly mode?: AccessMode;
  readonly size?: string;
  /** More keys of the spec: a dataSource, a VolumeAttributesClass. */
  readonly spec?: object;
}

export const claim = (name: string, options: ClaimOptions) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: claimSpec(options),
});

export const claimSpec = ({ storageClass, mode = 'ReadWriteOnce', size = '1Gi', spec = {} }: ClaimOptions) => ({
  storageClassName: storageClass,
  accessModes: [mode],
  resources: { requests: { storage: size } },
  ...spec,
});

export interface PodOptions {
  /** What it runs first; then it sleeps. */
  readonly script?: string;
  /** Mounted at /data, or a volume of another sort. */
  readonly claim?: string;
  readonly volume?: object;
  /** More keys of the mount: readOnly, subPath. */
  readonly mount?: object;
  /** More keys of the spec: securityContext, nodeSelector. */
  readonly spec?: object;
}

/** An ordinary user's pod with one volume at /data. */
export const pod = (name: string, options: PodOptions) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: podSpec(options),
});

export const podSpec = ({ script = 'true', claim: claimName, volume, mount = {}, spec = {} }: PodOptions) => ({
  terminationGracePeriodSeconds: 1,
  securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
  containers: [
    {
      name: 'shell',
      image: 'docker.io/library/busybox:1.36',
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-ec', `${script}\nexec sleep 3600`],
      volumeMounts: [{ name: 'data', mountPath: '/data', ...mount }],
    },
  ],
  volumes: [{ name: 'data', ...(volume ?? { persistentVolumeClaim: { claimName } }) }],
  ...spec,
});

/** A StorageClass of the local driver. */
export const localClass = (name: string, parameters: Readonly<Record<string, string>>, more: object = {}) => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name },
  provisioner: 'local.csi-subdir.dev',
  parameters,
  reclaimPolicy: 'Delete',
  allowVolumeExpansion: true,
  volumeBindingMode: 'WaitForFirstConsumer',
  ...more,
});
