import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Btrfs, canBtrfs, createBtrfsGround, mountBtrfs, readBtrfs } from '../support/btrfs.ts';
import { type Story, tryEveryStep } from '../support/crash.ts';
import { makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { enforceAtEveryStep } from '../support/enforce-crash.ts';
import { MIB } from '../support/fill.ts';
import { programPath } from '../support/programs.ts';
import { createVolume } from '../support/volume.ts';

describe.runIf(canBtrfs)('on btrfs, killed at every step', () => {
  it('the purge deletes what a pod has made inside its volume, and nothing else', () =>
    tryEveryStep('purge', purge, createBtrfsGround()));

  it('volumes enforce holds every volume to its size', async () => {
    const home = await makeHome();
    const disk: Btrfs = await mountBtrfs(home);
    let driver: TestDriver = await startDriver({ home, pool: { sizes: 'budget' } });
    try {
      await createVolume(driver, 'pvc-1', {}, 16 * MIB);
      await createVolume(driver, 'pvc-2', {}, 8 * MIB);
      await driver.stop();
      driver = await startDriver({ home });
      const { steps, ...last } = await enforceAtEveryStep(programPath('crash-driver'), join(home, 'config.yaml'));
      console.info(`volumes enforce: ${steps.length} steps tried: ${steps.join(', ')}`);
      expect(steps).toContain('limit set');
      expect(last.code).toBe(0);
      expect(await disk.limits()).toEqual({ 'pvc-1': 16 * MIB, 'pvc-2': 8 * MIB });
      const records = join(home, 'root/.csi-subdir/volumes');
      for (const name of ['pvc-1', 'pvc-2']) {
        const { limit } = JSON.parse(await readFile(join(records, `${name}.json`), 'utf8'));
        expect(limit).toEqual({ by: 'qgroup' });
      }
    } finally {
      await driver.stop();
      await disk.unmount();
      await removeHome(home);
    }
  });
});

const INSIDE = ['', '/a', '/a/line\nbreak', '/b'];

const makeNested = async (driver: TestDriver, name: string): Promise<void> => {
  await createVolume(driver, name, {}, 16 * MIB);
  const { btrfs } = readBtrfs(driver.root);
  for (const path of INSIDE.slice(1)) await btrfs('subvolume', 'create', join(driver.root, name + path));
  for (const path of INSIDE) await writeFile(join(driver.root, name + path, 'file'), 'data');
};

const purge: Story = {
  arrange: async (driver) => {
    for (const name of ['pvc-1', 'pvc-2']) await makeNested(driver, name);
  },
  act: ({ controller }) => controller.DeleteVolume({ volume_id: 'main/pvc-1' }),
  inspect: async ({ root }) => {
    const { subvolumes, limits } = readBtrfs(root);
    expect((await readdir(root)).sort()).toEqual(['.csi-subdir', 'pvc-2']);
    for (const path of INSIDE) expect(await readFile(join(root, `pvc-2${path}/file`), 'utf8')).toBe('data');
    expect((await subvolumes()).length).toBe(INSIDE.length);
    expect(await limits()).toEqual({ 'pvc-2': 16 * MIB });
  },
};
