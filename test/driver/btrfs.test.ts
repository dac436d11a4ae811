import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Btrfs, canBtrfs, mountBtrfs } from '../support/btrfs.ts';
import { makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom } from '../support/snapshot.ts';
import { createVolume, kubeletPaths, publish, stage, unpublish, unstage } from '../support/volume.ts';

describe.runIf(canBtrfs)('a root on btrfs', () => {
  let home: string;
  let disk: Btrfs;
  let driver: TestDriver;
  beforeEach(async () => {
    home = await makeHome();
    disk = await mountBtrfs(home, { quota: false });
    driver = await startDriver({ home });
  });
  afterEach(async () => {
    await driver.stop();
    await disk.unmount();
    await removeHome(home);
  });
  const at = (...path: readonly string[]) => join(driver.root, ...path);
  const remove = (name: string) => driver.controller.DeleteVolume({ volume_id: `main/${name}` });
  const emptyTrash = () => expect.poll(() => readdir(at('.csi-subdir/trash')), { timeout: 60_000 }).toEqual([]);

  it('has subvolumes for volumes, with their owner and mode, below plain directories', async () => {
    const parameters = { directory: 'team/{volume}', mode: '2770', uid: '1000', gid: '2000' };
    await createVolume(driver, 'pvc-1', parameters);
    await createVolume(driver, 'pvc-1', parameters);
    expect(await disk.subvolumes()).toEqual(['team/pvc-1']);
    expect(await stat(at('team/pvc-1'))).toMatchObject({ mode: 0o42770, uid: 1000, gid: 2000 });
  });

  it('attaches a subvolume like any directory', async () => {
    const volume = await createVolume(driver, 'pvc-1');
    const paths = await kubeletPaths(driver, 'pvc-1');
    for (let turn = 0; turn < 2; turn += 1) {
      await stage(driver, volume, paths.staging);
      await publish(driver, volume, paths);
    }
    await writeFile(join(paths.target, 'note'), 'from the pod');
    expect(await readFile(at('pvc-1/note'), 'utf8')).toBe('from the pod');
    await unpublish(driver, volume.volume_id, paths.target);
    await unstage(driver, volume.volume_id, paths.staging);
  });

  it('is purged of subvolumes, and of those that pods have made in them', async () => {
    await createVolume(driver, 'pvc-1');
    await createVolume(driver, 'pvc-2');
    const inner = at('pvc-1/inner');
    await disk.btrfs('subvolume', 'create', inner);
    await mkdir(join(inner, 'deep'));
    await disk.btrfs('subvolume', 'create', join(inner, 'deep/innermost'));
    await writeFile(join(inner, 'deep/innermost/data'), 'x');
    await disk.btrfs('subvolume', 'snapshot', '-r', inner, at('pvc-1/read-only'));
    await remove('pvc-1');
    await emptyTrash();
    expect(await disk.subvolumes()).toEqual(['pvc-2']);
  });

  it('leaves alone what looks like the trash in a volume that lives', async () => {
    await createVolume(driver, 'pvc-1');
    await mkdir(at('pvc-1/.csi-subdir/trash'), { recursive: true });
    await disk.btrfs('subvolume', 'create', at('pvc-1/.csi-subdir/trash/precious'));
    await createVolume(driver, 'pvc-2');
    await remove('pvc-2');
    await emptyTrash();
    expect(await disk.subvolumes()).toEqual(['pvc-1', 'pvc-1/.csi-subdir/trash/precious']);
  });

  it('is not talked into deleting a volume by the name of a subvolume', async () => {
    await createVolume(driver, 'victim');
    await createVolume(driver, 'pvc-1');
    const id = (await disk.btrfs('inspect-internal', 'rootid', at('victim'))).trim();
    await remove('pvc-1');
    // Before the purge, as a pod could that still has the volume: it reads the name in its mount table.
    const [entry = ''] = await readdir(at('.csi-subdir/trash'));
    const lie = join(at('.csi-subdir/trash', entry, `x\nID ${id} gen 1 top level 5 path `, '.csi-subdir/trash', entry));
    await mkdir(lie, { recursive: true });
    await disk.btrfs('subvolume', 'create', join(lie, 'y'));
    expect(await disk.btrfs('subvolume', 'list', driver.root)).toContain(
      `\nID ${id} gen 1 top level 5 path /.csi-subdir`,
    );
    await emptyTrash();
    expect(await disk.subvolumes()).toEqual(['victim']);
  });

  it('keeps working with volumes that are plain directories, and purges what is in them', async () => {
    await mkdir(at('old/data'), { recursive: true });
    await disk.btrfs('subvolume', 'create', at('old/data/inner'));
    await writeFile(at('old/data/inner/file'), 'x');
    const volume = await createVolume(driver, 'old', { existing: 'adopt' });
    expect((await driver.controller.ControllerGetVolume({ volume_id: volume.volume_id })).status).toMatchObject({
      volume_condition: { abnormal: false },
    });
    await remove('old');
    await emptyTrash();
    expect([await disk.subvolumes(), await readdir(driver.root)]).toEqual([[], ['.csi-subdir']]);
  });

  it('takes back an unfinished volume that is a subvolume', async () => {
    await createVolume(driver, 'pvc-1');
    const record = at('.csi-subdir/volumes/pvc-1.json');
    await driver.stop();
    await writeFile(record, (await readFile(record, 'utf8')).replace('"ready"', '"creating"'));
    driver = await startDriver({ home });
    expect([await disk.subvolumes(), await readdir(at('.csi-subdir/volumes'))]).toEqual([[], []]);
  });

  it('compresses what is written from now on, as a class says', async () => {
    const method = async () => (await disk.btrfs('property', 'get', at('pvc-1'), 'compression')).trim();
    const volume_id = (await createVolume(driver, 'pvc-1', { compression: 'zstd' })).volume_id;
    expect(await method()).toBe('compression=zstd');
    await createFrom(driver, 'pvc-2', volume_id);
    expect((await disk.btrfs('property', 'get', at('pvc-2'), 'compression')).trim()).toBe('compression=zstd');
    await driver.controller.ControllerModifyVolume({ volume_id, mutable_parameters: { compression: 'lzo' } });
    expect(await method()).toBe('compression=lzo');
    expect(await readFile(at('.csi-subdir/volumes/pvc-1.json'), 'utf8')).toContain('"compression": "lzo"');
  });

  it('has no number of inodes, and reports none', async () => {
    const volume = await createVolume(driver, 'pvc-1');
    const paths = await kubeletPaths(driver, 'pvc-1');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths);
    const stats = { volume_id: volume.volume_id, volume_path: paths.target };
    expect((await driver.node.NodeGetVolumeStats(stats)).usage.map(({ unit }) => unit)).toEqual(['BYTES']);
    await unpublish(driver, volume.volume_id, paths.target);
    await unstage(driver, volume.volume_id, paths.staging);
  });

  it('says what it is', async () => {
    expect(driver.output()).toMatch(/"fileSystem":"btrfs".*"subvolumes":true.*"reflink":true.*"msg":"pool opened"/);
    expect((await readdir(at('.csi-subdir'))).sort()).toEqual([
      'changes',
      'copies',
      'data',
      'pool.json',
      'projects',
      'snapshots',
      'trash',
      'volumes',
    ]);
  });
});
