import { nameRecord } from '../../src/domain/handle.ts';
import type { TestDriver } from './driver.ts';
import { kubeletPaths, mountCapability, unpublish } from './volume.ts';

/** As the kubelet makes the id of a volume that is written into a pod. */
export const INLINE_ID = `csi-${'0123456789abcdef'.repeat(4)}`;
export const INLINE_NAME = nameRecord(INLINE_ID);

/** What the kubelet adds for a pod of that name. */
export const podInfo = (name: string): Record<string, string> => ({
  'csi.storage.k8s.io/ephemeral': 'true',
  'csi.storage.k8s.io/pod.namespace': 'shop',
  'csi.storage.k8s.io/pod.name': name,
  'csi.storage.k8s.io/pod.uid': 'uid-1',
  'csi.storage.k8s.io/serviceAccount.name': 'default',
});

export const publishInline = async (
  driver: TestDriver,
  attributes: Readonly<Record<string, string>> = {},
  readonly = false,
): Promise<void> => {
  const { target } = await kubeletPaths(driver, INLINE_ID);
  await driver.node.NodePublishVolume({
    volume_id: INLINE_ID,
    target_path: target,
    volume_capability: mountCapability(),
    volume_context: { ...podInfo('web'), ...attributes },
    readonly,
  });
};

export const unpublishInline = async (driver: TestDriver): Promise<void> => {
  const { target } = await kubeletPaths(driver, INLINE_ID);
  await unpublish(driver, INLINE_ID, target);
};
