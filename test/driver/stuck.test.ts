import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { isRoot, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createVolume, outcomeOf } from '../support/volume.ts';

const SILENT = resolve(import.meta.dirname, '../support/silent-fuse.py');
const run = promisify(execFile);

/** Processes of a driver that even SIGKILL does not end: they wait for a file system that has taken their request. */
describe.runIf(isRoot && existsSync('/dev/fuse'))('a file system that takes requests and answers none', () => {
  let driver: TestDriver;
  let end = async (): Promise<void> => {};
  afterEach(async () => {
    await end();
    await driver.stop();
    await removeHome(driver.home);
  });

  const mountSilent = async (at: string): Promise<void> => {
    const server = spawn('python3', [SILENT, at], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout, 'data');
    end = async () => {
      // What waits for it gets an error when it has ended.
      server.kill('SIGKILL');
      await once(server, 'close');
      await run('umount', ['--lazy', at]);
      end = async () => {};
    };
  };
  const childrenOf = ({ pid }: TestDriver): readonly string[] =>
    execFileSync('ps', ['-o', 'args=', '--ppid', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n');
  const create = () => outcomeOf(createVolume(driver, 'pvc-1'));

  it('keeps one worker of its pool waiting, however often it is tried, and is served again when it answers', async () => {
    driver = await startDriver({ shared: true });
    await expect.poll(driver.output, { timeout: 60_000 }).toContain('"msg":"pool opened"');
    const volume = await createVolume(driver, 'pvc-before');
    await mountSilent(driver.root);

    await expect.poll(async () => (await create()).details, { timeout: 120_000 }).toContain('has not ended');
    const refusals = () => driver.output().split('has not ended').length;
    const before = refusals();
    await expect
      .poll(
        async () => {
          await create();
          return refusals() - before;
        },
        { timeout: 120_000 },
      )
      .toBeGreaterThan(5);
    // Of a process that was killed and still waits, the kernel shows no arguments.
    expect(childrenOf(driver).filter((args) => /worker|defunct/.test(args))).toHaveLength(1);
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);

    const paths = { volume_id: volume.volume_id, volume_path: join(driver.root, 'pvc-before') };
    const stats = () => outcomeOf(driver.node.NodeGetVolumeStats(paths));
    for (let asked = 0; asked < 20; asked += 1) await stats();
    expect(childrenOf(driver).length).toBeLessThan(4);

    await end();
    await expect.poll(async () => (await create()).code, { timeout: 120_000 }).toBe('OK');
  });
});
