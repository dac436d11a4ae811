import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { CANARY_MARKER, fingerprint, plantCanary } from '../support/canary.ts';
import { isRoot, makeHome, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, createSnapshot, OWN_FOLDERS, takeSnapshot } from '../support/snapshot.ts';
import { startSwapping } from '../support/swapping.ts';
import { codeOf, createVolume, outcomeOf } from '../support/volume.ts';

const run = promisify(execFile);

/** What unshare has become in its child. Stopped before, the child would not have bound its life to its parent's yet. */
const COPYING = '^(/bin/sh|chroot|/bin/cp) ';

/** The copying children of a driver or of its workers; what has not come yet counts too. */
const copiersOf = (root: string): readonly number[] =>
  execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => (line.includes('unshare') && line.includes(root) ? [Number.parseInt(line, 10)] : []));

describe.runIf(isRoot)('a copy', () => {
  let home = '';
  const drivers: TestDriver[] = [];
  const start = async (options = {}): Promise<TestDriver> => {
    const driver = await startDriver({ home, ...options });
    drivers.push(driver);
    await expect.poll(driver.output, { timeout: 30_000 }).toContain('"msg":"pool opened"');
    return driver;
  };
  const begin = async (options = {}): Promise<TestDriver> => {
    home = await makeHome();
    return start(options);
  };
  afterEach(async () => {
    for (const pid of copiersOf(home)) process.kill(pid, 'SIGCONT');
    for (const driver of drivers.splice(0)) await driver.stop();
    await run('umount', [join(home, 'root')]).catch(() => {});
    await removeHome(home);
  });
  const own = (folder: string) => readdir(join(home, 'root/.csi-subdir', folder));
  const ownFolders = async () => Object.fromEntries(await Promise.all(OWN_FOLDERS.map(async (f) => [f, await own(f)])));
  /** False where there is none yet. */
  const signalCopies = (signal: 'STOP' | 'CONT'): boolean => {
    const pids = copiersOf(home).map(String);
    return pids.length > 0 && spawnSync('pkill', [`-${signal}`, '-P', pids.join(','), '-f', COPYING]).status === 0;
  };
  /** Holds the next copy in its middle: it has begun, and cannot end. */
  const holdCopy = async <Value>(work: () => Promise<Value>): Promise<{ readonly answer: Promise<Value> }> => {
    const answer = work();
    answer.catch(() => {});
    // unshare comes first, and what copies is its child.
    await expect.poll(() => signalCopies('STOP'), { timeout: 30_000, interval: 1 }).toBe(true);
    return { answer };
  };
  /** Enough that a copy cannot end before it is held. */
  const fill = async (volume: string): Promise<void> => {
    await run('sh', ['-c', `cd "$1" && seq 30000 | xargs touch`, 'sh', join(home, 'root', volume)]);
  };
  const release = (): void => {
    signalCopies('CONT');
  };

  it.each([false, true])('goes on behind, is joined, and keeps its source (shared: %s)', async (shared) => {
    const driver = await begin({ shared });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    const { answer } = await holdCopy(() => createSnapshot(driver, 'snap-1', 'main/pvc-1'));
    expect(await answer).toMatchObject({ ready_to_use: false, snapshot_id: 'main@snap-1' });
    expect((await driver.controller.GetSnapshot({ snapshot_id: 'main@snap-1' })).snapshot?.ready_to_use).toBe(false);
    expect((await driver.controller.ListSnapshots({})).entries).toHaveLength(1);
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@snap-1'))).toBe('NOT_FOUND');
    expect(await codeOf(driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' }))).toBe('ABORTED');
    expect(await codeOf(createVolume(driver, 'pvc-beside'))).toBe('OK');
    expect(copiersOf(home)).toHaveLength(1);
    release();
    await expect
      .poll(async () => (await createSnapshot(driver, 'snap-1', 'main/pvc-1')).ready_to_use, { timeout: 60_000 })
      .toBe(true);
    expect(await readdir(join(home, 'root/.csi-subdir/data/snap-1'))).toHaveLength(30_000);
    expect(await codeOf(driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' }))).toBe('OK');
  });

  it.each([false, true])('is cancelled by the deletion of what it makes (shared: %s)', async (shared) => {
    const driver = await begin({ shared });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    await holdCopy(() => createSnapshot(driver, 'snap-1', 'main/pvc-1'));
    await driver.controller.DeleteSnapshot({ snapshot_id: 'main@snap-1' });
    await expect.poll(() => copiersOf(home), { timeout: 30_000 }).toEqual([]);
    const clone = await holdCopy(() => createFrom(driver, 'pvc-2', 'main/pvc-1'));
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-2' });
    expect(await codeOf(clone.answer)).toBe('ABORTED');
    await expect.poll(() => own('trash'), { timeout: 60_000 }).toEqual([]);
    expect(await ownFolders()).toEqual({ volumes: ['pvc-1.json'], snapshots: [], data: [], copies: [], trash: [] });
    expect(await mountsBelow(home)).toEqual([]);
  });

  it.each([false, true])('ends with its process, and is begun again at the next start (shared: %s)', async (shared) => {
    const driver = await begin({ shared });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    await holdCopy(() => createSnapshot(driver, 'snap-1', 'main/pvc-1'));
    process.kill(driver.pid, 'SIGKILL');
    await driver.ended;
    await expect.poll(() => copiersOf(home), { timeout: 30_000 }).toEqual([]);
    const again = await start({ shared });
    const ready = async () => {
      // Another controller of a shared pool may still be at it: there, only a call makes it anew at once.
      if (shared) await createSnapshot(again, 'snap-1', 'main/pvc-1');
      return (await again.controller.GetSnapshot({ snapshot_id: 'main@snap-1' })).snapshot?.ready_to_use;
    };
    await expect.poll(ready, { timeout: 60_000 }).toBe(true);
    expect(await own('copies')).toEqual([]);
    expect(await readdir(join(home, 'root/.csi-subdir/data/snap-1'))).toHaveLength(30_000);
  });

  it('is ended even where its worker does not answer any more', async () => {
    const driver = await begin({ shared: true });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    await holdCopy(() => createSnapshot(driver, 'snap-1', 'main/pvc-1'));
    const [copier] = copiersOf(home);
    const worker = execFileSync('ps', ['-o', 'ppid=', '-p', String(copier)], { encoding: 'utf8' }).trim();
    process.kill(Number(worker), 'SIGSTOP');
    expect(await codeOf(createVolume(driver, 'pvc-beside'))).toBe('OK');
    await driver.controller.DeleteSnapshot({ snapshot_id: 'main@snap-1' });
    await expect.poll(() => copiersOf(home), { timeout: 30_000 }).toEqual([]);
    await expect.poll(() => own('trash'), { timeout: 60_000 }).toEqual([]);
    expect([await own('snapshots'), await own('copies')]).toEqual([[], []]);
    expect(driver.output()).not.toContain('"msg":"server does not answer"');
  });

  it('that fills the disk is taken back, and says so', async () => {
    home = await makeHome();
    const root = join(home, 'root');
    await mkdir(root);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', root]);
    const driver = await start();
    // Nor does this file system compress, and a class that wants it is told so.
    expect(await codeOf(createVolume(driver, 'pvc-2', { compression: 'zstd' }))).toBe('FAILED_PRECONDITION');
    await createVolume(driver, 'pvc-1');
    for (let file = 0; file < 5; file += 1) await writeFile(join(root, `pvc-1/${file}`), Buffer.alloc(1 << 20, 'x'));
    const full = { code: 'RESOURCE_EXHAUSTED', details: 'no space left on the pool' };
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(await outcomeOf(createSnapshot(driver, 'snap-1', 'main/pvc-1'))).toEqual(full);
      expect(await outcomeOf(createFrom(driver, 'pvc-2', 'main/pvc-1'))).toEqual(full);
    }
    await expect.poll(() => own('trash'), { timeout: 60_000 }).toEqual([]);
    expect(await ownFolders()).toEqual({ volumes: ['pvc-1.json'], snapshots: [], data: [], copies: [], trash: [] });
    expect((await driver.controller.ListSnapshots({})).entries).toEqual([]);
    for (const file of ['0', '1', '2', '3']) await rm(join(root, `pvc-1/${file}`));
    expect(await codeOf(takeSnapshot(driver, 'snap-1', 'main/pvc-1'))).toBe('OK');
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@snap-1'))).toBe('OK');
    expect(await readFile(join(root, 'pvc-2/4'))).toEqual(Buffer.alloc(1 << 20, 'x'));
  });

  it('is led nowhere by links that are put in the place of directories', async () => {
    const driver = await begin();
    const canary = join(home, 'canary');
    // Who follows a link in the midst of a walk finds the next name of the list there too.
    await plantCanary(canary, NUMBERS);
    const before = await fingerprint(canary);
    await createVolume(driver, 'pvc-1');
    const volume = join(driver.root, 'pvc-1');
    await run('sh', ['-c', PLANT, 'sh', volume]);
    const swapping = startSwapping({
      swaps: FOLDERS.map((path) => ({ path: join(volume, path), decoy: canary })),
      trash: join(driver.root, '.csi-subdir/trash'),
      decoy: canary,
    });
    const codes: string[] = [];
    let bare = 0;
    try {
      for (let attempt = 0; attempt < 40; attempt += 1)
        codes.push(await codeOf(createSnapshot(driver, `snap-${attempt}`, 'main/pvc-1')));
      // The same without the sandbox: the links do lead astray.
      const end = Date.now() + 90_000;
      while (bare === 0 && Date.now() < end) {
        const target = join(home, 'bare');
        await run('cp', ['-a', '--', volume, target]).catch(() => {});
        bare = await countCanaries(target);
        await rm(target, { recursive: true, force: true });
      }
    } finally {
      await swapping.stop();
    }
    expect(codes.filter((code) => code !== 'OK' && code !== 'ABORTED')).toEqual([]);
    const taken = codes.filter((code) => code === 'OK').length;
    console.info(`${swapping.count()} swaps, ${codes.join(' ')}; bare cp: ${bare} files of others`);
    expect(await countCanaries(join(driver.root, '.csi-subdir'))).toBe(0);
    expect(bare).toBeGreaterThan(0);
    expect(taken).toBeGreaterThan(5);
    expect(await fingerprint(canary)).toEqual(before);
  });
});

const FOLDERS = ['inner/a', 'inner/c/d'];
const NUMBERS = Array.from({ length: 50 }, (_, index) => String(index + 1));
const PLANT = `cd "$1" && for folder in inner/a inner/b inner/c/d; do
  for number in $(seq 50); do mkdir -p $folder/$number && echo own >$folder/$number/file; done
done`;

/** Not through the links, which are copied as what they are. */
const countCanaries = async (folder: string): Promise<number> =>
  (await run('find', [folder, '-name', CANARY_MARKER, '-type', 'f'])).stdout.split('\n').length - 1;
