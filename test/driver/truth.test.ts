import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Btrfs, canBtrfs, mountBtrfs } from '../support/btrfs.ts';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { createFrom, takeSnapshot } from '../support/snapshot.ts';
import { createVolume } from '../support/volume.ts';

const WRITER = resolve(import.meta.dirname, '../support/writing.py');

const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

/** What may be said of a snapshot of a volume that is written to all the time. */
describe.runIf(isRoot)('a snapshot under fire', () => {
  let home: string;
  let driver: TestDriver;
  let disk: Btrfs | undefined;
  beforeEach(async () => {
    home = await makeHome();
  });
  afterEach(async () => {
    await driver.stop();
    await disk?.unmount();
    disk = undefined;
    await removeHome(home);
  });
  const at = (...path: readonly string[]) => join(driver.root, ...path);

  const writeDuring = async (work: () => Promise<void>): Promise<void> => {
    await createVolume(driver, 'pvc-1');
    const writer = execFile('python3', [WRITER, at('pvc-1')]);
    await expect.poll(() => readFile(at('pvc-1/whole')).catch(() => undefined), { timeout: 30_000 }).toBeDefined();
    try {
      await work();
    } finally {
      await writeFile(at('pvc-1/stop'), '');
      await once(writer, 'exit');
    }
  };
  const snapshots = async (count: number) => {
    for (let number = 1; number <= count; number += 1) await takeSnapshot(driver, `snap-${number}`, 'main/pvc-1');
  };
  /** Every snapshot restored, with the length of its log; the log is a beginning of what was written in the end. */
  const inspect = async (count: number): Promise<readonly number[]> => {
    const written = await readFile(at('pvc-1/log'));
    const lengths: number[] = [];
    for (let number = 1; number <= count; number += 1) {
      await createFrom(driver, 'pvc-restored', `main@snap-${number}`);
      const [log, whole] = await Promise.all(['log', 'whole'].map((file) => readFile(at('pvc-restored', file))));
      if (log === undefined || whole === undefined) throw new Error('nothing was read');
      expect(written.subarray(0, log.length).equals(log)).toBe(true);
      expect(whole.subarray(-64).toString()).toBe(sha256(whole.subarray(0, -64)));
      await driver.controller.DeleteVolume({ volume_id: 'main/pvc-restored' });
      lengths.push(log.length);
    }
    return lengths;
  };

  it.runIf(canBtrfs)('on btrfs is a moment of the whole volume', async () => {
    disk = await mountBtrfs(home, { mebibytes: 1024 });
    driver = await startDriver({ home });
    await writeDuring(() => snapshots(50));
    const lengths = await inspect(50);
    expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    expect(new Set(lengths).size).toBeGreaterThan(25);
    for (const line of (await readFile(at('pvc-1/log'), 'utf8')).trimEnd().split('\n')) {
      const [number = '', digest] = line.split(' ');
      if (digest !== sha256(number)) throw new Error(`record ${number} is not what was written`);
    }
  });

  it('by copy has every file whole as of some moment, where files grow or are replaced', async () => {
    driver = await startDriver({ home });
    await writeDuring(() => snapshots(10));
    const lengths = await inspect(10);
    expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    expect(new Set(lengths).size).toBeGreaterThan(5);
  });
});
