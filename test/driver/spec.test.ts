import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import { isRoot, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, takeSnapshot } from '../support/snapshot.ts';
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

/** What the CSI specification requires, and neither csi-sanity nor another test shows: see test/spec/requirements.ts. */
describe.runIf(isRoot).each([false, true])('the specification (shared: %s)', (shared) => {
  let driver: TestDriver;
  let volume: Volume__Output;
  beforeAll(async () => {
    driver = await startDriver({ shared, pool: { capacity: '1Ti' } });
    await vi.waitFor(() => expect(driver.output()).toContain('"msg":"pool opened"'), { timeout: 60_000 });
    volume = await createVolume(driver, 'pvc-spec');
  });
  afterAll(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  const volume_capabilities = [mountCapability()];
  const create = (name: string, more: object = {}) =>
    driver.controller.CreateVolume({ name, volume_capabilities, capacity_range: { required_bytes: GIB }, ...more });
  const segments = { 'topology.local.csi-subdir.dev/node': 'node-1' };
  const elsewhere = { 'topology.local.csi-subdir.dev/node': 'node-2' };

  it('identity: capabilities do not depend on what an instance serves', async () => {
    const { capabilities } = await driver.identity.GetPluginCapabilities({});
    const node = await startDriver({ shared, flags: ['--mode', 'node'] });
    try {
      expect((await node.identity.GetPluginCapabilities({})).capabilities).toEqual(capabilities);
    } finally {
      await node.stop();
      await removeHome(node.home);
    }
  });

  it('what is not claimed is UNIMPLEMENTED', async () => {
    const { controller } = driver;
    const calls = [
      controller.ControllerPublishVolume({ volume_id: 'main/pvc-spec', node_id: 'node-1' }),
      controller.ControllerUnpublishVolume({ volume_id: 'main/pvc-spec' }),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(['UNIMPLEMENTED', 'UNIMPLEMENTED']);
  });

  it('CreateVolume: the same name with anything else is ALREADY_EXISTS, the same request gives the same volume', async () => {
    const request = { parameters: { mode: '0750' }, mutable_parameters: { onDelete: 'retain' } };
    const { volume: first } = await create('pvc-same', request);
    expect((await create('pvc-same', request)).volume).toEqual(first);
    const others = [
      { ...request, parameters: {} },
      { ...request, parameters: { mode: '0700' } },
      { ...request, capacity_range: { required_bytes: 2 * GIB } },
      { ...request, volume_content_source: { volume: { volume_id: 'main/pvc-spec' } } },
    ];
    for (const other of others) expect(await codeOf(create('pvc-same', other))).toBe('ALREADY_EXISTS');
  });

  it('CreateVolume: mutable parameters take precedence over parameters', async () => {
    await create('pvc-mutable', { parameters: { onDelete: 'delete' }, mutable_parameters: { onDelete: 'retain' } });
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-mutable' });
    expect(await readdir(driver.root)).toContain('pvc-mutable');
  });

  it('CreateVolume: the size is within the range that was asked for', async () => {
    const sizeOf = async (name: string, capacity_range: object) =>
      Number((await create(name, { capacity_range })).volume?.capacity_bytes);
    expect(await sizeOf('pvc-least', { required_bytes: 5_000 })).toBeGreaterThanOrEqual(5_000);
    expect(await sizeOf('pvc-exact', { required_bytes: GIB, limit_bytes: GIB })).toBe(GIB);
    expect(await sizeOf('pvc-most', { limit_bytes: GIB })).toBeLessThanOrEqual(GIB);
    const wrong = [{ required_bytes: 2 * GIB, limit_bytes: GIB }, { required_bytes: -1 }, { limit_bytes: -1 }];
    for (const capacity_range of wrong)
      expect(await codeOf(create('pvc-wrong', { capacity_range }))).toMatch(/^(INVALID_ARGUMENT|OUT_OF_RANGE)$/);
  });

  it('CreateVolume: a source is reported, and may not be larger than the volume', async () => {
    const volume_content_source = { volume: { volume_id: 'main/pvc-spec' } };
    const clone = await createFrom(driver, 'pvc-clone', 'main/pvc-spec', { bytes: 2 * GIB });
    expect(clone.content_source?.volume?.volume_id).toBe('main/pvc-spec');
    expect(Number(clone.capacity_bytes)).toBe(2 * GIB);
    const capacity_range = { required_bytes: GIB / 2, limit_bytes: GIB / 2 };
    expect(await codeOf(create('pvc-small', { volume_content_source, capacity_range }))).toBe('OUT_OF_RANGE');
  });

  it.skipIf(shared)(
    'CreateVolume: the topology of the volume is one that was asked for, or there is none',
    async () => {
      const requirement = (...requisite: object[]) => ({ accessibility_requirements: { requisite } });
      const both = await create('pvc-topology', requirement({ segments: elsewhere }, { segments }));
      expect(both.volume?.accessible_topology).toEqual([{ segments }]);
      expect(await codeOf(create('pvc-elsewhere', requirement({ segments: elsewhere })))).toBe('RESOURCE_EXHAUSTED');
    },
  );

  it('every access mode that is claimed is accepted, and the older one beside the newer ones', async () => {
    const modes = [
      'SINGLE_NODE_WRITER',
      'SINGLE_NODE_READER_ONLY',
      'SINGLE_NODE_SINGLE_WRITER',
      'SINGLE_NODE_MULTI_WRITER',
      'MULTI_NODE_READER_ONLY',
      'MULTI_NODE_SINGLE_WRITER',
      'MULTI_NODE_MULTI_WRITER',
    ] as const;
    const capabilities = modes.map((mode) => mountCapability(mode));
    const request = { volume_id: volume.volume_id, volume_context: volume.volume_context };
    const { confirmed } = await driver.controller.ValidateVolumeCapabilities({
      ...request,
      volume_capabilities: capabilities,
    });
    expect(confirmed?.volume_capabilities.map(({ access_mode }) => access_mode?.mode)).toEqual(modes);
    const unknown = { access_mode: { mode: 'UNKNOWN' as const }, mount: {} };
    expect(await codeOf(create('pvc-unknown', { volume_capabilities: [unknown] }))).toBe('INVALID_ARGUMENT');
  });

  it('lists: never more entries than asked for, and a negative number is INVALID_ARGUMENT', async () => {
    await createVolume(driver, 'pvc-second');
    for (const name of ['snap-1', 'snap-2']) await takeSnapshot(driver, name, 'main/pvc-spec');
    const { controller } = driver;
    const [volumes, snapshots] = [
      await controller.ListVolumes({ max_entries: 1 }),
      await controller.ListSnapshots({ max_entries: 1 }),
    ];
    expect([volumes.entries.length, snapshots.entries.length]).toEqual([1, 1]);
    expect([volumes.next_token, snapshots.next_token]).not.toContain('');
    const negative = { max_entries: -1 };
    for (const call of [controller.ListVolumes(negative), controller.ListSnapshots(negative)])
      expect(await codeOf(call)).toBe('INVALID_ARGUMENT');
    expect(await codeOf(controller.ListSnapshots({ starting_token: 'nonsense' }))).toBe('ABORTED');
  });

  it('ControllerGetVolume: a volume that does not exist is NOT_FOUND, one that exists has a condition', async () => {
    const get = (volume_id: string) => driver.controller.ControllerGetVolume({ volume_id });
    expect(await codeOf(get('main/none'))).toBe('NOT_FOUND');
    const { volume: found, status } = await get('main/pvc-spec');
    expect(found?.volume_id).toBe('main/pvc-spec');
    expect(status?.volume_condition?.message).not.toBe('');
  });

  it('ControllerModifyVolume: the same again is fine, and of what is refused nothing is applied', async () => {
    const modify = (mutable_parameters: Record<string, string>) =>
      driver.controller.ControllerModifyVolume({ volume_id: 'main/pvc-second', mutable_parameters });
    await modify({ onDelete: 'retain' });
    await modify({ onDelete: 'retain' });
    for (const refused of [
      { onDelete: 'delete', nonsense: 'x' },
      { onDelete: 'delete', mode: '9' },
    ])
      expect(await codeOf(modify(refused))).toBe('INVALID_ARGUMENT');
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-second' });
    expect(await readdir(driver.root)).toContain('pvc-second');
  });

  it('GetCapacity: what parameters, capabilities and topology ask for is taken into account', async () => {
    const capacity = async (request: object) =>
      Number((await driver.controller.GetCapacity(request)).available_capacity);
    expect(await capacity({})).toBeGreaterThan(0);
    expect(await capacity({ parameters: { pool: 'main' }, volume_capabilities })).toBeGreaterThan(0);
    expect(await capacity({ volume_capabilities: [{ ...mountCapability(), mount: undefined, block: {} }] })).toBe(0);
    if (!shared) expect(await capacity({ accessible_topology: { segments: elsewhere } })).toBe(0);
  });

  it('CreateSnapshot: a source that does not exist is NOT_FOUND', async () => {
    const request = { name: 'snap-none', source_volume_id: 'main/none' };
    expect(await codeOf(driver.controller.CreateSnapshot(request))).toBe('NOT_FOUND');
  });

  it('groups: other sources for the same name are ALREADY_EXISTS, members know their group and have no life of their own', async () => {
    const { groupController, controller } = driver;
    const sources = ['main/pvc-spec', 'main/pvc-clone'];
    const request = { name: 'group', source_volume_ids: sources };
    const { group_snapshot: group } = await groupController.CreateVolumeGroupSnapshot(request);
    expect((await groupController.CreateVolumeGroupSnapshot(request)).group_snapshot).toEqual(group);
    const other = { ...request, source_volume_ids: ['main/pvc-spec'] };
    expect(await codeOf(groupController.CreateVolumeGroupSnapshot(other))).toBe('ALREADY_EXISTS');
    const unknown = { name: 'group-2', source_volume_ids: ['main/pvc-spec', 'main/none'] };
    expect(await codeOf(groupController.CreateVolumeGroupSnapshot(unknown))).toBe('NOT_FOUND');
    const group_snapshot_id = group?.group_snapshot_id ?? '';
    const ids = group?.snapshots.map(({ snapshot_id }) => snapshot_id) ?? [];
    expect(group?.snapshots.map((member) => member.group_snapshot_id)).toEqual([group_snapshot_id, group_snapshot_id]);
    for (const snapshot_id of ids)
      expect(await codeOf(controller.DeleteSnapshot({ snapshot_id }))).toBe('INVALID_ARGUMENT');
    const get = (snapshot_ids: string[]) =>
      codeOf(groupController.GetVolumeGroupSnapshot({ group_snapshot_id, snapshot_ids }));
    expect([await get(ids), await get(ids.slice(1))]).toEqual(['OK', 'INVALID_ARGUMENT']);
    await groupController.DeleteVolumeGroupSnapshot({ group_snapshot_id, snapshot_ids: ids });
    for (const snapshot_id of ids) expect(await codeOf(controller.GetSnapshot({ snapshot_id }))).toBe('NOT_FOUND');
    expect(await codeOf(groupController.DeleteVolumeGroupSnapshot({ group_snapshot_id, snapshot_ids: ids }))).toBe(
      'OK',
    );
  });

  it('expansion: the same again is fine, a volume never shrinks, and what cannot be is OUT_OF_RANGE or NOT_FOUND', async () => {
    const grown = await createVolume(driver, 'pvc-grown');
    const paths = await kubeletPaths(driver, 'pvc-grown');
    await stage(driver, grown, paths.staging);
    await publish(driver, grown, paths);
    const expand = async (capacity_range: object, volume_id = grown.volume_id): Promise<number> => {
      const request = { volume_id, capacity_range };
      const { capacity_bytes } = shared
        ? await driver.controller.ControllerExpandVolume(request)
        : await driver.node.NodeExpandVolume({ ...request, volume_path: paths.target });
      return Number(capacity_bytes);
    };
    expect(await expand({ required_bytes: 2 * GIB })).toBe(2 * GIB);
    expect(await expand({ required_bytes: 2 * GIB })).toBe(2 * GIB);
    expect(await expand({ required_bytes: GIB })).toBe(2 * GIB);
    expect(await codeOf(expand({ required_bytes: 3 * GIB, limit_bytes: GIB }))).toMatch(
      /^(INVALID_ARGUMENT|OUT_OF_RANGE)$/,
    );
    expect(await codeOf(expand({ required_bytes: 3 * GIB }, 'main/none'))).toBe('NOT_FOUND');
    await unpublish(driver, grown.volume_id, paths.target);
    await unstage(driver, grown.volume_id, paths.staging);
  });

  it('node: staging and publishing again is fine, otherwise than before is ALREADY_EXISTS, undoing twice is fine', async () => {
    const paths = await kubeletPaths(driver, 'pvc-spec');
    for (const _ of [1, 2]) await stage(driver, volume, paths.staging);
    for (const _ of [1, 2]) await publish(driver, volume, paths);
    expect(await codeOf(publish(driver, volume, paths, { readonly: true }))).toBe('ALREADY_EXISTS');
    for (const _ of [1, 2]) await unpublish(driver, volume.volume_id, paths.target);
    await expect(readdir(paths.target)).rejects.toThrow('ENOENT');
    for (const _ of [1, 2]) await unstage(driver, volume.volume_id, paths.staging);
  });

  it('node: a volume that does not exist is NOT_FOUND, and no staging path is FAILED_PRECONDITION', async () => {
    const paths = await kubeletPaths(driver, 'pvc-none');
    const none = await createVolume(driver, 'pvc-none');
    await driver.controller.DeleteVolume({ volume_id: none.volume_id });
    expect(await codeOf(stage(driver, none, paths.staging))).toBe('NOT_FOUND');
    expect(await codeOf(publish(driver, none, paths))).toBe('NOT_FOUND');
    expect(await codeOf(publish(driver, volume, { ...paths, staging: '' }))).toBe('FAILED_PRECONDITION');
  });

  it('node: a path of 128 bytes is accepted, and one that is not absolute is not', async () => {
    const name = 'p'.repeat(200);
    const staging = join(driver.kubeletDir, name, 'globalmount');
    const target = join(driver.kubeletDir, name, 'mount');
    await mkdir(staging, { recursive: true });
    await stage(driver, volume, staging);
    await publish(driver, volume, { staging, target });
    await unpublish(driver, volume.volume_id, target);
    await unstage(driver, volume.volume_id, staging);
    expect(await codeOf(stage(driver, volume, 'staging'))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(publish(driver, volume, { staging, target: 'target' }))).toBe('INVALID_ARGUMENT');
  });

  it('node: what it says of itself fits, and a local driver says where it is', async () => {
    const info = await driver.node.NodeGetInfo({});
    expect(Buffer.byteLength(info.node_id)).toBeLessThanOrEqual(256);
    expect(Number(info.max_volumes_per_node)).toBeGreaterThanOrEqual(0);
    expect(info.accessible_topology).toEqual(shared ? null : { segments });
    const { capabilities } = await driver.identity.GetPluginCapabilities({});
    const types = capabilities.map(({ service }) => service?.type);
    expect(types.includes('VOLUME_ACCESSIBILITY_CONSTRAINTS')).toBe(!shared);
  });

  it('node: statistics are never negative, and have a condition', async () => {
    const paths = await kubeletPaths(driver, 'pvc-spec');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths);
    const { usage, volume_condition } = await driver.node.NodeGetVolumeStats({
      volume_id: volume.volume_id,
      volume_path: paths.target,
    });
    for (const { total, used, available } of usage)
      for (const value of [total, used, available]) expect(Number(value)).toBeGreaterThanOrEqual(0);
    expect(volume_condition?.abnormal).toBe(false);
    await unpublish(driver, volume.volume_id, paths.target);
    await unstage(driver, volume.volume_id, paths.staging);
  });
});
