import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Btrfs, canBtrfs, mountBtrfs } from '../support/btrfs.ts';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, dataOfSnapshot, takeSnapshot } from '../support/snapshot.ts';
import { createVolume } from '../support/volume.ts';

const ENTRIES = 2_000;

const tree = (...args: readonly string[]): readonly string[] =>
  execFileSync('python3', [resolve(import.meta.dirname, '../support/tree.py'), ...args], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  }).split('\n');

/** Every kind of entry, with every kind of attribute, in any combination: each is there again, as it was. */
describe.runIf(isRoot)('what is snapshotted, restored and cloned', () => {
  let driver: TestDriver | undefined;
  let disk: Btrfs | undefined;
  let home = '';
  afterEach(async () => {
    await driver?.stop();
    await disk?.unmount();
    disk = undefined;
    await removeHome(home);
  });

  const compare = async (shared: boolean): Promise<void> => {
    const seed = String(Math.floor(Math.random() * 2 ** 31));
    console.info(`tree of ${ENTRIES} entries from seed ${seed}`);
    const one = await startDriver({ home, shared, flags: ['--call-timeout-ms', '60000'] });
    driver = one;
    await expect.poll(one.output, { timeout: 30_000 }).toContain('"msg":"pool opened"');
    const at = (...path: readonly string[]) => join(one.root, ...path);
    await createVolume(one, 'pvc-1');
    tree('plant', at('pvc-1'), seed, String(ENTRIES));
    const before = tree('describe', at('pvc-1'));
    expect(before.length).toBeGreaterThan(ENTRIES);

    await createFrom(one, 'pvc-clone', 'main/pvc-1');
    await takeSnapshot(one, 'snap-1', 'main/pvc-1');
    expect(tree('describe', at('pvc-1'))).toEqual(before);
    tree('disturb', at('pvc-1'), seed);
    expect(tree('describe', at('pvc-1'))).not.toEqual(before);
    await createFrom(one, 'pvc-restored', 'main@snap-1');
    const after = [at('pvc-clone'), await dataOfSnapshot(one.root, 'snap-1'), at('pvc-restored')].map((path) =>
      tree('describe', path),
    );
    for (const copy of after) expect(copy.filter((line, index) => line !== before[index])).toEqual([]);
    expect(after.map(({ length }) => length)).toEqual(after.map(() => before.length));
  };

  it.each([false, true])('is the same, to the last attribute (shared path: %s)', async (shared) => {
    home = await makeHome();
    await compare(shared);
  });

  it.runIf(canBtrfs)('is the same on btrfs', async () => {
    home = await makeHome();
    disk = await mountBtrfs(home);
    await compare(false);
  });
});
