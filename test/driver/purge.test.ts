import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRoot, makeHome, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { codeOf, createVolume, kubeletPaths, outcomeOf, publish, stage, unpublish } from '../support/volume.ts';

const run = promisify(execFile);

describe.runIf(isRoot)('a deletion', () => {
  let driver: TestDriver;
  let home: string;
  const mounted: string[] = [];
  beforeEach(async () => {
    home = await makeHome();
    driver = await startDriver({ home });
  });
  afterEach(async () => {
    await driver.stop();
    for (const path of mounted.splice(0).reverse()) await run('umount', [path]).catch(() => {});
    await run('chattr', ['-R', '-i', home]).catch(() => {});
    await removeHome(home);
  });

  const at = (...path: readonly string[]) => join(driver.root, ...path);
  const trash = () => readdir(at('.csi-subdir/trash'));
  const remove = (name: string) => driver.controller.DeleteVolume({ volume_id: `main/${name}` });
  const mount = async (source: string, target: string): Promise<void> => {
    await run('mount', ['--bind', source, target]);
    mounted.push(target);
  };
  const unmount = async (target: string): Promise<void> => {
    await run('umount', [target]);
    mounted.splice(mounted.indexOf(target), 1);
  };
  const restart = async (): Promise<void> => {
    await driver.stop();
    driver = await startDriver({ home });
  };
  const metric = async (name: string): Promise<string | undefined> => {
    const text = await (await fetch(`http://127.0.0.1:${driver.httpPort}/metrics`)).text();
    return new RegExp(`^csi_subdir_${name}\\{pool="main"\\} (.*)$`, 'm').exec(text)?.[1];
  };

  it('does not empty what is mounted inside, and completes once that is unmounted', async () => {
    const other = join(home, 'other');
    await mkdir(other);
    await writeFile(join(other, 'precious'), 'theirs');
    await createVolume(driver, 'pvc-1');
    await mkdir(at('pvc-1/deep/data'), { recursive: true });
    await writeFile(at('pvc-1/file'), 'x');
    await mount(other, at('pvc-1/deep/data'));
    await remove('pvc-1');
    await expect.poll(() => driver.output(), { timeout: 60_000 }).toContain('"msg":"deletion cannot be completed"');
    expect(driver.output()).toMatch(/"reason":"pvc-1-[^"]*cannot be removed: [^"]*deep\/data/);
    expect(await readFile(join(other, 'precious'), 'utf8')).toBe('theirs');
    expect([await metric('purge_backlog'), await metric('purge_stuck')]).toEqual(['1', '1']);
    const [entry = ''] = await trash();
    expect(await readdir(at('.csi-subdir/trash', entry))).toEqual(['deep']);
    const [target = ''] = (await mountsBelow(home)).filter((path) => path.endsWith('deep/data'));
    await run('umount', [target]);
    mounted.length = 0;
    await restart();
    await expect.poll(trash, { timeout: 60_000 }).toEqual([]);
    expect(await readFile(join(other, 'precious'), 'utf8')).toBe('theirs');
  });

  it('that cannot be completed holds up no other one, and no restart', async () => {
    await createVolume(driver, 'pvc-stuck');
    await writeFile(at('pvc-stuck/file'), 'x');
    await run('sh', ['-c', 'cd "$1" && seq -f "%0120g" 12000 | xargs touch && chattr +i .', 'sh', at('pvc-stuck')]);
    for (let number = 0; number < 20; number += 1) await createVolume(driver, `pvc-${number}`);
    // The directory itself can still be renamed: only what is in it cannot be removed.
    await run('chattr', ['-i', at('pvc-stuck')]);
    await mkdir(at('pvc-stuck/inner'));
    await writeFile(at('pvc-stuck/inner/file'), 'x');
    await run('chattr', ['+i', at('pvc-stuck/inner')]);
    await remove('pvc-stuck');
    for (let number = 0; number < 20; number += 1) await remove(`pvc-${number}`);
    await expect.poll(trash, { timeout: 120_000 }).toEqual([expect.stringMatching(/^pvc-stuck-/)]);
    await expect.poll(() => metric('purge_stuck'), { timeout: 60_000 }).toBe('1');
    await restart();
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);
    await createVolume(driver, 'pvc-after');
    await remove('pvc-after');
    await expect.poll(trash, { timeout: 60_000 }).toEqual([expect.stringMatching(/^pvc-stuck-/)]);
    await expect.poll(() => metric('purge_stuck'), { timeout: 60_000 }).toBe('1');
    expect(driver.output().match(/"msg":"deletion cannot be completed"/g)?.length).toBeLessThan(3);
  });

  it('whose directory cannot be moved fails alone, and is completed later', async () => {
    await createVolume(driver, 'pvc-1');
    await run('chattr', ['+i', at('pvc-1')]);
    expect(await codeOf(remove('pvc-1'))).toBe('FAILED_PRECONDITION');
    await restart();
    expect(await codeOf(createVolume(driver, 'pvc-2'))).toBe('OK');
    expect(driver.output()).toContain('"msg":"sweep failed, will be retried"');
    await run('chattr', ['-i', at('pvc-1')]);
    expect(await codeOf(remove('pvc-1'))).toBe('OK');
    expect(existsSync(at('pvc-1'))).toBe(false);
  });

  it('finds a link in the place of the directory, and leaves both alone', async () => {
    await createVolume(driver, 'pvc-1');
    await run('mv', [at('pvc-1'), at('aside')]);
    await symlink(at('aside'), at('pvc-1'));
    expect(await codeOf(remove('pvc-1'))).toBe('FAILED_PRECONDITION');
    await restart();
    expect(await codeOf(createVolume(driver, 'pvc-2'))).toBe('OK');
    expect((await readdir(driver.root)).sort()).toEqual(['.csi-subdir', 'aside', 'pvc-1', 'pvc-2']);
  });

  it('of another directory than the one that was made is refused', async () => {
    await createVolume(driver, 'pvc-1');
    await run('mv', [at('pvc-1'), at('aside')]);
    await mkdir(at('pvc-1'));
    await writeFile(at('pvc-1/precious'), 'x');
    const { code, details } = await outcomeOf(remove('pvc-1'));
    expect([code, details]).toEqual(['FAILED_PRECONDITION', expect.stringContaining('move it away')]);
    expect(await readFile(at('pvc-1/precious'), 'utf8')).toBe('x');
    await run('mv', [at('pvc-1'), at('theirs')]);
    expect(await codeOf(remove('pvc-1'))).toBe('OK');
  });

  it('of a volume that is mounted on this node is refused until it is unmounted', async () => {
    const volume = await createVolume(driver, 'pvc-1');
    const paths = await kubeletPaths(driver, 'pvc-1');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths);
    const { code, details } = await outcomeOf(remove('pvc-1'));
    expect([code, details]).toEqual(['FAILED_PRECONDITION', expect.stringContaining('pods/pod-1')]);
    await writeFile(join(paths.target, 'file'), 'still there');
    expect(await readFile(at('pvc-1/file'), 'utf8')).toBe('still there');
    await unpublish(driver, volume.volume_id, paths.target);
    expect(await codeOf(remove('pvc-1'))).toBe('OK');
  });

  it('of a directory that is a mount point is refused, with the reason', async () => {
    const other = join(home, 'other');
    await mkdir(other);
    await mkdir(at('pvc-adopted'));
    await createVolume(driver, 'pvc-adopted', { existing: 'adopt' });
    await mount(other, at('pvc-adopted'));
    const { code, details } = await outcomeOf(remove('pvc-adopted'));
    expect([code, details]).toEqual(['FAILED_PRECONDITION', expect.stringMatching(/mount|not the one that was made/)]);
    await unmount(at('pvc-adopted'));
    expect(await codeOf(remove('pvc-adopted'))).toBe('OK');
  });

  it('never has to leave the file system: a volume on another one is not created', async () => {
    const other = join(home, 'other');
    await mkdir(join(other, 'pvc-2'), { recursive: true });
    await mkdir(at('team'));
    await mount(other, at('team'));
    for (const [name, directory] of [
      ['pvc-1', 'team/{volume}'],
      ['pvc-2', 'team/{volume}'],
      ['team', '{volume}'],
    ] as const) {
      const { code, details } = await outcomeOf(createVolume(driver, name, { directory, existing: 'adopt' }));
      expect([code, details]).toEqual(['FAILED_PRECONDITION', expect.stringContaining('mount point')]);
    }
    expect(await readdir(at('.csi-subdir/volumes'))).toEqual([]);
  });
});
