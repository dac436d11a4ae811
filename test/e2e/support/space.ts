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
  /** Warnings of the namespace but for those that match: what a test has meant to go wrong. */
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

/**
 * What Kubernetes says about its own haste, and mends: a claim is not made, bound, or known to the node yet. A claim has
 * its volume before it is called Bound: the scheduler waits for the one, the kubelet for the other.
 */
const ORDINARY = new RegExp(
  [
    'FailedScheduling: .*waiting for ephemeral volume controller',
    'FailedScheduling: .*unbound immediate PersistentVolumeClaims',
    'FailedScheduling: .*persistentvolumeclaim "[^"]*" not found',
    'FailedMount: .*error processing PVC [^ ]*: PVC is not bound',
    'FailedMount: .*object "[^"]*"/"kube-root-ca.crt" not registered',
    "FailedMount: .*no relationship found between node '[^']*' and this object",
  ].join('|'),
);
