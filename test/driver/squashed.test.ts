import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, dataOfSnapshot, takeSnapshot } from '../support/snapshot.ts';
import { codeOf, createVolume } from '../support/volume.ts';

/** To the server, a root that it squashes is a user that owns its files and has no privileges over them. */
const SQUASHED = ['/usr/bin/setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--'];

describe.runIf(isRoot)('a controller without privileges over files', () => {
  let driver: TestDriver;
  let home: string;
  beforeEach(async () => {
    home = await makeHome();
    driver = await startDriver({ home, through: SQUASHED });
  });
  afterEach(async () => {
    await driver.stop();
    await removeHome(home);
  });

  const at = (...path: readonly string[]) => join(driver.root, ...path);
  const trash = () => readdir(at('.csi-subdir/trash'));
  const remove = (name: string) => driver.controller.DeleteVolume({ volume_id: `main/${name}` });
  const modeOf = async (path: string) => (await stat(path)).mode & 0o7777;

  it('deletes a volume whose user has denied its owner everything', async () => {
    await createVolume(driver, 'pvc-1');
    const folders = ['closed', 'closed/inner', 'closed/inner/unreadable', 'unsearchable', '-odd name\n'];
    for (const folder of folders) await mkdir(at('pvc-1', folder));
    for (const folder of folders) await writeFile(at('pvc-1', folder, 'file'), 'x');
    await chmod(at('pvc-1/closed/inner/unreadable'), 0o300);
    await chmod(at('pvc-1/closed/inner'), 0o555);
    await chmod(at('pvc-1/closed'), 0);
    await chmod(at('pvc-1/unsearchable'), 0o600);
    await chmod(at('pvc-1/-odd name\n'), 0o555);
    await chmod(at('pvc-1'), 0);
    expect(await codeOf(remove('pvc-1'))).toBe('OK');
    await expect.poll(trash, { timeout: 60_000 }).toEqual([]);
    expect(driver.output()).not.toContain('deletion cannot be completed');
  });

  it('copies a volume that may not be written to, and keeps its mode', async () => {
    await createVolume(driver, 'pvc-1');
    await writeFile(at('pvc-1/file'), 'x');
    await chmod(at('pvc-1'), 0o555);
    await takeSnapshot(driver, 'snapshot', 'main/pvc-1');
    await createFrom(driver, 'clone', 'main/pvc-1');
    expect(await readFile(at('clone/file'), 'utf8')).toBe('x');
    expect([await modeOf(at('clone')), await modeOf(await dataOfSnapshot(driver.root, 'snapshot'))]).toEqual([
      0o555, 0o555,
    ]);
    await driver.controller.DeleteSnapshot({ snapshot_id: 'main@snapshot' });
    for (const name of ['pvc-1', 'clone']) await remove(name);
    await expect.poll(trash, { timeout: 60_000 }).toEqual([]);
  });
});
