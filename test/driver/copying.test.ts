import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { CANARY_MARKER, fingerprint, plantCanary } from '../support/canary.ts';
import { isRoot, makeHome, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, createSnapshot, dataOfSnapshot, OWN_FOLDERS, takeSnapshot } from '../support/snapshot.ts';
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

/** What copies the data, once it has begun. */
const pidsOfCp = (root: string): readonly number[] => {
  const parents = copiersOf(root).map(String);
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' }).trim().split('\n');
  return rows.flatMap((row) => {
    const [pid, parent = '', name] = row.trim().split(/ +/);
    return name === 'cp' && parents.includes(parent) ? [Number(pid)] : [];
  });
};

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
  const fill = async (volume: string, files = 30_000): Promise<void> => {
    await run('sh', ['-c', `cd "$1" && seq ${files} | xargs touch`, 'sh', join(home, 'root', volume)]);
  };
  const release = (): void => {
    signalCopies('CONT');
  };

  it.each([false, true])('goes on in the background and is joined by the same call (shared: %s)', async (shared) => {
    const driver = await begin({ shared });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    const { answer } = await holdCopy(() => createSnapshot(driver, 'snap-1', 'main/pvc-1'));
    expect(await codeOf(driver.controller.GetSnapshot({ snapshot_id: 'main@snap-1' }))).toBe('NOT_FOUND');
    expect((await driver.controller.ListSnapshots({})).entries).toEqual([]);
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@snap-1'))).toBe('NOT_FOUND');
    expect(await codeOf(createVolume(driver, 'pvc-beside'))).toBe('OK');
    expect(copiersOf(home)).toHaveLength(1);
    const joined = takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    release();
    const snapshot = await joined;
    expect(snapshot).toMatchObject({ ready_to_use: true, snapshot_id: 'main@snap-1' });
    expect(await answer.catch(() => snapshot)).toEqual(snapshot);
    expect(await readdir(await dataOfSnapshot(driver.root, 'snap-1'))).toHaveLength(30_000);
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

  it.each([false, true])('is cancelled by the deletion of its source (shared: %s)', async (shared) => {
    const driver = await begin({ shared });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    const cancelled = { code: 'ABORTED', details: 'the copy was cancelled: its source is being deleted' };
    await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    const restore = await holdCopy(() => createFrom(driver, 'pvc-2', 'main@snap-1'));
    await driver.controller.DeleteSnapshot({ snapshot_id: 'main@snap-1' });
    expect(await outcomeOf(restore.answer)).toEqual(cancelled);
    const snapshot = await holdCopy(() => createSnapshot(driver, 'snap-2', 'main/pvc-1'));
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-1' });
    expect(await outcomeOf(snapshot.answer)).toEqual(cancelled);
    expect(await codeOf(createSnapshot(driver, 'snap-2', 'main/pvc-1'))).toBe('NOT_FOUND');
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@snap-1'))).toBe('NOT_FOUND');
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-2' });
    expect(copiersOf(home)).toEqual([]);
    await expect.poll(() => own('trash'), { timeout: 60_000 }).toEqual([]);
    expect(await ownFolders()).toEqual({ volumes: [], snapshots: [], data: [], copies: [], trash: [] });
  });

  it.each([false, true])('ends with its process, and is rolled back or taken over (shared: %s)', async (shared) => {
    const driver = await begin({ shared });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1');
    await holdCopy(() => createSnapshot(driver, 'snap-1', 'main/pvc-1'));
    process.kill(driver.pid, 'SIGKILL');
    await driver.ended;
    await expect.poll(() => copiersOf(home), { timeout: 30_000 }).toEqual([]);
    const again = await start({ shared, flags: ['--takeover-ms', '500'] });
    // Another controller of a shared pool may still work on it: there, only a later call takes it over.
    if (!shared) expect([await own('snapshots'), await own('copies')]).toEqual([[], []]);
    await takeSnapshot(again, 'snap-1', 'main/pvc-1');
    expect(await readdir(await dataOfSnapshot(again.root, 'snap-1'))).toHaveLength(30_000);
    await expect.poll(() => own('copies'), { timeout: 60_000 }).toEqual([]);
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

  it('that is killed in the middle of a file fails, and is complete the next time', async () => {
    const driver = await begin({ flags: ['--call-timeout-ms', '120000'] });
    await createVolume(driver, 'pvc-1');
    await fill('pvc-1', 10_000);
    const at = (name: string): string => join(driver.root, 'pvc-1', name);
    await writeFile(at('removed'), 'data');
    await run('dd', ['if=/dev/zero', `of=${at('big')}`, 'bs=1M', 'count=512']);
    /** A copy that has begun, and has copied neither file. On a busy machine it may be further when it is stopped. */
    const stopEarly = async (name: string) => {
      const answer = createSnapshot(driver, name, 'main/pvc-1');
      answer.catch(() => {});
      await expect.poll(() => pidsOfCp(home), { timeout: 30_000, interval: 1 }).toHaveLength(1);
      const [cp = 0] = pidsOfCp(home);
      process.kill(cp, 'SIGSTOP');
      const [copy = ''] = await own('copies');
      const copied = (file: string): string => join(driver.root, '.csi-subdir/copies', copy, file);
      if (!existsSync(copied('removed')) && !existsSync(copied('big'))) return { name, answer, cp, copied };
      process.kill(cp, 'SIGCONT');
      await answer;
      return undefined;
    };
    let stopped: Awaited<ReturnType<typeof stopEarly>>;
    for (let attempt = 1; stopped === undefined; attempt += 1) stopped = await stopEarly(`snap-${attempt}`);
    const { name, answer, cp, copied } = stopped;
    await rm(at('removed'));
    process.kill(cp, 'SIGCONT');
    const begun = (): boolean => existsSync(copied('big')) && statSync(copied('big')).size > 0;
    await expect.poll(begun, { timeout: 60_000, interval: 1 }).toBe(true);
    process.kill(cp, 'SIGKILL');
    expect(await outcomeOf(answer)).toMatchObject({
      code: 'UNAVAILABLE',
      details: expect.stringMatching(/^the copy was killed/),
    });
    const listed = await driver.controller.ListSnapshots({ snapshot_id: `main@${name}` });
    expect(listed.entries).toEqual([]);
    await takeSnapshot(driver, name, 'main/pvc-1');
    const data = await dataOfSnapshot(driver.root, name);
    await run('cmp', [at('big'), join(data, 'big')]);
    expect(await readdir(data)).toHaveLength(10_001);
  });

  it('of a path that is too long fails with a final code and the reason, and works once it is gone', async () => {
    const driver = await begin();
    await createVolume(driver, 'pvc-1');
    await run('python3', [resolve(import.meta.dirname, '../support/deep.py'), join(driver.root, 'pvc-1'), '8040']);
    const refused = {
      code: 'FAILED_PRECONDITION',
      details: expect.stringMatching(/^a path of more than 4095 bytes cannot be copied: "ddd/),
    };
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(await outcomeOf(createSnapshot(driver, 'snap-1', 'main/pvc-1'))).toEqual(refused);
      expect(await outcomeOf(createFrom(driver, 'pvc-2', 'main/pvc-1'))).toEqual(refused);
    }
    await run('find', [join(driver.root, 'pvc-1'), '-mindepth', '1', '-delete']);
    await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
    expect(await codeOf(createFrom(driver, 'pvc-2', 'main@snap-1'))).toBe('OK');
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
