import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { BUNDLE, isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { mountImage } from '../support/loop.ts';
import {
  codeOf,
  createVolume,
  GIB,
  kubeletPaths,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

const run = promisify(execFile);

/** A record as a driver would have left it. */
const record = (name: string, state: string, directory = name) =>
  JSON.stringify({
    name,
    requestedName: name,
    directory,
    capacityBytes: GIB,
    state,
    parameters: {},
    settings: { mode: 0o777, uid: 0, gid: 0, onDelete: 'delete' },
    adopted: false,
    createdAt: new Date(0).toISOString(),
  });

describe.runIf(isRoot)('what is on disk', () => {
  let home: string;
  let root: string;
  let own: string;
  const drivers: TestDriver[] = [];
  const start = async (options = {}): Promise<TestDriver> => {
    const driver = await startDriver({ home, ...options });
    drivers.push(driver);
    return driver;
  };
  beforeEach(async () => {
    home = await makeHome();
    root = join(home, 'root');
    own = join(root, '.csi-subdir');
    await mkdir(join(own, 'volumes'), { recursive: true });
    await mkdir(join(own, 'trash'));
    await writeFile(join(own, 'pool.json'), '{"layout":1}\n');
  });
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.stop();
    await run('umount', [root]).catch(() => {});
    await removeHome(home);
  });
  const put = (name: string, text: string) => writeFile(join(own, 'volumes', `${name}.json`), text);
  const csiSubdir = (...args: readonly string[]) =>
    run(process.execPath, [BUNDLE, ...args, '--config', join(home, 'config.yaml')]).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ status: code, stdout, stderr }),
    );

  it('is finished at start where a crash has left it half done', async () => {
    await put('begun', record('begun', 'creating'));
    await mkdir(join(root, 'begun'));
    await put('foreign', record('foreign', 'creating'));
    await mkdir(join(root, 'foreign'));
    await writeFile(join(root, 'foreign/data'), 'not ours');
    await put('dying', record('dying', 'deleting'));
    await mkdir(join(root, 'dying/deep'), { recursive: true });
    await mkdir(join(own, 'trash/old-1234/deep'), { recursive: true });
    await writeFile(join(own, 'volumes/.x.json.1234.tmp'), 'torn');
    await start();
    await expect.poll(() => readdir(join(own, 'trash')), { timeout: 60_000 }).toEqual([]);
    expect(await readdir(join(own, 'volumes'))).toEqual([]);
    expect((await readdir(root)).sort()).toEqual(['.csi-subdir', 'foreign']);
    expect(await readFile(join(root, 'foreign/data'), 'utf8')).toBe('not ours');
  });

  it('keeps the name of a record that cannot be read, and says so', async () => {
    await put('torn', '{"name": "torn", "direct');
    await put('escape', record('escape', 'ready', '../../etc'));
    await put('renamed', record('other', 'ready'));
    const driver = await start();
    expect(await outcomeOf(createVolume(driver, 'torn'))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('"torn"'),
    });
    expect(await codeOf(driver.controller.DeleteVolume({ volume_id: 'main/escape' }))).toBe('FAILED_PRECONDITION');
    expect(await codeOf(driver.controller.DeleteVolume({ volume_id: 'main/renamed' }))).toBe('FAILED_PRECONDITION');
    expect(existsSync('/etc/passwd')).toBe(true);
    expect(driver.output().match(/"msg":"record cannot be read"/g)).toHaveLength(3);
    const checked = await csiSubdir('check');
    expect([checked.status, checked.stdout.match(/WRONG/g)?.length]).toEqual([1, 3]);
  });

  it('is refused where its layout is newer than ours', async () => {
    await writeFile(join(own, 'pool.json'), '{"layout": 3}');
    const driver = await start();
    expect(await codeOf(createVolume(driver, 'pvc-1'))).toBe('UNAVAILABLE');
    expect(driver.output()).toContain('has layout 3, this version knows 2: use a newer driver');
  });

  it('is as before when it is full, and the caller is told so', async () => {
    await rm(root, { recursive: true });
    await mkdir(root);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256k,nr_inodes=64', 'tmpfs', root]);
    const driver = await start();
    const before = await readdir(root, { recursive: true });
    const filler = join(root, 'filler');
    await writeFile(filler, Buffer.alloc(10 << 20)).catch(() => {});
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await outcomeOf(createVolume(driver, 'pvc-full'))).toEqual({
        code: 'RESOURCE_EXHAUSTED',
        details: 'no space left on the pool',
      });
    }
    await rm(filler);
    expect(await readdir(root, { recursive: true })).toEqual(before);
    expect(await codeOf(createVolume(driver, 'pvc-full'))).toBe('OK');
    const inodes = await Promise.all(
      Array.from({ length: 40 }, (_, index) => codeOf(createVolume(driver, `pvc-${index}`))),
    );
    expect(new Set(inodes)).toEqual(new Set(['OK', 'RESOURCE_EXHAUSTED']));
    const made = inodes.filter((code) => code === 'OK').length + 1;
    expect((await driver.controller.ListVolumes({})).entries).toHaveLength(made);
    expect(await readdir(join(own, 'volumes'))).toHaveLength(made);
    expect(await readdir(root)).toHaveLength(made + 1);
  });

  it('that the kernel has made read-only is an abnormal condition of its volumes', async () => {
    const home = await makeHome();
    const unmount = await mountImage('ext4', join(home, 'root'), 64);
    const ill = await startDriver({ home });
    try {
      const volume = await createVolume(ill, 'pvc-1');
      const paths = await kubeletPaths(ill, 'pvc-1');
      await stage(ill, volume, paths.staging);
      await publish(ill, volume, paths);
      const conditions = async () => {
        const { entries } = await ill.controller.ListVolumes({});
        const { status } = await ill.controller.ControllerGetVolume({ volume_id: volume.volume_id });
        const stats = await ill.node.NodeGetVolumeStats({ volume_id: volume.volume_id, volume_path: paths.target });
        return [entries[0]?.status?.volume_condition, status?.volume_condition, stats.volume_condition].map(
          (condition) => condition?.abnormal,
        );
      };
      try {
        expect(await conditions()).toEqual([false, false, false]);
        await run('mount', ['-o', 'remount,errors=remount-ro', join(home, 'root')]);
        const { stdout } = await run('findmnt', ['--noheadings', '--output=SOURCE', join(home, 'root')]);
        await writeFile(`/sys/fs/ext4/${basename(stdout.trim())}/trigger_fs_error`, '1');
        expect(await conditions()).toEqual([true, true, true]);
        expect(await codeOf(createVolume(ill, 'pvc-2'))).toBe('FAILED_PRECONDITION');
      } finally {
        await unpublish(ill, volume.volume_id, paths.target);
        await unstage(ill, volume.volume_id, paths.staging);
      }
    } finally {
      await ill.stop();
      await unmount();
      await removeHome(home);
    }
  });

  it('is listed in pages that stay right while volumes come and go', async () => {
    const driver = await start();
    for (const name of ['c', 'a', 'e', 'b', 'd']) await createVolume(driver, name);
    const page = async (token: string) => {
      const { entries, next_token } = await driver.controller.ListVolumes({ max_entries: 2, starting_token: token });
      return { ids: entries.map(({ volume }) => volume?.volume_id), next_token };
    };
    const first = await page('');
    expect(first.ids).toEqual(['main/a', 'main/b']);
    await driver.controller.DeleteVolume({ volume_id: 'main/b' });
    await createVolume(driver, 'bb');
    const second = await page(first.next_token);
    expect(second.ids).toEqual(['main/bb', 'main/c']);
    const third = await page(second.next_token);
    expect(third).toEqual({ ids: ['main/d', 'main/e'], next_token: '' });
    expect(await codeOf(page('nonsense'))).toBe('ABORTED');
  });

  it('is not taken for empty where the folder of the records has gone', async () => {
    const driver = await start();
    await createVolume(driver, 'pvc-1');
    await cp(own, join(home, 'backup'), { recursive: true });
    await rm(own, { recursive: true });
    const remove = () => driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' });
    for (let attempt = 0; attempt < 2; attempt += 1) expect(await codeOf(remove())).toBe('UNAVAILABLE');
    await cp(join(home, 'backup'), own, { recursive: true });
    await expect.poll(() => codeOf(remove()), { timeout: 60_000 }).toBe('OK');
    expect(existsSync(join(root, 'pvc-1'))).toBe(false);
  });

  it('is adopted on the command line, when told so', async () => {
    await mkdir(join(root, 'old/data'), { recursive: true });
    await writeFile(join(root, 'old/data/precious'), 'x');
    const driver = await start();
    const adopt = (...more: readonly string[]) => csiSubdir('volumes', 'adopt', '--size', '5Gi', ...more, 'old/data');
    const dry = await adopt();
    expect([dry.status, await readdir(join(own, 'volumes'))]).toEqual([0, []]);
    const written = await adopt('--write', '--pool=main');
    expect(parse(written.stdout)).toMatchObject({
      kind: 'PersistentVolume',
      spec: { csi: { volumeHandle: 'main/old-data', volumeAttributes: { pool: 'main', directory: 'old/data' } } },
    });
    expect(await adopt('--write')).toMatchObject({ status: 1, stderr: expect.stringContaining('is a volume already') });
    expect(await csiSubdir('volumes', 'adopt', '--size', '1Gi', '--write', '../x')).toMatchObject({ status: 1 });
    expect(await csiSubdir('volumes', 'adopt', '--size', '1Gi', 'old')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('overlaps "old/data"'),
    });
    expect(await csiSubdir('volumes', 'adopt', 'old/data')).toMatchObject({ status: 2 });
    await driver.controller.DeleteVolume({ volume_id: 'main/old-data' });
    expect(await readFile(join(root, 'old/data/precious'), 'utf8')).toBe('x');
  });

  it('is shown on the command line', async () => {
    const driver = await start({ pool: { capacity: '10Gi' } });
    const claim = { 'csi.storage.k8s.io/pvc/namespace': 'shop', 'csi.storage.k8s.io/pvc/name': 'orders' };
    await createVolume(driver, 'pvc-1', claim);
    const table = await csiSubdir('volumes', 'list');
    expect(table.stdout.split('\n')[1]?.split(/\s{2,}/)).toEqual([
      'main/pvc-1',
      'ready',
      '1 GiB',
      'shop/orders',
      'shop-orders-pvc-1',
    ]);
    const [row] = JSON.parse((await csiSubdir('volumes', 'list', '-o', 'json')).stdout);
    expect(row).toMatchObject({
      handle: 'main/pvc-1',
      pool: 'main',
      state: 'ready',
      capacityBytes: GIB,
      claim: { namespace: 'shop', name: 'orders' },
    });
    const checked = await csiSubdir('check');
    expect([checked.status, checked.stdout]).toEqual([
      0,
      expect.stringContaining('volumes: 1, asking for 1 GiB of 10 GiB'),
    ]);
    await rm(root, { recursive: true });
    expect(await csiSubdir('check')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(`root ${root} does not exist`),
    });
    await writeFile(join(home, 'config.yaml'), 'pools: {main: {colour: red}}');
    expect(await csiSubdir('check')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('pools.main: expected either hostPath or nfs'),
    });
    expect(await csiSubdir('volumes', 'shred')).toMatchObject({ status: 2, stderr: expect.stringContaining('usage') });
  });
});
