import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import { isRoot, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createSnapshot } from '../support/snapshot.ts';
import {
  codeOf,
  createVolume,
  GIB,
  kubeletPaths,
  mountCapability,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

/** The rules of the CSI spec about what belongs to which volume. */
describe.runIf(isRoot).each([false, true])('a request (shared: %s)', (shared) => {
  let driver: TestDriver;
  let one: Volume__Output;
  let two: Volume__Output;
  beforeEach(async () => {
    driver = await startDriver({ shared });
    await expect.poll(() => driver.output(), { timeout: 60_000 }).toContain('"msg":"pool opened"');
    one = await createVolume(driver, 'pvc-1');
    two = await createVolume(driver, 'pvc-2');
  });
  afterEach(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  it('with the volume_context of another volume is INVALID_ARGUMENT', async () => {
    const paths = await kubeletPaths(driver, 'pvc-1');
    const mixed = { ...one, volume_context: two.volume_context };
    expect(await codeOf(stage(driver, mixed, paths.staging))).toBe('INVALID_ARGUMENT');
    await stage(driver, one, paths.staging);
    expect(await codeOf(publish(driver, mixed, paths))).toBe('INVALID_ARGUMENT');
    const pretended = { ...one, volume_context: { ...one.volume_context, directory: 'pvc-2' } };
    expect(await codeOf(publish(driver, pretended, paths))).toBe('INVALID_ARGUMENT');
    await unstage(driver, one.volume_id, paths.staging);
  });

  it('for the statistics of a volume that is not mounted at the path is NOT_FOUND', async () => {
    const paths = await kubeletPaths(driver, 'pvc-1');
    await stage(driver, one, paths.staging);
    await publish(driver, one, paths);
    const stats = (volume_id: string) =>
      codeOf(driver.node.NodeGetVolumeStats({ volume_id, volume_path: paths.target }));
    expect(await stats('main/pvc-1')).toBe('OK');
    for (const other of ['main/pvc-2', 'main/unknown', 'unknown']) expect(await stats(other)).toBe('NOT_FOUND');
    await unpublish(driver, one.volume_id, paths.target);
    await unstage(driver, one.volume_id, paths.staging);
  });

  it('to list volumes reports the condition of each', async () => {
    const { entries } = await driver.controller.ListVolumes({});
    expect(entries.map(({ volume, status }) => [volume?.volume_id, status?.volume_condition?.abnormal])).toEqual([
      ['main/pvc-1', false],
      ['main/pvc-2', false],
    ]);
    const first = await driver.controller.ListVolumes({ max_entries: 1 });
    const second = await driver.controller.ListVolumes({ max_entries: 1, starting_token: first.next_token });
    expect([first, second].map((page) => page.entries.map(({ volume }) => volume?.volume_id))).toEqual([
      ['main/pvc-1'],
      ['main/pvc-2'],
    ]);
    expect(second.next_token).toBe('');
  });

  it('for block access is not confirmed, and there is no capacity for it', async () => {
    const block = { access_mode: { mode: 'SINGLE_NODE_WRITER' as const }, block: {} };
    const validated = await driver.controller.ValidateVolumeCapabilities({
      volume_id: 'main/pvc-1',
      volume_capabilities: [mountCapability(), block],
    });
    expect([validated.confirmed, validated.message]).toEqual([null, expect.stringContaining('block')]);
    const { available_capacity } = await driver.controller.GetCapacity({ volume_capabilities: [block] });
    expect(available_capacity).toBe(0);
  });

  it('for a group that exists names its snapshots', async () => {
    const source_volume_ids = ['main/pvc-1', 'main/pvc-2'];
    await driver.groupController.CreateVolumeGroupSnapshot({ name: 'group-1', source_volume_ids });
    const group = { group_snapshot_id: 'group:group-1', snapshot_ids: [] };
    expect(await codeOf(driver.groupController.GetVolumeGroupSnapshot(group))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(driver.groupController.DeleteVolumeGroupSnapshot(group))).toBe('INVALID_ARGUMENT');
    const unknown = { group_snapshot_id: 'group:none', snapshot_ids: [] };
    expect(await codeOf(driver.groupController.GetVolumeGroupSnapshot(unknown))).toBe('NOT_FOUND');
    expect(await codeOf(driver.groupController.DeleteVolumeGroupSnapshot(unknown))).toBe('OK');
  });

  it.skipIf(shared)('to expand a volume names where it is in use', async () => {
    const paths = await kubeletPaths(driver, 'pvc-1');
    const expand = (volume_path: string, staging_target_path = '') =>
      codeOf(
        driver.node.NodeExpandVolume({
          volume_id: 'main/pvc-1',
          volume_path,
          staging_target_path,
          capacity_range: { required_bytes: 2 * GIB },
        }),
      );
    expect(await expand(join(driver.kubeletDir, 'nowhere'))).toBe('NOT_FOUND');
    await mkdir(dirname(paths.target), { recursive: true });
    await writeFile(paths.target, '');
    expect(await expand(paths.target)).toBe('NOT_FOUND');
    expect(await expand(paths.staging, paths.staging)).toBe('OK');
  });

  it('for a snapshot answers with the size of its volume, and a volume of that size can be restored', async () => {
    await writeFile(join(driver.root, 'pvc-1/file'), 'x');
    const { size_bytes, ready_to_use } = await createSnapshot(driver, 'snap-1', 'main/pvc-1');
    expect([size_bytes, ready_to_use]).toEqual([GIB, true]);
    const restored = driver.controller.CreateVolume({
      name: 'pvc-3',
      capacity_range: { required_bytes: Number(size_bytes) },
      volume_capabilities: [mountCapability()],
      volume_content_source: { snapshot: { snapshot_id: 'main@snap-1' } },
    });
    expect(await codeOf(restored)).toBe('OK');
  });
});
