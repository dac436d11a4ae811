import type { Volume__Output } from '../src/gen/csi/v1/Volume.ts';
import type { TestDriver } from '../test/support/driver.ts';
import { kubeletPaths, publish, stage, unpublish, unstage } from '../test/support/volume.ts';
import type { Measure } from './load.ts';

/** Stages and publishes volumes and takes them away again: each call alone, then the pairs as the kubelet makes them. */
export const useOnNode = async (
  driver: TestDriver,
  volumes: readonly Volume__Output[],
  measure: Measure,
): Promise<void> => {
  const used = await Promise.all(volumes.map((volume) => use(driver, volume)));
  await measure('NodeStageVolume', used, (one) => one.stage());
  await measure('NodePublishVolume', used, (one) => one.publish());
  await measure('NodePublishVolume again', used, (one) => one.publish());
  await measure('NodeGetVolumeStats', used, (one) => one.stats());
  await measure('NodeUnpublishVolume', used, (one) => one.unpublish());
  await measure('NodeUnstageVolume', used, (one) => one.unstage());

  await measure('stage + publish', used, async (one) => {
    await one.stage();
    await one.publish();
  });
  await measure('unpublish + unstage', used, async (one) => {
    await one.unpublish();
    await one.unstage();
  });
};

const use = async (driver: TestDriver, volume: Volume__Output) => {
  const { volume_id } = volume;
  const paths = await kubeletPaths(driver, volume_id);
  return {
    stage: () => stage(driver, volume, paths.staging),
    publish: () => publish(driver, volume, paths),
    stats: () => driver.node.NodeGetVolumeStats({ volume_id, volume_path: paths.target }),
    unpublish: () => unpublish(driver, volume_id, paths.target),
    unstage: () => unstage(driver, volume_id, paths.staging),
  };
};
