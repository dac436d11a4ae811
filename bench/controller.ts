import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Volume__Output } from '../src/gen/csi/v1/Volume.ts';
import type { TestDriver } from '../test/support/driver.ts';
import { createVolume, GIB, mountCapability } from '../test/support/volume.ts';
import type { Measure } from './load.ts';
import { rest } from './memory.ts';

/** Makes volumes; and asks for each once more. */
export const makeVolumes = async (
  driver: TestDriver,
  count: number,
  measure: Measure,
): Promise<readonly Volume__Output[]> => {
  const names = nameVolumes(count);
  const volumes = await measure('CreateVolume', names, (name) => makeVolume(driver, name));
  await measure('CreateVolume again', names, (name) => makeVolume(driver, name));
  return volumes;
};

export const nameVolumes = (count: number): readonly string[] =>
  Array.from({ length: count }, () => `pvc-${randomUUID()}`);

/** As external-provisioner asks for one, with --extra-create-metadata. */
export const makeVolume = (driver: TestDriver, name: string): Promise<Volume__Output> =>
  createVolume(driver, name, {
    'csi.storage.k8s.io/pvc/namespace': 'bench',
    'csi.storage.k8s.io/pvc/name': `data-${name.slice(-12)}`,
    'csi.storage.k8s.io/pv/name': name,
  });

/** The calls for volumes that are there. */
export const askController = async (
  { controller, identity }: TestDriver,
  volumes: readonly Volume__Output[],
  measure: Measure,
): Promise<void> => {
  await measure('ControllerExpandVolume', volumes, ({ volume_id }) =>
    controller.ControllerExpandVolume({ volume_id, capacity_range: { required_bytes: 2 * GIB } }),
  );
  await measure('ControllerModifyVolume', volumes, ({ volume_id }) =>
    controller.ControllerModifyVolume({ volume_id, mutable_parameters: { mode: '0770' } }),
  );
  await measure('ControllerGetVolume', volumes, ({ volume_id }) => controller.ControllerGetVolume({ volume_id }));
  await measure('ValidateVolumeCapabilities', volumes, ({ volume_id, volume_context }) =>
    controller.ValidateVolumeCapabilities({
      volume_id,
      volume_context,
      volume_capabilities: [mountCapability()],
    }),
  );
  await measure('ListVolumes, 100', volumes, () => controller.ListVolumes({ max_entries: 100 }));
  await measure('GetCapacity', volumes, () => controller.GetCapacity({}));
  await measure('Probe', volumes, () => identity.Probe({}));
};

/** Deletes volumes, and waits until their data is purged too: it is not to run beside what is measured next. */
export const deleteVolumes = async (
  { controller, root }: TestDriver,
  volumes: readonly Volume__Output[],
  measure: Measure,
): Promise<void> => {
  await measure('DeleteVolume', volumes, ({ volume_id }) => controller.DeleteVolume({ volume_id }));
  while ((await readdir(join(root, '.csi-subdir/trash'))).length > 0) await rest(20);
};
