/** What a list of a cluster's objects says about the volumes of a driver. */
export interface ClusterList {
  /** Handles of the driver's PersistentVolumes; undefined where the list has no PersistentVolumes at all. */
  readonly handles: ReadonlySet<string> | undefined;
  /** Pods as `namespace/name`; undefined where the list has none at all. */
  readonly pods: ReadonlySet<string> | undefined;
}

/**
 * Reads the JSON list of `kubectl get pv,pods --all-namespaces`. A kind that does not occur was probably not asked for: it
 * is taken as unknown, not as empty. Throws an Error for anything but such a list.
 */
export const parseCluster = (text: string, driver: string): ClusterList => {
  const { items } = JSON.parse(text) as { readonly items?: unknown };
  if (!Array.isArray(items)) throw new Error('no list');
  const objects = items as readonly KubernetesObject[];
  const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);
  const volumes = ofKind('PersistentVolume');
  const pods = ofKind('Pod');
  const handles = volumes.flatMap(({ spec }) => (spec?.csi?.driver === driver ? [spec.csi.volumeHandle ?? ''] : []));
  const names = pods.map(({ metadata }) => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
  return {
    handles: volumes.length === 0 ? undefined : new Set(handles),
    pods: pods.length === 0 ? undefined : new Set(names),
  };
};

interface KubernetesObject {
  readonly kind?: string;
  readonly metadata?: { readonly namespace?: string; readonly name?: string };
  readonly spec?: { readonly csi?: { readonly driver?: string; readonly volumeHandle?: string } };
}
