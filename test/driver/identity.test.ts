import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import {
  BUNDLE,
  type DriverOptions,
  isRoot,
  makeHome,
  removeHome,
  startDriver,
  type TestDriver,
} from '../support/driver.ts';
import { programPath } from '../support/programs.ts';
import { codeOf, createVolume, outcomeOf } from '../support/volume.ts';

const run = promisify(execFile);

/** A disk is an ext4 in a file: it can be mounted at a root, and taken away, also while the driver runs. */
describe.runIf(isRoot).each([false, true])('a pool whose root is a disk (shared: %s)', (shared) => {
  let home: string;
  let root: string;
  const mounts: string[] = [];
  const drivers: TestDriver[] = [];

  beforeEach(async () => {
    home = await makeHome();
    root = join(home, 'root');
    await mkdir(root);
  });
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.stop();
    // A purge that has just begun may still use it.
    for (const path of mounts.splice(0)) await run('umount', ['--lazy', path]);
    await removeHome(home);
  });

  const makeDisk = async (name: string): Promise<string> => {
    const image = join(home, `${name}.img`);
    await run('truncate', ['--size=32M', image]);
    await run('mkfs.ext4', ['-q', image]);
    return image;
  };
  const mount = async (image: string, at = root): Promise<void> => {
    await run('mount', ['-o', 'loop', image, at]);
    mounts.unshift(at);
  };
  const unmount = async (at = root): Promise<void> => {
    await run('umount', ['--lazy', at]);
    mounts.splice(mounts.indexOf(at), 1);
  };
  const start = async (options: DriverOptions = {}): Promise<TestDriver> => {
    const driver = await startDriver({ home, shared, ...options });
    drivers.push(driver);
    return driver;
  };
  const stopAll = async (): Promise<void> => {
    for (const driver of drivers.splice(0)) await driver.stop();
  };
  const csiSubdir = (...args: readonly string[]) =>
    run(process.execPath, [
      BUNDLE,
      ...args,
      '--config',
      join(home, 'config.yaml'),
      '--kubelet-dir',
      join(home, 'kubelet'),
    ]).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ status: code, stdout, stderr }),
    );
  const eventually = (attempt: () => Promise<string>) =>
    expect.poll(() => attempt(), { timeout: 60_000, interval: 200 });
  const reasonOf = async (driver: TestDriver) => (await outcomeOf(driver.controller.ListVolumes({}))).details;
  const create = (driver: TestDriver, name = 'pvc-1') => codeOf(createVolume(driver, name, { pool: 'main' }));
  const remove = (driver: TestDriver, id = 'main/pvc-1') => codeOf(driver.controller.DeleteVolume({ volume_id: id }));
  const memoryOf = (folder: string) =>
    join(folder, `kubelet/plugins/${shared ? 'shared' : 'local'}.csi-subdir.dev/pools/main.json`);
  const readIdentity = async (path = root) => JSON.parse(await readFile(join(path, '.csi-subdir/pool.json'), 'utf8'));

  /** Everything that must not be reported as missing while nobody can know. */
  const expectNotOpen = async (driver: TestDriver, reason: RegExp): Promise<void> => {
    const calls = {
      delete: () => driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' }),
      get: () => driver.controller.ControllerGetVolume({ volume_id: 'main/pvc-1' }),
      create: () => createVolume(driver, 'pvc-2', { pool: 'main' }),
      list: () => driver.controller.ListVolumes({}),
      listSnapshots: () => driver.controller.ListSnapshots({}),
      deleteSnapshot: () => driver.controller.DeleteSnapshot({ snapshot_id: 'main@snap' }),
      deleteGroup: () =>
        driver.groupController.DeleteVolumeGroupSnapshot({ group_snapshot_id: 'group:g', snapshot_ids: ['main@x'] }),
    };
    for (const [name, call] of Object.entries(calls)) {
      expect({ name, ...(await outcomeOf(call())) }).toEqual({
        name,
        code: 'UNAVAILABLE',
        details: expect.stringMatching(reason),
      });
    }
  };

  it('stays closed while its disk is not mounted at start, and opens with the disk', async () => {
    const disk = await makeDisk('disk');
    await mount(disk);
    const first = await start();
    await eventually(() => create(first)).toBe('OK');
    const { id } = await readIdentity();
    await stopAll();
    await unmount();

    const driver = await start();
    await eventually(() => reasonOf(driver)).toContain('is its disk mounted?');
    await expectNotOpen(driver, /^pool main is not open: its root .* has no identity .* is its disk mounted\?/);
    expect(await readdir(root)).toEqual([]);
    for (const command of [
      ['volumes', 'list'],
      ['volumes', 'adopt', '--size=1Gi', '--write', 'x'],
      ['volumes', 'enforce'],
    ])
      expect(await csiSubdir(...command)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('is its disk mounted?'),
      });
    expect(await csiSubdir('check')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('is its disk mounted?'),
    });
    expect(await readdir(root)).toEqual([]);

    await mount(disk);
    await eventually(() => codeOf(driver.controller.ListVolumes({}))).toBe('OK');
    expect((await driver.controller.ListVolumes({})).entries).toHaveLength(1);
    expect(await readIdentity()).toMatchObject({ id, pool: 'main' });
    expect(await remove(driver)).toBe('OK');
    expect(existsSync(join(root, 'pvc-1'))).toBe(false);
  });

  it('with requireMount is not created on the file system of /', async () => {
    const driver = await start({ pool: { requireMount: true } });
    await eventually(() => reasonOf(driver)).toContain('nothing is mounted at');
    expect(await readdir(root)).toEqual([]);
    expect(await csiSubdir('check')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('nothing is mounted at'),
    });
    await mount(await makeDisk('disk'));
    await eventually(() => create(driver)).toBe('OK');
    await unmount();
    expect(await readdir(root)).toEqual([]);
  });

  it('does not split between two file systems when a disk is mounted over it or taken away', async () => {
    const disk = await makeDisk('disk');
    await mount(disk);
    const driver = await start();
    await eventually(() => create(driver)).toBe('OK');
    await unmount();
    await expectNotOpen(driver, /^pool main is not open: /);
    expect(await readdir(root)).toEqual([]);
    await mount(await makeDisk('other'));
    await expectNotOpen(driver, /^pool main is not open: /);
    expect(await readdir(root)).toEqual(['lost+found']);
    await unmount();
    await mount(disk);
    await eventually(() => create(driver, 'pvc-3')).toBe('OK');
    expect((await readdir(root)).sort()).toEqual(['.csi-subdir', 'lost+found', 'pvc-1', 'pvc-3']);
    expect((await readdir(join(root, '.csi-subdir/volumes'))).sort()).toEqual(['pvc-1.json', 'pvc-3.json']);
    expect(await remove(driver)).toBe('OK');
  });

  it('created on a bare mount point is refused on the disk that is mounted there later', async () => {
    const driver = await start();
    await eventually(() => create(driver)).toBe('OK');
    await mount(await makeDisk('disk'));
    await expectNotOpen(driver, /^pool main is not open: /);
    expect(await readdir(root)).toEqual(['lost+found']);
    await unmount();
    await eventually(() => remove(driver)).toBe('OK');
  });

  it('lets go of a disk that was taken away', async () => {
    const disk = await makeDisk('disk');
    await mount(disk);
    const driver = await start();
    await eventually(() => create(driver)).toBe('OK');
    await unmount();
    await expectNotOpen(driver, /^pool main is not open: /);
    await eventually(async () => (await run('losetup', ['--associated', disk])).stdout).toBe('');
  });

  it('is not taken for another one when their paths are swapped in the configuration', async () => {
    const other = join(home, 'other');
    await mkdir(other);
    for (const path of [root, other]) await mkdir(join(path, 'pvc-1'));
    const hostPath = (path: string) => ({
      hostPath: { path, shared },
      existing: 'adopt',
      onDelete: 'delete',
      directory: '{volume}',
    });
    const first = await start({ pool: hostPath(root), pools: { second: hostPath(other) } });
    await eventually(() => create(first)).toBe('OK');
    await eventually(() => codeOf(first.controller.ListVolumes({}))).toBe('OK');
    await stopAll();
    const swapped = await start({ pool: hostPath(other), pools: { second: hostPath(root) } });
    await eventually(() => reasonOf(swapped)).toMatch(
      /pool main is not open: .* belongs to pool "second".*; pool second is not open: .* belongs to pool "main"/,
    );
    await expectNotOpen(swapped, /main is not open: .* belongs to pool "second"/);
    expect(await codeOf(swapped.controller.DeleteVolume({ volume_id: 'second/pvc-1' }))).toBe('UNAVAILABLE');
    expect([root, other].map((path) => existsSync(join(path, 'pvc-1')))).toEqual([true, true]);
  });

  it('has the pinned id, also where nobody remembers the pool', async () => {
    const first = await start();
    await eventually(() => create(first)).toBe('OK');
    const { id } = await readIdentity();
    expect((await csiSubdir('check')).stdout).toContain(`id: ${id}`);
    await stopAll();
    await rm(join(home, 'kubelet/plugins'), { recursive: true });
    await rename(join(root, '.csi-subdir'), join(home, 'aside'));
    const driver = await start({ pool: { id } });
    await eventually(() => reasonOf(driver)).toContain('pools.main.id');
    await expectNotOpen(driver, /has no identity/);
    await rename(join(home, 'aside'), join(root, '.csi-subdir'));
    await eventually(() => remove(driver)).toBe('OK');
    await stopAll();
    const wrong = 'ffffffff-ffff-4fff-8fff-ffffffffffff';
    const other = await start({ pool: { id: wrong } });
    await eventually(() => reasonOf(other)).toContain(wrong);
    await expectNotOpen(other, new RegExp(`has the id ${id}, but the pool has the id ${wrong}`));
  });

  it('that is damaged is not repaired by making what is missing', async () => {
    const first = await start();
    await eventually(() => create(first)).toBe('OK');
    await stopAll();
    for (const missing of ['volumes', 'snapshots', 'data', 'copies', 'trash', 'projects', 'changes', 'pool.json']) {
      await rename(join(root, '.csi-subdir', missing), join(home, 'aside'));
      const driver = await start();
      await eventually(() => reasonOf(driver)).toContain(`.csi-subdir/${missing}`);
      await expectNotOpen(driver, /main is not open/);
      expect(existsSync(join(root, '.csi-subdir', missing))).toBe(false);
      await stopAll();
      await rename(join(home, 'aside'), join(root, '.csi-subdir', missing));
    }
    // Nobody remembers the pool: its records still do.
    await rm(join(home, 'kubelet/plugins'), { recursive: true });
    await rm(join(root, '.csi-subdir/pool.json'));
    const driver = await start();
    await eventually(() => reasonOf(driver)).toContain('has records');
    expect(existsSync(join(root, '.csi-subdir/pool.json'))).toBe(false);
  });

  it('may be replaced on purpose', async () => {
    const first = await start();
    await eventually(() => create(first)).toBe('OK');
    await stopAll();
    await rm(join(root, '.csi-subdir'), { recursive: true });
    await rm(join(root, 'pvc-1'), { recursive: true });
    const driver = await start();
    const memory = memoryOf(home);
    await eventually(() => reasonOf(driver)).toContain(`remove ${memory}`);
    await rm(memory);
    await eventually(() => create(driver)).toBe('OK');
    expect(JSON.parse(await readFile(memory, 'utf8'))).toEqual({ pool: 'main', id: (await readIdentity()).id });
  });

  it('migrates from layout 1 with its volumes, and keeps its id', async () => {
    await leaveLayout1(root);
    await mkdir(join(home, 'kubelet'));
    await writeFile(join(home, 'config.yaml'), stringify({ pools: { main: { hostPath: { path: root, shared } } } }));
    const before = await csiSubdir('volumes', 'list');
    expect([before.status, before.stdout]).toEqual([0, expect.stringContaining('main/pvc-old')]);
    expect((await csiSubdir('check')).stdout).toContain('layout 1');
    expect(await readIdentity()).toEqual({ layout: 1 });
    const first = await start();
    await eventually(() => codeOf(first.controller.ListVolumes({}))).toBe('OK');
    const identity = await readIdentity();
    expect(identity).toEqual({ layout: 2, pool: 'main', id: expect.any(String) });
    expect((await first.controller.ListVolumes({})).entries.map(({ volume }) => volume?.volume_id)).toEqual([
      'main/pvc-old',
    ]);
    expect(await codeOf(createVolume(first, 'pvc-old', { pool: 'main' }))).toBe('OK');
    await stopAll();
    const again = await start();
    await eventually(() => remove(again, 'main/pvc-old')).toBe('OK');
    expect([await readIdentity(), existsSync(join(root, 'pvc-old'))]).toEqual([identity, false]);
  });

  it.each([1, 2])('of layout %s gets one id from drivers that open it at the same time', async (layout) => {
    if (layout === 1) await leaveLayout1(root);
    const homes = await Promise.all([makeHome(), makeHome(), makeHome()]);
    const hostPath = { path: root, shared };
    const racing = await Promise.all(homes.map((each) => startDriver({ home: each, pool: { hostPath } })));
    drivers.push(...racing);
    for (const driver of racing) await eventually(() => codeOf(driver.controller.ListVolumes({}))).toBe('OK');
    const { id } = await readIdentity();
    const memories = await Promise.all(racing.map((driver) => readFile(memoryOf(driver.home), 'utf8')));
    expect(memories.map((text) => JSON.parse(text))).toEqual(racing.map(() => ({ pool: 'main', id })));
    await stopAll();
    for (const each of homes) await removeHome(each);
  });

  it.runIf(!shared).each([1, 2])(
    'of layout %s is opened after a crash at any step of the first start',
    async (layout) => {
      for (let at = 1, crashed = true; crashed; at += 1) {
        await rm(join(root, '.csi-subdir'), { recursive: true, force: true });
        await rm(join(home, 'kubelet'), { recursive: true, force: true });
        if (layout === 1) await leaveLayout1(root);
        await mkdir(join(home, 'kubelet'), { recursive: true });
        await writeFile(join(home, 'config.yaml'), stringify({ pools: { main: { hostPath: { path: root } } } }));
        crashed = await serveUntilOpen(home, at);
        const driver = await start();
        expect(await codeOf(driver.controller.ListVolumes({}))).toBe('OK');
        expect(await readIdentity()).toMatchObject({ layout: 2, pool: 'main' });
        await stopAll();
      }
    },
  );
});

const CRASH = programPath('crash-driver');

/** Serves until the pool is open, or until the process has died at a step. True: it has died. */
const serveUntilOpen = async (home: string, at: number): Promise<boolean> => {
  const flags = ['--config', join(home, 'config.yaml'), '--socket', join(home, 'crash.sock')];
  const more = ['--kubelet-dir', join(home, 'kubelet'), '--http', '127.0.0.1:0'];
  const child = spawn(process.execPath, [CRASH, 'serve', ...flags, ...more], {
    env: { ...process.env, CRASH_AT: String(at) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_, signal) => resolve(signal)));
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes('"msg":"serving"')) child.kill('SIGTERM');
  });
  return (await ended) === 'SIGKILL';
};

/** A root as the released version 0.1.0 leaves it: one volume, no identity. */
const leaveLayout1 = async (root: string): Promise<void> => {
  const own = join(root, '.csi-subdir');
  for (const folder of ['volumes', 'snapshots', 'data', 'copies', 'trash', 'projects'])
    await mkdir(join(own, folder), { recursive: true });
  await mkdir(join(root, 'pvc-old'), { recursive: true });
  const record = {
    name: 'pvc-old',
    requestedName: 'pvc-old',
    directory: 'pvc-old',
    capacityBytes: 1024 ** 3,
    state: 'ready',
    parameters: { pool: 'main' },
    settings: { mode: 0o777, onDelete: 'delete' },
    adopted: false,
    createdAt: '2026-01-05T08:05:00.761Z',
  };
  await writeFile(join(own, 'volumes/pvc-old.json'), `${JSON.stringify(record)}\n`);
  await writeFile(join(own, 'pool.json'), '{"layout":1}\n');
};
