import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Snapshot__Output } from '../../src/gen/csi/v1/Snapshot.ts';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import type { TestDriver } from './driver.ts';
import { GIB, mountCapability } from './volume.ts';

export const createSnapshot = async (driver: TestDriver, name: string, volumeId: string): Promise<Snapshot__Output> => {
  const { snapshot } = await driver.controller.CreateSnapshot({ name, source_volume_id: volumeId });
  if (snapshot === null) throw new Error('CreateSnapshot answered no snapshot');
  return snapshot;
};

/** The same, again while the copy goes on, as the sidecar does. */
export const takeSnapshot = async (driver: TestDriver, name: string, volumeId: string): Promise<Snapshot__Output> => {
  for (;;) {
    try {
      return await createSnapshot(driver, name, volumeId);
    } catch (thrown) {
      const { code } = thrown as ServiceError;
      if (code !== status.DEADLINE_EXCEEDED && code !== status.ABORTED) throw thrown;
    }
  }
};

/** Where the data of a ready snapshot is, as its record says. */
export const dataOfSnapshot = async (root: string, name: string): Promise<string> => {
  const record = JSON.parse(await readFile(join(root, '.csi-subdir/snapshots', `${name}.json`), 'utf8'));
  return join(root, '.csi-subdir/data', record.data);
};

/** A volume from `main@…` (a snapshot) or `main/…` (a volume). */
export const createFrom = async (
  driver: TestDriver,
  name: string,
  source: string,
  { bytes = GIB, parameters = {} }: { readonly bytes?: number; readonly parameters?: Record<string, string> } = {},
): Promise<Volume__Output> => {
  const { volume } = await driver.controller.CreateVolume({
    name,
    parameters,
    capacity_range: { required_bytes: bytes },
    volume_capabilities: [mountCapability()],
    volume_content_source: source.includes('@')
      ? { snapshot: { snapshot_id: source } }
      : { volume: { volume_id: source } },
  });
  if (volume === null) throw new Error('CreateVolume answered no volume');
  return volume;
};

/** What a driver's own folders hold: nothing of it may be left over. */
export const OWN_FOLDERS = ['volumes', 'snapshots', 'data', 'copies', 'trash'] as const;
