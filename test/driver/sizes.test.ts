import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import { type Btrfs, canBtrfs, mountBtrfs } from '../support/btrfs.ts';
import { BUNDLE, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { fill, MIB } from '../support/fill.ts';
import { codeOf, createVolume, kubeletPaths, publish, stage, unpublish, unstage } from '../support/volume.ts';

describe.runIf(canBtrfs)('sizes on btrfs', () => {
  let home: string;
  let disk: Btrfs;
  let driver: TestDriver;
  beforeEach(async () => {
    home = await makeHome();
    disk = await mountBtrfs(home);
    driver = await startDriver({ home });
  });
  afterEach(async () => {
    await driver.stop();
    await disk.unmount();
    await removeHome(home);
  });
  const at = (...path: readonly string[]) => join(driver.root, ...path);
  const restart = async (pool: Record<string, unknown>) => {
    await driver.stop();
    driver = await startDriver({ home, pool });
  };
  /** As the kubelet does it where the volume is staged and not published yet. */
  const expand = async ({ volume_id }: Volume__Output, bytes: number, limit = 0) => {
    const { staging } = await kubeletPaths(driver, volume_id.replace('/', '-'));
    return driver.node.NodeExpandVolume({
      volume_id,
      volume_path: staging,
      staging_target_path: staging,
      capacity_range: { required_bytes: bytes, limit_bytes: limit },
    });
  };
  const conditionOf = async ({ volume_id }: Pick<Volume__Output, 'volume_id'>) =>
    (await driver.controller.ControllerGetVolume({ volume_id })).status?.volume_condition;
  const csiSubdir = (...args: readonly string[]) =>
    promisify(execFile)(process.execPath, [BUNDLE, ...args, '--config', join(home, 'config.yaml')]).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ status: code, stdout, stderr }),
    );

  it('end a write at the size, and let it go on after an expansion', async () => {
    const volume = await createVolume(driver, 'pvc-1', {}, 16 * MIB);
    expect(await fill(at('pvc-1/data'), 64)).toEqual({ isFull: true, mebibytes: 15 });
    expect(await conditionOf(volume)).toEqual({
      abnormal: true,
      message: expect.stringMatching(/^the volume is full: 1\d(\.\d)? MiB of 16 MiB are used$/),
    });
    await expand(volume, 32 * MIB);
    expect(await fill(at('pvc-1/more'), 8)).toEqual({ isFull: false, mebibytes: 8 });
    expect(await conditionOf(volume)).toMatchObject({ abnormal: false });
    expect(await codeOf(expand(volume, 16 * MIB, 16 * MIB))).toBe('OUT_OF_RANGE');
    expect((await expand(volume, 16 * MIB)).capacity_bytes).toBe(32 * MIB);
    expect(await disk.limits()).toEqual({ 'pvc-1': 32 * MIB });
  });

  it('are what statistics and metrics speak of', async () => {
    const volume = await createVolume(driver, 'pvc-1', {}, 16 * MIB);
    await createVolume(driver, 'pvc-2', {}, 16 * MIB);
    const paths = await kubeletPaths(driver, 'pvc-1');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths);
    await fill(join(paths.target, 'data'), 64);
    await disk.btrfs('filesystem', 'sync', driver.root);
    const { usage, volume_condition } = await driver.node.NodeGetVolumeStats({
      volume_id: volume.volume_id,
      volume_path: paths.target,
    });
    const [bytes] = usage;
    expect(bytes).toMatchObject({ unit: 'BYTES', total: 16 * MIB });
    expect(bytes?.used).toBeGreaterThan(15 * MIB);
    expect(bytes?.available).toBeLessThan(MIB);
    expect(volume_condition).toMatchObject({ abnormal: true });
    const metrics = await (await fetch(`http://127.0.0.1:${driver.httpPort}/metrics`)).text();
    expect(metrics).toContain('csi_subdir_pool_info{pool="main",filesystem="btrfs",sizes="qgroup"} 1');
    expect(metrics).toContain('csi_subdir_volumes_enforced{pool="main",usage_level="full"} 1');
    expect(metrics).toContain('csi_subdir_volumes_enforced{pool="main",usage_level="has room"} 1');
    await unpublish(driver, volume.volume_id, paths.target);
    await unstage(driver, volume.volume_id, paths.staging);
  });

  it('hold 64 volumes made at once, each by itself, and leave nothing when they are deleted', async () => {
    const names = Array.from({ length: 64 }, (_, index) => `pvc-${index}`);
    await Promise.all(names.map((name, index) => createVolume(driver, name, {}, (index + 1) * MIB)));
    expect(await disk.limits()).toEqual(Object.fromEntries(names.map((name, index) => [name, (index + 1) * MIB])));
    await Promise.all(names.map((name) => driver.controller.DeleteVolume({ volume_id: `main/${name}` })));
    await expect.poll(() => readdir(at('.csi-subdir/trash')), { timeout: 60_000 }).toEqual([]);
    expect(await disk.limits()).toEqual({});
    expect(await disk.subvolumes()).toEqual([]);
  });

  it.each([
    ['budget', { sizes: 'budget', capacity: '1Gi' }],
    ['none', { sizes: 'none' }],
  ])('are not enforced with sizes: %s', async (_, pool) => {
    await restart(pool);
    await createVolume(driver, 'pvc-1', {}, 16 * MIB);
    expect(await fill(at('pvc-1/data'), 24)).toEqual({ isFull: false, mebibytes: 24 });
    expect((await csiSubdir('check')).stdout).toContain('not enforced, as configured');
  });

  it('are lifted from what a deletion leaves behind', async () => {
    await createVolume(driver, 'pvc-1', { onDelete: 'retain' }, 16 * MIB);
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' });
    expect(await fill(at('pvc-1/data'), 24)).toEqual({ isFull: false, mebibytes: 24 });
  });

  it('come to volumes that were made before, by volumes enforce', async () => {
    await mkdir(at('plain'));
    await restart({ sizes: 'budget' });
    const [small, large] = [
      await createVolume(driver, 'small', {}, 16 * MIB),
      await createVolume(driver, 'large', {}, 4 * MIB),
    ];
    await createVolume(driver, 'plain', { existing: 'adopt' }, 16 * MIB);
    await fill(at('large/data'), 8);
    await restart({});
    expect(await csiSubdir('volumes', 'enforce')).toEqual({
      status: 1,
      stdout: expect.stringMatching(
        /^main\/large: would be held to 4 MiB\nmain\/plain: WRONG {2}a plain directory .*\nmain\/small: would be held to 16 MiB\n$/,
      ),
      stderr: expect.stringContaining('nothing was changed'),
    });
    expect((await csiSubdir('volumes', 'enforce', '--write')).stdout).toMatch(
      /^main\/large: WRONG {2}it uses 8(\.\d)? MiB of 4 MiB: expand it first\nmain\/plain: WRONG .*\nmain\/small: held to 16 MiB\n$/,
    );
    expect((await fill(at('small/data'), 24)).isFull).toBe(true);
    await expand(small, 24 * MIB);
    await expand(large, 16 * MIB);
    expect((await csiSubdir('volumes', 'enforce', '--write', '--pool', 'main')).stdout).toMatch(
      /^main\/large: held to 16 MiB\nmain\/plain: WRONG/,
    );
    expect(await disk.limits()).toEqual({ small: 24 * MIB, large: 16 * MIB });
  });

  it('are set again at the next start when btrfs has lost them', async () => {
    await createVolume(driver, 'pvc-1', {}, 16 * MIB);
    await disk.btrfs('quota', 'disable', driver.root);
    await restart({});
    expect(driver.output()).toContain('volume is not held to its size');
    await disk.btrfs('quota', 'enable', driver.root);
    expect((await conditionOf({ volume_id: 'main/pvc-1' }))?.message).toBe(
      'the size of the volume is not enforced any more',
    );
    await restart({});
    expect(await disk.limits()).toEqual({ 'pvc-1': 16 * MIB });
  });

  it('that a pod evades with a subvolume are reported', async () => {
    await driver.stop();
    driver = await startDriver({ home, flags: ['--audit-interval-ms', '200'] });
    await createVolume(driver, 'pvc-1', {}, 8 * MIB);
    await disk.btrfs('subvolume', 'create', join(driver.root, 'pvc-1/evasion'));
    const condition = async () =>
      (await driver.controller.ControllerGetVolume({ volume_id: 'main/pvc-1' })).status?.volume_condition;
    await expect.poll(condition, { timeout: 60_000 }).toEqual({
      abnormal: true,
      message: '1 of its files, directories or subvolumes do not count against its size, such as "evasion"',
    });
    await disk.btrfs('subvolume', 'delete', join(driver.root, 'pvc-1/evasion'));
    await expect.poll(async () => (await condition())?.abnormal, { timeout: 60_000 }).toBe(false);
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' });
  });

  it('keep nobody from deleting a volume while quotas are off', async () => {
    await createVolume(driver, 'kept', { onDelete: 'retain' }, 16 * MIB);
    await createVolume(driver, 'gone', {}, 16 * MIB);
    await disk.btrfs('quota', 'disable', driver.root);
    for (const name of ['kept', 'gone'])
      expect(await codeOf(driver.controller.DeleteVolume({ volume_id: `main/${name}` }))).toBe('OK');
    await expect.poll(() => readdir(at('.csi-subdir/trash')), { timeout: 60_000 }).toEqual([]);
    expect(await disk.subvolumes()).toEqual(['kept']);
  });

  it('are not what fails when the disk is full', async () => {
    await mkdir(at('filler'));
    await chmod(at('filler'), 0o777);
    expect((await fill(at('filler/data'), 1024)).isFull).toBe(true);
    const codes = await Promise.all(
      Array.from({ length: 4 }, (_, index) => codeOf(createVolume(driver, `pvc-${index}`))),
    );
    for (const code of codes) expect(['OK', 'RESOURCE_EXHAUSTED']).toContain(code);
    await rm(at('filler'), { recursive: true });
  });

  it('are refused by a root that cannot enforce them, with what to do', async () => {
    await disk.btrfs('quota', 'disable', driver.root);
    await restart({ sizes: 'enforce' });
    expect(await codeOf(createVolume(driver, 'pvc-1'))).toBe('UNAVAILABLE');
    expect(driver.output()).toMatch(/sizes: enforce: btrfs on .*quotas? .*not enabled.*btrfs quota enable/);
    const check = await csiSubdir('check');
    expect([check.status, check.stdout]).toEqual([1, expect.stringContaining('run btrfs quota enable')]);
    await disk.btrfs('quota', 'enable', driver.root);
    await expect.poll(() => codeOf(createVolume(driver, 'pvc-1')), { timeout: 60_000 }).toBe('OK');
    expect((await csiSubdir('check')).stdout).toContain('sizes: enforced, by btrfs quota groups');
  });
});
