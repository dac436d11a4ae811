import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { BUNDLE, isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { INLINE_NAME, publishInline, unpublishInline } from '../support/inline.ts';
import { codeOf, createVolume } from '../support/volume.ts';

describe.runIf(isRoot).each([false, true])('orphans (shared: %s)', (shared) => {
  let driver: TestDriver;
  afterEach(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  const orphans = async (...args: readonly string[]) => {
    const { home } = driver;
    const where = ['--config', join(home, 'config.yaml'), '--kubelet-dir', join(home, 'kubelet')];
    const command = [BUNDLE, 'volumes', 'orphans', ...args, ...where, '--mount-dir', join(home, 'mounts')];
    return promisify(execFile)(process.execPath, command).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ status: code, stdout, stderr }),
    );
  };
  /** What is found, by directory. */
  const found = async (...args: readonly string[]) => {
    const { stdout }: { readonly stdout: string } = await orphans(...args);
    const rows = stdout.trim().split('\n').slice(1);
    return Object.fromEntries(rows.map((row) => row.split(/ {2,}/)).map(([, what, , directory]) => [directory, what]));
  };
  const begin = async (): Promise<void> => {
    driver = await startDriver({ shared, home: await makeHome() });
    await expect.poll(driver.output, { timeout: 60_000 }).toContain('"msg":"pool opened"');
  };
  const removeVolume = (name: string) => driver.controller.DeleteVolume({ volume_id: `main/${name}` });

  it('are what was retained or archived, and directories of nobody; volumes in use are none', async () => {
    await begin();
    const claim = { 'csi.storage.k8s.io/pvc/namespace': 'team', 'csi.storage.k8s.io/pvc/name': 'data' };
    await createVolume(driver, 'pvc-used', { directory: '{namespace}/{claim}', ...claim });
    await createVolume(driver, 'pvc-retained', { onDelete: 'retain' });
    await createVolume(driver, 'pvc-archived', { onDelete: 'archive' });
    for (const name of ['pvc-retained', 'pvc-archived']) await removeVolume(name);
    await mkdir(join(driver.root, 'team/other'), { recursive: true });
    await mkdir(join(driver.root, 'stray'));
    await writeFile(join(driver.root, 'stray/file'), 'x'.repeat(10_000));
    const archived = (await readdir(driver.root)).find((name) => name.startsWith('archived-')) ?? '';
    expect(await found()).toEqual({
      [archived]: 'archive',
      'pvc-retained': 'directory',
      stray: 'directory',
      'team/other': 'directory',
    });

    expect(await orphans('--remove', 'stray')).toMatchObject({
      status: 0,
      stdout: 'stray: directory would be removed\n',
    });
    expect(await orphans('--remove', '--write', 'team/data')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('"team/data" is not among the orphans'),
    });
    expect((await orphans('--remove', '--write', 'stray', archived)).status).toBe(0);
    expect(await readdir(driver.root)).not.toContain('stray');
    expect((await orphans('--adopt', '--write', 'pvc-retained')).stderr).toContain('--size is missing');
    const { stdout } = await orphans('--adopt', '--write', '--size=1Gi', 'pvc-retained');
    expect(stdout).toContain('volumeHandle: main/pvc-retained');
    expect(await found()).toEqual({ 'team/other': 'directory' });
    expect(await codeOf(driver.controller.ControllerGetVolume({ volume_id: 'main/pvc-retained' }))).toBe('OK');
    expect(await codeOf(driver.controller.ControllerGetVolume({ volume_id: 'main/pvc-used' }))).toBe('OK');
  });

  it('are volumes without a PersistentVolume and inline volumes without a pod, where the cluster is known', async () => {
    await begin();
    for (const name of ['pvc-1', 'pvc-2']) await createVolume(driver, name);
    await publishInline(driver);
    expect(await found()).toEqual({});
    const driverName = `${shared ? 'shared' : 'local'}.csi-subdir.dev`;
    const volume = (volumeHandle: string) => ({
      kind: 'PersistentVolume',
      spec: { csi: { driver: driverName, volumeHandle } },
    });
    const pod = (name: string) => ({ kind: 'Pod', metadata: { namespace: 'shop', name } });
    const cluster = async (...items: readonly object[]) => {
      const file = join(driver.home, 'cluster.json');
      await writeFile(file, JSON.stringify({ items }));
      return found('--cluster', file);
    };
    const [directory = ''] = (await readdir(driver.root)).filter((name) => name.endsWith(INLINE_NAME));
    expect(await cluster(volume('main/pvc-1'), pod('web'))).toEqual({ 'pvc-2': 'volume' });
    expect(await cluster(volume('main/pvc-1'), volume('main/pvc-2'), pod('other'))).toEqual({
      [directory]: 'inline volume',
    });
    // A kind that was not asked for is not known.
    expect(await cluster(pod('web'))).toEqual({});
    expect((await orphans('--cluster', join(driver.home, 'config.yaml'))).stderr).toContain('kubectl get pv,pods');
    await unpublishInline(driver);
  });
});
