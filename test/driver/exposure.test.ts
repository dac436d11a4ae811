import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BUNDLE, isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createVolume, kubeletPaths, publish, stage, unpublish, unstage } from '../support/volume.ts';

const run = promisify(execFile);

/** Who else on the node can reach what pods leave in their volumes. */
describe.runIf(isRoot)('the root of a local pool', () => {
  let home: string;
  let root: string;
  let driver: TestDriver | undefined;
  beforeEach(async () => {
    home = await makeHome();
    root = join(home, 'root');
    await mkdir(root);
    await chmod(root, 0o755);
    await chmod(home, 0o755);
  });
  afterEach(async () => {
    await driver?.stop();
    driver = undefined;
    await removeHome(home);
  });
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);
  const check = async () => {
    const args = [BUNDLE, 'check', '--config', join(home, 'config.yaml'), '--kubelet-dir', join(home, 'kubelet')];
    return run(process.execPath, args).catch(({ stdout }) => ({ stdout }));
  };

  it('is closed where it is empty, and pods of any user have their volumes all the same', async () => {
    driver = await startDriver({ home });
    expect(await modeOf(root)).toBe('700');
    const volume = await createVolume(driver, 'pvc-1');
    await writeFile(join(root, 'pvc-1/tool'), '#!/bin/sh\n');
    await chmod(join(root, 'pvc-1/tool'), 0o4755);
    const asNobody = { uid: 65_534, gid: 65_534 };
    await expect(run('/bin/cat', [join(root, 'pvc-1/tool')], asNobody)).rejects.toThrow('Permission denied');
    const paths = await kubeletPaths(driver, 'pvc-1');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths);
    await run('/bin/sh', ['-c', 'echo mine > note'], { cwd: paths.target, ...asNobody });
    expect(await readFile(join(root, 'pvc-1/note'), 'utf8')).toBe('mine\n');
    await unpublish(driver, volume.volume_id, paths.target);
    await unstage(driver, volume.volume_id, paths.staging);
    expect(driver.output()).not.toContain('root is open to other users');
    expect((await check()).stdout).not.toContain('WARNING');
  });

  it('that is in use is left as it is, with a warning in the log and by check', async () => {
    await mkdir(join(root, 'somebody-elses'));
    driver = await startDriver({ home });
    expect(await modeOf(root)).toBe('755');
    expect(driver.output()).toContain('"msg":"root is open to other users"');
    expect((await check()).stdout).toMatch(/WARNING {2}every user of the node can enter the root/);
    await chmod(root, 0o700);
    expect((await check()).stdout).not.toContain('WARNING');
  });

  it('which is new and holds directories already is pointed out by check', async () => {
    driver = await startDriver({ home });
    await driver.stop();
    driver = undefined;
    // A copy without hidden folders, on a node that has not seen the pool.
    const copy = join(home, 'copy');
    await mkdir(join(copy, 'pvc-1'), { recursive: true });
    await writeFile(join(home, 'config.yaml'), `pools: { main: { hostPath: { path: ${copy} } } }`);
    const args = [BUNDLE, 'check', '--config', join(home, 'config.yaml'), '--kubelet-dir', join(home, 'elsewhere')];
    const { stdout } = await run(process.execPath, args);
    expect(stdout).toMatch(/new: .* contains 1 files and directories. A copy without hidden folders\?/);
  });
});
