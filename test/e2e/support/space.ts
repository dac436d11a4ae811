import { apply, eventually, kubectl, list, read, run } from './cluster.ts';
import { type ClaimOptions, claim, type PodOptions, pod } from './objects.ts';

/** A namespace of one test file, and what its tests do there. */
export interface Space {
  readonly namespace: string;
  readonly apply: (...objects: readonly object[]) => Promise<void>;
  readonly claim: (name: string, options: ClaimOptions) => Promise<void>;
  /** Makes a pod and waits until it runs. */
  readonly pod: (name: string, options: PodOptions) => Promise<void>;
  /** What a script in a pod's container has printed. */
  readonly sh: (pod: string, script: string) => Promise<string>;
  readonly running: (pod: string) => Promise<void>;
  /** Deletes objects, `pod/a`, and waits until they are gone. */
  readonly remove: (...names: readonly string[]) => Promise<void>;
  /** The volume that a claim is bound to. */
  readonly volumeOf: (claim: string) => Promise<Volume>;
  /** Messages of the events of an object. */
  readonly events: (name: string) => Promise<readonly string[]>;
  /** Warnings about storage in the namespace, except those that match: a test provoked them. */
  readonly warnings: (expected?: RegExp) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

export interface Volume {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly capacity: { readonly storage: string };
    readonly csi: { readonly volumeHandle: string; readonly volumeAttributes: Readonly<Record<string, string>> };
    readonly persistentVolumeReclaimPolicy: string;
  };
}

interface Event {
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

export const openSpace = async (namespace: string): Promise<Space> => {
  await kubectl('create', 'namespace', namespace);
  const inside = `--namespace=${namespace}`;
  const applyInside = (...objects: readonly object[]): Promise<void> =>
    apply(objects.map((object) => withNamespace(object, namespace)));
  const running = async (name: string): Promise<void> => {
    await kubectl(inside, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=90s');
  };
  return {
    namespace,
    apply: applyInside,
    running,
    claim: (name, options) => applyInside(claim(name, options)),
    pod: async (name, options) => {
      await applyInside(pod(name, options));
      await running(name);
    },
    sh: (name, script) => run('kubectl', [inside, 'exec', name, '--', 'sh', '-ec', script]),
    remove: async (...names) => {
      await kubectl(inside, 'delete', ...names, '--timeout=90s');
    },
    volumeOf: (name) =>
      eventually(`claim ${name} bound`, async () => {
        const { spec } = await read<{ readonly spec: { readonly volumeName?: string } }>(inside, 'pvc', name);
        return spec.volumeName === undefined ? false : read<Volume>('pv', spec.volumeName);
      }),
    events: async (name) =>
      (await list<Event>(inside, 'events', `--field-selector=involvedObject.name=${name}`)).map(
        ({ message }) => message,
      ),
    warnings: async (expected = /^$/) =>
      (await list<Event>(inside, 'events', '--field-selector=type=Warning'))
        .filter(({ reason }) => ABOUT_STORAGE.test(reason))
        .map(({ reason, message, involvedObject: { kind, name } }) => `${kind}/${name} ${reason}: ${message}`)
        .filter((warning) => !expected.test(warning) && !ORDINARY.test(warning)),
    close: async () => {
      await kubectl('delete', 'namespace', namespace, '--timeout=110s');
    },
  };
};

const withNamespace = (object: object, namespace: string): object => ({
  ...object,
  metadata: { ...(object as { readonly metadata?: object }).metadata, namespace },
});

/** Reasons of events that a storage driver can cause. A slow kubelet also warns about sandboxes and probes. */
const ABOUT_STORAGE = /Mount|Map|Attach|Volume|Provision|Claim|Resize|Expan|Modif|Snapshot|Scheduling|Binding/;

/**
 * Warnings that Kubernetes retries by itself on a busy machine: a claim does not exist, is not bound, or is not known to
 * the node yet, or the kubelet does not have the pod's service account token and root certificate yet. The scheduler
 * waits for a claim to have its volume, the kubelet for its phase to be Bound.
 */
const ORDINARY = new RegExp(
  [
    'FailedScheduling: .*waiting for ephemeral volume controller',
    'FailedScheduling: .*unbound immediate PersistentVolumeClaims',
    'FailedScheduling: .*persistentvolumeclaim "[^"]*" not found',
    'FailedMount: .*error processing PVC [^ ]*: PVC is not bound',
    'FailedMount: MountVolume.SetUp failed for volume "kube-api-access-',
    "FailedMount: .*no relationship found between node '[^']*' and this object",
  ].join('|'),
);
