import { existsSync } from 'node:fs';
import { chown, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRoot, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import {
  codeOf,
  createVolume,
  GIB,
  kubeletPaths,
  mountCapability,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

describe.runIf(isRoot)('a volume from its making to its end', () => {
  let driver: TestDriver;
  beforeAll(async () => {
    driver = await startDriver({ pool: { capacity: '10Gi', mode: '0770', gid: 1234 } });
  });
  afterAll(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  it('keeps what a pod has written for the next pod', async () => {
    const volume = await createVolume(driver, 'pvc-1');
    const first = await kubeletPaths(driver, 'pvc-1', 'pod-1');
    const second = await kubeletPaths(driver, 'pvc-1', 'pod-2');
    await stage(driver, volume, first.staging);
    await publish(driver, volume, first);
    await writeFile(join(first.target, 'note'), 'still here');
    await unpublish(driver, volume.volume_id, first.target);
    expect(existsSync(first.target)).toBe(false);
    await publish(driver, volume, second, { readonly: true });
    expect(await readFile(join(second.target, 'note'), 'utf8')).toBe('still here');
    await expect(writeFile(join(second.target, 'note'), 'x')).rejects.toMatchObject({ code: 'EROFS' });
    await unpublish(driver, volume.volume_id, second.target);
    await unstage(driver, volume.volume_id, first.staging);
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
    expect(existsSync(join(driver.root, 'pvc-1'))).toBe(false);
  });

  it('gives the directory its mode and owner', async () => {
    const volume = await createVolume(driver, 'pvc-owned', { uid: '55' });
    const { mode, uid, gid } = await stat(join(driver.root, 'pvc-owned'));
    expect([mode & 0o7777, uid, gid]).toEqual([0o770, 55, 1234]);
    await driver.controller.ControllerModifyVolume({
      volume_id: volume.volume_id,
      mutable_parameters: { mode: '2750', gid: '7' },
    });
    const changed = await stat(join(driver.root, 'pvc-owned'));
    expect([changed.mode & 0o7777, changed.uid, changed.gid]).toEqual([0o2750, 55, 7]);
    await chown(join(driver.root, 'pvc-owned'), 9, 9);
    await driver.controller.ControllerModifyVolume({
      volume_id: volume.volume_id,
      mutable_parameters: { onDelete: 'delete' },
    });
    await driver.controller.ControllerModifyVolume({
      volume_id: volume.volume_id,
      mutable_parameters: { onDelete: 'archive' },
    });
    expect((await stat(join(driver.root, 'pvc-owned'))).uid).toBe(9);
    await driver.controller.ControllerModifyVolume({
      volume_id: volume.volume_id,
      mutable_parameters: { onDelete: 'delete' },
    });
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
  });

  it('names the directory by the template, from the claim', async () => {
    const claim = {
      'csi.storage.k8s.io/pvc/namespace': 'shop',
      'csi.storage.k8s.io/pvc/name': 'orders',
      'csi.storage.k8s.io/pv/name': 'pvc-t',
    };
    const volume = await createVolume(driver, 'pvc-t', claim);
    expect(volume.volume_context).toEqual({ pool: 'main', directory: 'shop-orders-pvc-t', volume: 'pvc-t' });
    expect(volume.accessible_topology).toEqual([{ segments: { 'topology.local.csi-subdir.dev/node': 'node-1' } }]);
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
  });

  it('stays within the budget of the pool', async () => {
    const volume = await createVolume(driver, 'pvc-big', {}, 8 * GIB);
    const left = await driver.controller.GetCapacity({});
    expect([left.available_capacity, left.maximum_volume_size?.value, left.minimum_volume_size?.value]).toEqual([
      2 * GIB,
      2 * GIB,
      1,
    ]);
    expect(await outcomeOf(createVolume(driver, 'pvc-more', {}, 3 * GIB))).toEqual({
      code: 'RESOURCE_EXHAUSTED',
      details: `the pool's capacity is used up: ${2 * GIB} of ${10 * GIB} bytes are left, ${3 * GIB} were asked for`,
    });
    const expand = (bytes: number) =>
      driver.controller.ControllerExpandVolume({
        volume_id: volume.volume_id,
        capacity_range: { required_bytes: bytes },
      });
    expect(await codeOf(expand(11 * GIB))).toBe('RESOURCE_EXHAUSTED');
    expect((await expand(9 * GIB)).capacity_bytes).toBe(9 * GIB);
    expect((await expand(1 * GIB)).capacity_bytes).toBe(9 * GIB);
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
    expect((await driver.controller.GetCapacity({})).available_capacity).toBe(10 * GIB);
  });

  it('retains or archives on request, and adopts only when told', async () => {
    const make = (name: string, extra: Record<string, string>) =>
      createVolume(driver, name, {
        directory: '{namespace}/{claim}',
        'csi.storage.k8s.io/pvc/namespace': 'by-name',
        'csi.storage.k8s.io/pvc/name': 'data',
        ...extra,
      });
    const kept = await make('pvc-keep', { onDelete: 'retain' });
    await writeFile(join(driver.root, 'by-name/data/precious'), 'x');
    await driver.controller.DeleteVolume({ volume_id: kept.volume_id });
    expect(await outcomeOf(make('pvc-again', {}))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('existing: adopt'),
    });
    const adopted = await make('pvc-adopt', { existing: 'adopt', onDelete: 'archive' });
    expect(await codeOf(make('pvc-second', { existing: 'adopt' }))).toBe('FAILED_PRECONDITION');
    await driver.controller.DeleteVolume({ volume_id: adopted.volume_id });
    const [archived] = await readdir(join(driver.root, 'by-name'));
    expect(archived).toMatch(/^archived-data-[0-9a-f]{8}$/);
    expect(await readdir(join(driver.root, 'by-name', archived ?? ''))).toEqual(['precious']);
  });

  it('allows one target only for ReadWriteOncePod', async () => {
    const volume = await createVolume(driver, 'pvc-rwop');
    const one = await kubeletPaths(driver, 'pvc-rwop', 'pod-1');
    const two = await kubeletPaths(driver, 'pvc-rwop', 'pod-2');
    const capability = mountCapability('SINGLE_NODE_SINGLE_WRITER');
    await stage(driver, volume, one.staging);
    await publish(driver, volume, one, { capability });
    await publish(driver, volume, one, { capability });
    expect(await codeOf(publish(driver, volume, two, { capability }))).toBe('FAILED_PRECONDITION');
    await unpublish(driver, volume.volume_id, one.target);
    await publish(driver, volume, two, { capability });
    await unpublish(driver, volume.volume_id, two.target);
    await unstage(driver, volume.volume_id, one.staging);
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
  });

  it('serves a static volume whose directory exists', async () => {
    const kept = await createVolume(driver, 'static', { directory: '{volume}', onDelete: 'retain' });
    await driver.controller.DeleteVolume({ volume_id: kept.volume_id });
    const volume = { ...kept, volume_id: 'anything the admin likes', volume_context: { directory: 'static' } };
    const paths = await kubeletPaths(driver, 'static');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths, { capability: mountCapability('MULTI_NODE_MULTI_WRITER', ['noexec,nosuid']) });
    await writeFile(join(paths.target, 'a'), '1');
    expect(await readFile(join(driver.root, 'static/a'), 'utf8')).toBe('1');
    await unpublish(driver, volume.volume_id, paths.target);
    await unstage(driver, volume.volume_id, paths.staging);
  });

  it('purges what was deleted', async () => {
    const trash = join(driver.root, '.csi-subdir/trash');
    await expect.poll(() => readdir(trash), { timeout: 60_000 }).toEqual([]);
  });
});
