import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRoot, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { INLINE_ID, INLINE_NAME, publishInline, unpublishInline } from '../support/inline.ts';
import { codeOf, createVolume, GIB, kubeletPaths, outcomeOf, unpublish } from '../support/volume.ts';

describe.runIf(isRoot)('volumes written into a pod', () => {
  let driver: TestDriver;
  beforeEach(async () => {
    driver = await startDriver({ pool: { capacity: '10Gi', inlineCapacity: '4Gi', onDelete: 'retain' } });
  });
  afterEach(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  const directories = async () => (await readdir(driver.root)).filter((name) => name !== '.csi-subdir');
  const record = async () =>
    JSON.parse(await readFile(join(driver.root, '.csi-subdir/volumes', `${INLINE_NAME}.json`), 'utf8'));

  it('are made at publish and gone after unpublish, whatever the pool does with others', async () => {
    const { target } = await kubeletPaths(driver, INLINE_ID);
    await publishInline(driver, { size: '2Gi' });
    await publishInline(driver, { size: '2Gi' });
    expect(await record()).toMatchObject({ capacityBytes: 2 * GIB, claim: { namespace: 'shop', name: 'web' } });
    await writeFile(join(target, 'word'), 'x');
    const [directory = ''] = await directories();
    expect(directory).toBe(`shop-web-${INLINE_NAME}`);
    expect(await readdir(join(driver.root, directory))).toEqual(['word']);
    expect(await mountsBelow(driver.home)).toEqual([target]);
    await unpublishInline(driver);
    await unpublishInline(driver);
    expect([await directories(), await mountsBelow(driver.home), existsSync(target)]).toEqual([[], [], false]);
  });

  it('say little: a pod may not choose where its directory lies, nor who owns it', async () => {
    for (const attributes of [{ directory: 'other' }, { uid: '0' }, { onDelete: 'retain' }, { existing: 'adopt' }]) {
      const { code, details } = await outcomeOf(publishInline(driver, attributes));
      expect([code, details]).toEqual(['INVALID_ARGUMENT', expect.stringContaining('only the keys pool and size')]);
    }
    expect(await codeOf(publishInline(driver, { pool: 'other' }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(publishInline(driver, { size: 'big' }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(publishInline(driver, {}, true))).toBe('INVALID_ARGUMENT');
    expect(await directories()).toEqual([]);
  });

  it('have a budget of their own, and count against the capacity of the pool', async () => {
    expect(await outcomeOf(publishInline(driver, { size: '5Gi' }))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining("the pool's inlineCapacity is used up"),
    });
    await createVolume(driver, 'pvc-1', {}, 9 * GIB);
    expect(await outcomeOf(publishInline(driver, { size: '2Gi' }))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining("the pool's capacity is used up"),
    });
    await publishInline(driver, { size: '1Gi' });
    await unpublishInline(driver);
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' });
    // What claims ask for takes nothing from the budget of inline volumes.
    await publishInline(driver, { size: '4Gi' });
    await unpublishInline(driver);
    expect(await directories()).toEqual(['pvc-1']);
  });

  it('are refused by a pool that has no budget for them', async () => {
    const without = await startDriver({ pool: { inlineCapacity: undefined } });
    expect(await outcomeOf(publishInline(without))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: 'pool main has no inline volumes: set its inlineCapacity',
    });
    await without.stop();
    await removeHome(without.home);
  });

  it('are the only ones that unpublish deletes', async () => {
    const { volume_id } = await createVolume(driver, 'pvc-1');
    const { target } = await kubeletPaths(driver, 'pvc-1');
    for (const id of [volume_id, 'pvc-1', 'main/../pvc-1']) await unpublish(driver, id, target);
    expect(await directories()).toEqual(['pvc-1']);
  });
});
