import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type DriverOptions, isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { programPath } from '../support/programs.ts';
import { codeOf, createVolume, outcomeOf } from '../support/volume.ts';

const SLOW = programPath('slow-driver');

describe.runIf(isRoot)('the process', () => {
  const started: TestDriver[] = [];
  const homes = new Set<string>();
  const start = async (options?: DriverOptions): Promise<TestDriver> => {
    const driver = await startDriver(options);
    started.push(driver);
    homes.add(driver.home);
    return driver;
  };
  afterEach(async () => {
    for (const driver of started.splice(0)) await driver.stop();
    for (const home of homes) await removeHome(home);
    homes.clear();
  });
  const fetchText = async (driver: TestDriver, path: string) => {
    const response = await fetch(`http://127.0.0.1:${driver.httpPort}${path}`);
    return { status: response.status, text: await response.text() };
  };

  it('opens its socket for its own user only, and takes it away at the end', async () => {
    const driver = await start();
    expect((await lstat(driver.socket)).mode & 0o777).toBe(0o600);
    await driver.stop();
    expect(await driver.ended).toBe(0);
    await expect(lstat(driver.socket)).rejects.toThrow('ENOENT');
  });

  it('takes the place of a socket nobody answers at, and of nothing else', async () => {
    const first = await start();
    await expect(start({ home: first.home })).rejects.toThrow('another process serves');
    process.kill(first.pid, 'SIGKILL');
    await first.ended;
    expect((await lstat(first.socket)).isSocket()).toBe(true);
    const second = await start({ home: first.home });
    expect((await second.identity.Probe({})).ready?.value).toBe(true);
    await second.stop();
    await writeFile(second.socket, 'precious');
    await expect(start({ home: first.home })).rejects.toThrow('is not a socket');
    expect(await readFile(second.socket, 'utf8')).toBe('precious');
  });

  it('serves only what its mode says', async () => {
    const controller = await start({ flags: ['--mode', 'controller'] });
    expect(await codeOf(controller.node.NodeGetInfo({}))).toBe('UNIMPLEMENTED');
    expect(await codeOf(controller.controller.ListSnapshots({}))).toBe('OK');
    const node = await start({ flags: ['--mode', 'node', '--max-volumes-per-node', '7'] });
    expect(await codeOf(node.controller.ListVolumes({}))).toBe('UNIMPLEMENTED');
    expect((await node.node.NodeGetInfo({})).max_volumes_per_node).toBe(7);
  });

  it('finishes what it has begun when it is stopped, and begins nothing more', async () => {
    const driver = await start({ entry: SLOW });
    const running = codeOf(createVolume(driver, 'pvc-running'));
    await expect.poll(() => readdir(join(driver.root, '.csi-subdir/volumes'))).not.toEqual([]);
    process.kill(driver.pid, 'SIGTERM');
    await expect.poll(driver.output).toContain('"msg":"stopping"');
    expect(await codeOf(createVolume(driver, 'pvc-late'))).toBe('UNAVAILABLE');
    expect(await running).toBe('OK');
    expect(await driver.ended).toBe(0);
    expect(await readdir(join(driver.root, '.csi-subdir/volumes'))).toEqual(['pvc-running.json']);
  });

  it('leaves at once at a second signal, and a new process finds its way', async () => {
    const driver = await start({ entry: SLOW });
    const running = codeOf(createVolume(driver, 'pvc-running'));
    await expect.poll(() => readdir(join(driver.root, '.csi-subdir/volumes'))).not.toEqual([]);
    process.kill(driver.pid, 'SIGTERM');
    await expect.poll(driver.output).toContain('"msg":"stopping"');
    process.kill(driver.pid, 'SIGTERM');
    expect(await driver.ended).toBe(1);
    expect(await running).toBe('UNAVAILABLE');
    const next = await start({ home: driver.home });
    expect(await codeOf(createVolume(next, 'pvc-running'))).toBe('OK');
  });

  it('answers within the deadline of the caller, and the same call again meets the work', async () => {
    const driver = await start({ entry: SLOW });
    const request = {
      name: 'pvc-slow',
      volume_capabilities: [{ mount: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } }],
    };
    expect(await codeOf(driver.controller.CreateVolume(request, 300))).toBe('DEADLINE_EXCEEDED');
    const { volume } = await driver.controller.CreateVolume(request);
    expect(volume?.volume_id).toBe('main/pvc-slow');
    expect(driver.output()).toMatch(/CreateVolume.*"code":"DeadlineExceeded"/);
    expect(driver.output()).toContain('"msg":"work has ended after its caller had gone"');
    expect(await readdir(join(driver.root, '.csi-subdir/volumes'))).toEqual(['pvc-slow.json']);
  });

  it('says what is wrong with a file that is in the place of another, with its name', async () => {
    const driver = await start();
    await mkdir(join(driver.root, '.csi-subdir/volumes/pvc-broken.json'));
    expect(await outcomeOf(createVolume(driver, 'pvc-broken'))).toEqual({
      code: 'FAILED_PRECONDITION',
      details: 'there is a directory in the place of a file: "pvc-broken.json"',
    });
  });

  it('logs what changed, tells an internal error by its request only, and counts it all', async () => {
    const driver = await start({ entry: programPath('faulty-driver') });
    await createVolume(driver, 'pvc-log');
    await driver.identity.Probe({});
    await driver.controller.ListVolumes({});
    await codeOf(createVolume(driver, 'pvc-log', { colour: 'red' }));
    const { code, details } = await outcomeOf(createVolume(driver, 'pvc-mistake'));
    const lines = driver
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const calls = lines
      .filter(({ msg }) => msg === 'call answered')
      .map(({ level, method, code: answered }) => [level, method, answered]);
    expect(calls).toEqual([
      ['info', '/csi.v1.Controller/CreateVolume', 'OK'],
      ['trace', '/csi.v1.Identity/Probe', 'OK'],
      ['debug', '/csi.v1.Controller/ListVolumes', 'OK'],
      ['warn', '/csi.v1.Controller/CreateVolume', 'InvalidArgument'],
      ['error', '/csi.v1.Controller/CreateVolume', 'Internal'],
    ]);
    const { requestId, err } = lines.at(-1);
    expect([code, details]).toEqual(['INTERNAL', `internal error (request ${requestId}, see the driver's log)`]);
    expect(err.message).toContain('a mistake of the program');
    const { text } = await fetchText(driver, '/metrics');
    const labels = 'driver_name="local.csi-subdir.dev",method_name="/csi.v1.Controller/CreateVolume"';
    expect(text).toContain(`csi_plugin_operations_seconds_count{${labels},grpc_status_code="OK"} 1`);
    expect(text).toContain(`csi_plugin_operations_seconds_count{${labels},grpc_status_code="InvalidArgument"} 1`);
    expect(text).toContain('csi_subdir_volumes{pool="main",state="ready"} 1');
    expect(text).toMatch(/nodejs_eventloop_lag_p99_seconds [\d.e-]+/);
  });

  it('serves the other pools while one is not open, and reports the reason', async () => {
    const later = join(await makeHome(), 'later');
    homes.add(join(later, '..'));
    const driver = await start({ pools: { later: { hostPath: { path: later } } } });
    expect(await fetchText(driver, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect(await fetchText(driver, '/readyz')).toEqual({ status: 200, text: 'ok\n' });
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);
    const { text } = await fetchText(driver, '/metrics');
    expect(text).toContain('csi_subdir_pool_ready{pool="later"} 0');
    expect(text).not.toMatch(/csi_subdir_(?:volumes|snapshots|pool_allocated_bytes|purge_backlog)\{pool="later"/);
    expect(await codeOf(createVolume(driver, 'pvc-a', { pool: 'main' }))).toBe('OK');
    const notOpen = {
      code: 'UNAVAILABLE',
      details: `pool later is not open: its root ${later} does not exist: create it, or mount its disk`,
    };
    expect(await outcomeOf(createVolume(driver, 'pvc-b', { pool: 'later' }))).toEqual(notOpen);
    expect(await outcomeOf(driver.controller.DeleteVolume({ volume_id: 'later/pvc-b' }))).toEqual(notOpen);
    expect(await outcomeOf(driver.controller.ListVolumes({}))).toEqual(notOpen);
    expect(await outcomeOf(driver.controller.ListSnapshots({}))).toEqual(notOpen);
    const deleteGroup = driver.groupController.DeleteVolumeGroupSnapshot({
      group_snapshot_id: 'group:g',
      snapshot_ids: ['main@x'],
    });
    expect(await outcomeOf(deleteGroup)).toEqual(notOpen);
    await mkdir(later);
    await expect.poll(() => codeOf(createVolume(driver, 'pvc-b', { pool: 'later' })), { timeout: 60_000 }).toBe('OK');
    expect(await fetchText(driver, '/readyz')).toEqual({ status: 200, text: 'ok\n' });
  });

  it('registers itself with the kubelet', async () => {
    const home = await makeHome();
    const registry = join(home, 'plugins_registry');
    await mkdir(registry);
    const driver = await start({
      home,
      flags: ['--registration-dir', registry, '--registration-endpoint', '/seen/by/kubelet.sock'],
    });
    expect((await lstat(join(registry, 'local.csi-subdir.dev-reg.sock'))).isSocket()).toBe(true);
    await driver.stop();
    expect(await readdir(registry)).toEqual([]);
  });
});
