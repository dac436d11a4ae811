import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, createSnapshot, dataOfSnapshot, OWN_FOLDERS, takeSnapshot } from '../support/snapshot.ts';
import { codeOf, createVolume, GIB, outcomeOf } from '../support/volume.ts';

describe.runIf(isRoot)('a snapshot', () => {
  let driver: TestDriver;
  const homes: string[] = [];
  beforeEach(async () => {
    const other = await makeHome();
    driver = await startDriver({ pools: { other: { hostPath: { path: other } } } });
    homes.push(driver.home, other);
    await createVolume(driver, 'pvc-1', { pool: 'main' });
    await writeFile(join(driver.root, 'pvc-1/file'), 'before');
  });
  afterEach(async () => {
    await driver.stop();
    for (const home of homes.splice(0)) await removeHome(home);
  });
  const remove = (id: string) =>
    id.includes('@')
      ? driver.controller.DeleteSnapshot({ snapshot_id: id })
      : driver.controller.DeleteVolume({ volume_id: id });
  const read = (volume: string) => readFile(join(driver.root, volume, 'file'), 'utf8');
  const own = (folder: string) => readdir(join(driver.root, '.csi-subdir', folder));

  it('holds what was there when it was taken, and outlives its volume', async () => {
    const snapshot = await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    expect(snapshot).toMatchObject({
      snapshot_id: 'main@snap-1',
      source_volume_id: 'main/pvc-1',
      group_snapshot_id: '',
    });
    expect(Number(snapshot.size_bytes)).toBe(GIB);
    expect(Math.abs(Number(snapshot.creation_time?.seconds) - Date.now() / 1000)).toBeLessThan(60);
    await writeFile(join(driver.root, 'pvc-1/file'), 'after');
    expect(await takeSnapshot(driver, 'snap-1', 'main/pvc-1')).toEqual(snapshot);
    await remove('main/pvc-1');
    expect(await takeSnapshot(driver, 'snap-1', 'main/pvc-1')).toEqual(snapshot);
    const volume = await createFrom(driver, 'pvc-2', 'main@snap-1', { parameters: { pool: 'main' } });
    expect(volume.content_source?.snapshot?.snapshot_id).toBe('main@snap-1');
    expect(await read('pvc-2')).toBe('before');
    await remove('main@snap-1');
    expect(await createFrom(driver, 'pvc-2', 'main@snap-1', { parameters: { pool: 'main' } })).toEqual(volume);
    await remove('main/pvc-2');
    await remove('main@snap-1');
    const left = () => Promise.all(OWN_FOLDERS.map(own));
    await expect.poll(left, { timeout: 60_000 }).toEqual(OWN_FOLDERS.map(() => []));
    expect(await readdir(driver.root)).toEqual(['.csi-subdir']);
  });

  it('is told from a volume of the same name', async () => {
    await takeSnapshot(driver, 'pvc-1', 'main/pvc-1');
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@pvc-2', { parameters: { pool: 'main' } }))).toBe('NOT_FOUND');
    expect(await codeOf(createSnapshot(driver, 'snap-2', 'main@pvc-1'))).toBe('NOT_FOUND');
    expect(await codeOf(driver.controller.DeleteVolume({ volume_id: 'main@pvc-1' }))).toBe('OK');
    expect(await codeOf(driver.controller.DeleteSnapshot({ snapshot_id: 'main/pvc-1' }))).toBe('OK');
    expect([await own('volumes'), await own('snapshots'), await own('data')]).toEqual([
      ['pvc-1.json'],
      ['pvc-1.json'],
      [expect.stringMatching(/^snapshot-pvc-1@/)],
    ]);
  });

  it('has one source, and a volume from it too', async () => {
    await createVolume(driver, 'pvc-2', { pool: 'other' });
    await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    expect(await codeOf(createSnapshot(driver, 'snap-1', 'other/pvc-2'))).toBe('ALREADY_EXISTS');
    const parameters = { pool: 'main' };
    await createFrom(driver, 'pvc-3', 'main@snap-1', { parameters });
    expect(await codeOf(createFrom(driver, 'pvc-3', 'main/pvc-1', { parameters }))).toBe('ALREADY_EXISTS');
    expect(await codeOf(createVolume(driver, 'pvc-3', parameters))).toBe('ALREADY_EXISTS');
    expect(await outcomeOf(createFrom(driver, 'pvc-4', 'main@snap-1', { parameters, bytes: GIB - 1 }))).toEqual({
      code: 'OUT_OF_RANGE',
      details: `capacity_range: expected at least the ${GIB} bytes of the source`,
    });
    expect(await own('volumes')).toEqual(['pvc-1.json', 'pvc-3.json']);
  });

  it('is restored to another pool, and a volume is cloned to it', async () => {
    await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    const parameters = { pool: 'other' };
    for (const [name, source] of [
      ['pvc-2', 'main@snap-1'],
      ['pvc-3', 'main/pvc-1'],
    ] as const) {
      expect((await createFrom(driver, name, source, { parameters })).volume_id).toBe(`other/${name}`);
      expect(await readFile(join(homes[1] ?? '', name, 'file'), 'utf8')).toBe('before');
    }
  });

  it('keeps owner and mode of the directory, unless the new volume names its own', async () => {
    await createVolume(driver, 'pvc-2', { pool: 'main', mode: '2750', uid: '1001', gid: '1002' });
    const ownerOf = async (volume: string) => {
      const { mode, uid, gid } = await stat(join(driver.root, volume));
      return [(mode & 0o7777).toString(8), uid, gid];
    };
    await createFrom(driver, 'pvc-3', 'main/pvc-2', { parameters: { pool: 'main' } });
    await createFrom(driver, 'pvc-4', 'main/pvc-2', { parameters: { pool: 'main', mode: '0700' } });
    expect([await ownerOf('pvc-3'), await ownerOf('pvc-4')]).toEqual([
      ['2750', 1001, 1002],
      ['700', 1001, 1002],
    ]);
  });

  it('is listed by id, by volume and in pages', async () => {
    await createVolume(driver, 'pvc-2', { pool: 'other' });
    for (const name of ['c', 'a', 'b']) await takeSnapshot(driver, name, 'main/pvc-1');
    await takeSnapshot(driver, 'd', 'other/pvc-2');
    const list = async (request: object) => {
      const { entries, next_token } = await driver.controller.ListSnapshots(request);
      return [...entries.map(({ snapshot }) => snapshot?.snapshot_id), next_token];
    };
    expect(await list({})).toEqual(['main@a', 'main@b', 'main@c', 'other@d', '']);
    expect(await list({ snapshot_id: 'main@b' })).toEqual(['main@b', '']);
    expect(await list({ source_volume_id: 'other/pvc-2' })).toEqual(['other@d', '']);
    expect(await list({ max_entries: 2 })).toEqual(['main@a', 'main@b', 'main@b']);
    await remove('main@b');
    expect(await list({ max_entries: 2, starting_token: 'main@b' })).toEqual(['main@c', 'other@d', '']);
    expect(await codeOf(list({ starting_token: 'main/b' }))).toBe('ABORTED');
    expect((await driver.controller.GetSnapshot({ snapshot_id: 'main@a' })).snapshot?.ready_to_use).toBe(true);
    expect(await codeOf(driver.controller.GetSnapshot({ snapshot_id: 'main@b' }))).toBe('NOT_FOUND');
  });

  it('is one of a group, taken together and deleted together', async () => {
    await createVolume(driver, 'pvc-2', { pool: 'other' });
    const take = async (...source_volume_ids: string[]) =>
      (await driver.groupController.CreateVolumeGroupSnapshot({ name: 'group-1', source_volume_ids })).group_snapshot;
    const group = await take('main/pvc-1', 'other/pvc-2');
    expect(group).toMatchObject({
      group_snapshot_id: 'group:group-1',
      ready_to_use: true,
      snapshots: ['main/pvc-1', 'other/pvc-2'].map((source_volume_id) => ({
        source_volume_id,
        group_snapshot_id: 'group:group-1',
      })),
    });
    const snapshot_ids = (group?.snapshots ?? []).map(({ snapshot_id }) => snapshot_id);
    const restored = await createFrom(driver, 'pvc-3', snapshot_ids[0] ?? '', { parameters: { pool: 'main' } });
    expect([restored.volume_id, await read('pvc-3')]).toEqual(['main/pvc-3', 'before']);
    await remove('other/pvc-2');
    expect(await take('other/pvc-2', 'main/pvc-1')).toEqual(group);
    expect(await codeOf(take('main/pvc-1'))).toBe('ALREADY_EXISTS');
    expect(await codeOf(remove(snapshot_ids[0] ?? ''))).toBe('INVALID_ARGUMENT');
    const which = { group_snapshot_id: 'group:group-1', snapshot_ids };
    const wrong = { ...which, snapshot_ids: ['main@x'] };
    expect((await driver.groupController.GetVolumeGroupSnapshot(which)).group_snapshot).toEqual(group);
    expect(await codeOf(driver.groupController.DeleteVolumeGroupSnapshot(wrong))).toBe('INVALID_ARGUMENT');
    await driver.groupController.DeleteVolumeGroupSnapshot(which);
    await driver.groupController.DeleteVolumeGroupSnapshot(which);
    expect(await codeOf(driver.groupController.GetVolumeGroupSnapshot(which))).toBe('NOT_FOUND');
    expect([await own('snapshots'), await own('data')]).toEqual([[], []]);
  });

  it('is not taken where another one of its group cannot be', async () => {
    const source_volume_ids = ['main/pvc-1', 'other/pvc-unknown'];
    const take = driver.groupController.CreateVolumeGroupSnapshot({ name: 'group-1', source_volume_ids });
    expect(await codeOf(take)).toBe('NOT_FOUND');
    expect([await own('snapshots'), await own('data')]).toEqual([[], []]);
  });

  it('is not made where its data has gone', async () => {
    await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    await rm(await dataOfSnapshot(driver.root, 'snap-1'), { recursive: true });
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@snap-1', { parameters: { pool: 'main' } }))).toBe(
      'FAILED_PRECONDITION',
    );
    expect(await own('volumes')).toEqual(['pvc-1.json']);
  });
});
