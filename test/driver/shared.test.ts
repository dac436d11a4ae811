import { execFileSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import {
  codeOf,
  createVolume,
  kubeletPaths,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

/** The workers of a driver, for all roots or for one. */
const workersOf = ({ pid }: TestDriver, path = ''): readonly number[] => {
  const children = execFileSync('ps', ['-eo', 'ppid=,pid=,args='], { encoding: 'utf8' }).split('\n');
  return children.flatMap((line) => {
    const [parent, child] = line.trim().split(/\s+/);
    return parent === String(pid) && line.includes(` worker ${path}`) ? Number(child) : [];
  });
};

/** A worker that is stopped is, to its driver, storage that does not answer: it needs no server to be tried. */
describe.runIf(isRoot)('a shared pool', () => {
  let driver: TestDriver | undefined;
  const homes: string[] = [];
  afterEach(async () => {
    for (const pid of driver === undefined ? [] : workersOf(driver)) process.kill(pid, 'SIGCONT');
    await driver?.stop();
    driver = undefined;
    for (const home of homes.splice(0)) await removeHome(home);
  });

  const start = async (): Promise<TestDriver> => {
    const other = await makeHome();
    const pools = { other: { hostPath: { path: other, shared: true } } };
    driver = await startDriver({ shared: true, pools });
    homes.push(driver.home, other);
    await expect.poll(() => driver?.output().match(/"msg":"pool opened"/g)?.length, { timeout: 30_000 }).toBe(2);
    return driver;
  };
  const inMain = { pool: 'main' };
  const inOther = { pool: 'other' };

  it('serves volumes as a local one does, from every node', async () => {
    const one = await start();
    const volume = await createVolume(one, 'pvc-1', inMain);
    expect(volume.accessible_topology).toEqual([]);
    const paths = await kubeletPaths(one, 'pvc-1');
    await stage(one, volume, paths.staging);
    await stage(one, volume, paths.staging);
    await publish(one, volume, paths);
    await writeFile(join(paths.target, 'note'), 'shared');
    expect(await readFile(join(one.root, 'pvc-1/note'), 'utf8')).toBe('shared');
    const { usage } = await one.node.NodeGetVolumeStats({ volume_id: volume.volume_id, volume_path: paths.target });
    expect(usage.map(({ unit, total }) => [unit, Number(total) > 0])).toEqual([
      ['BYTES', true],
      ['INODES', true],
    ]);
    await unpublish(one, volume.volume_id, paths.target);
    await unstage(one, volume.volume_id, paths.staging);
    await one.controller.DeleteVolume({ volume_id: volume.volume_id });
    await expect.poll(() => readdir(join(one.root, '.csi-subdir/trash')), { timeout: 30_000 }).toEqual([]);
  });

  it('whose storage is silent fails alone, in time, and comes back by itself', async () => {
    const one = await start();
    await createVolume(one, 'pvc-before', inMain);
    const [silent = 0] = workersOf(one, one.root);
    process.kill(silent, 'SIGSTOP');
    const first = outcomeOf(createVolume(one, 'pvc-silent', inMain));
    expect(await codeOf(createVolume(one, 'pvc-beside', inOther))).toBe('OK');
    expect((await first).code).toMatch(/^(DEADLINE_EXCEEDED|UNAVAILABLE)$/);
    expect((await one.identity.Probe({})).ready?.value).toBe(true);
    expect(one.output()).toContain('"msg":"server does not answer"');
    expect(workersOf(one)).not.toContain(silent);
    await expect.poll(() => codeOf(createVolume(one, 'pvc-silent', inMain)), { timeout: 60_000 }).toBe('OK');
    expect(one.output()).toContain('"msg":"server answers again"');
    expect((await one.controller.ListVolumes({})).entries).toHaveLength(3);
  });

  it('outlives the end of its worker at any moment', async () => {
    const one = await start();
    for (let round = 0; round < 5; round += 1) {
      const call = codeOf(createVolume(one, `pvc-${round}`, inMain));
      for (const worker of workersOf(one, one.root)) process.kill(worker, 'SIGKILL');
      await call;
      await expect.poll(() => codeOf(createVolume(one, `pvc-${round}`, inMain)), { timeout: 60_000 }).toBe('OK');
    }
    expect((await readdir(one.root)).filter((entry) => entry.startsWith('pvc-'))).toHaveLength(5);
  });

  it('of which another controller writes too is listed with what that one has made', async () => {
    const one = await start();
    await createVolume(one, 'pvc-mine', inMain);
    const text = await readFile(join(one.root, '.csi-subdir/volumes/pvc-mine.json'), 'utf8');
    await writeFile(join(one.root, '.csi-subdir/volumes/pvc-theirs.json'), text.replaceAll('pvc-mine', 'pvc-theirs'));
    const ids = async () => (await one.controller.ListVolumes({})).entries.map(({ volume }) => volume?.volume_id);
    expect(await ids()).toEqual(['main/pvc-mine', 'main/pvc-theirs']);
    await rm(join(one.root, '.csi-subdir/volumes/pvc-theirs.json'));
    expect(await ids()).toEqual(['main/pvc-mine']);
  });
});
