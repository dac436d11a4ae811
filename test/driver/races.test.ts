import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import { isRoot, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { codeOf, createVolume, GIB, kubeletPaths, publish, stage, unpublish, unstage } from '../support/volume.ts';

const times = <Value>(count: number, make: (index: number) => Promise<Value>): Promise<Value[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

const tally = (codes: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
};

/** The same disorder in every run. */
const scramble = (index: number): number => (index * index * 31 + index * 17) % 101;

describe.runIf(isRoot)('many callers at once', () => {
  let driver: TestDriver;
  beforeAll(async () => {
    driver = await startDriver({ flags: ['--log-level', 'info'] });
  });
  afterAll(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  const volumesOnDisk = async () => ({
    directories: (await readdir(driver.root)).filter((entry) => entry !== '.csi-subdir').sort(),
    records: (await readdir(join(driver.root, '.csi-subdir/volumes'))).map((file) => file.replace('.json', '')).sort(),
  });

  it('twenty identical CreateVolumes make one volume', async () => {
    const volumes = await times(20, () => createVolume(driver, 'pvc-same'));
    expect(new Set(volumes.map((volume) => JSON.stringify(volume))).size).toBe(1);
    expect(await volumesOnDisk()).toEqual({ directories: ['pvc-same'], records: ['pvc-same'] });
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-same' });
  });

  it('of different requests for one name one wins, and the others are told', async () => {
    const codes = await times(20, (index) => codeOf(createVolume(driver, 'pvc-mixed', {}, (1 + (index % 4)) * GIB)));
    expect((await driver.controller.ListVolumes({})).entries).toHaveLength(1);
    expect(Object.keys(tally(codes)).sort()).toEqual(['ALREADY_EXISTS', 'OK']);
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-mixed' });
  });

  it('the budget holds whoever comes first', async () => {
    const small = await startDriver({ pool: { capacity: '10Gi' } });
    const codes = await times(40, (index) => codeOf(createVolume(small, `pvc-${index}`)));
    expect(tally(codes)).toEqual({ OK: 10, RESOURCE_EXHAUSTED: 30 });
    const expanded = await times(10, (index) => {
      const volume = `main/pvc-${index}`;
      return codeOf(
        small.controller.ControllerExpandVolume({ volume_id: volume, capacity_range: { required_bytes: 2 * GIB } }),
      );
    });
    expect(tally(expanded)).not.toHaveProperty('OK');
    await small.stop();
    await removeHome(small.home);
  });

  it('create and delete of one name, raced 500 times, leave what the last answer says', async () => {
    const answers: Record<string, number> = {};
    for (let round = 0; round < 500; round += 1) {
      let last = '';
      const note = (what: string) => (code: string) => {
        last = what;
        answers[`${what} ${code}`] = (answers[`${what} ${code}`] ?? 0) + 1;
      };
      const create = () => codeOf(createVolume(driver, 'pvc-raced')).then(note('create'));
      const remove = () => codeOf(driver.controller.DeleteVolume({ volume_id: 'main/pvc-raced' })).then(note('delete'));
      await Promise.all(round % 2 === 0 ? [create(), remove()] : [remove(), create()]);
      const expected = last === 'create' ? ['pvc-raced'] : [];
      expect(await volumesOnDisk()).toEqual({ directories: expected, records: expected });
      expect(existsSync(join(driver.root, 'pvc-raced'))).toBe(last === 'create');
    }
    expect(answers).toEqual({ 'create OK': 500, 'delete OK': 500 });
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-raced' });
  });

  it('stage, publish, unpublish and unstage at once leave no mount behind and never stack one', async () => {
    const volume = await createVolume(driver, 'pvc-busy');
    const one = await kubeletPaths(driver, 'pvc-busy', 'pod-1');
    const two = await kubeletPaths(driver, 'pvc-busy', 'pod-2');
    const actions = [
      () => stage(driver, volume, one.staging),
      () => publish(driver, volume, one),
      () => publish(driver, volume, two),
      () => unpublish(driver, volume.volume_id, one.target),
      () => unpublish(driver, volume.volume_id, two.target),
      () => unstage(driver, volume.volume_id, one.staging),
    ];
    const codes = await times(240, (index) =>
      codeOf(actions[scramble(index) % actions.length]?.() ?? Promise.resolve()),
    );
    expect(tally(codes)).toEqual({ OK: 240 });
    const mounts = await mountsBelow(driver.home);
    expect(new Set(mounts).size).toBe(mounts.length);
    for (const { target } of [one, two]) await unpublish(driver, volume.volume_id, target);
    await unstage(driver, volume.volume_id, one.staging);
    expect(await mountsBelow(driver.home)).toEqual([]);
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
  });

  it('two volumes never share a target', async () => {
    const volumes = await times(2, (index) => createVolume(driver, `pvc-target-${index}`));
    const paths = await kubeletPaths(driver, 'pvc-target');
    const stagings = await times(2, async (index) => (await kubeletPaths(driver, `pvc-target-${index}`)).staging);
    await Promise.all(volumes.map((volume, index) => stage(driver, volume, stagings[index] ?? '')));
    const publishBoth = volumes.map((volume, index) =>
      codeOf(publish(driver, volume, { staging: stagings[index] ?? '', target: paths.target })),
    );
    expect((await Promise.all(publishBoth)).sort()).toEqual(['ALREADY_EXISTS', 'OK']);
    await unpublish(driver, volumes[0]?.volume_id ?? '', paths.target);
    await Promise.all(volumes.map((volume, index) => unstage(driver, volume.volume_id, stagings[index] ?? '')));
    await Promise.all(volumes.map(({ volume_id }) => driver.controller.DeleteVolume({ volume_id })));
  });

  it('publishes 200 volumes and reads the stats of each', async () => {
    const up = async (index: number) => {
      const name = `pvc-many-${index}`;
      const volume: Volume__Output = await createVolume(driver, name);
      const paths = await kubeletPaths(driver, name);
      await stage(driver, volume, paths.staging);
      await publish(driver, volume, paths);
      await writeFile(join(paths.target, 'who'), name);
      return { volume, paths };
    };
    const published = await times(200, up);
    expect(await mountsBelow(driver.home)).toHaveLength(200);
    const stats = await times(200, (index) => {
      const { volume, paths } = published[index] as Awaited<ReturnType<typeof up>>;
      return driver.node.NodeGetVolumeStats({ volume_id: volume.volume_id, volume_path: paths.target });
    });
    expect(
      stats.every(({ usage, volume_condition }) => usage.length === 2 && volume_condition?.abnormal === false),
    ).toBe(true);
    await Promise.all(
      published.map(async ({ volume, paths }) => {
        await unpublish(driver, volume.volume_id, paths.target);
        await unstage(driver, volume.volume_id, paths.staging);
        await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
      }),
    );
    expect(await mountsBelow(driver.home)).toEqual([]);
    expect(await volumesOnDisk()).toEqual({ directories: [], records: [] });
  });
});
