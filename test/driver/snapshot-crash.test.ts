import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canBtrfs, createBtrfsGround } from '../support/btrfs.ts';
import { type Ground, type Story, tryEveryStep } from '../support/crash.ts';
import { isRoot, makeHome, removeHome, type TestDriver } from '../support/driver.ts';
import { createFrom, takeSnapshot } from '../support/snapshot.ts';
import { createVolume } from '../support/volume.ts';

const makeSource = async (driver: TestDriver): Promise<void> => {
  await createVolume(driver, 'pvc-1');
  await writeFile(join(driver.root, 'pvc-1/file'), 'data');
};
const makeSnapshot = async (driver: TestDriver): Promise<void> => {
  await makeSource(driver);
  await takeSnapshot(driver, 'snap-1', 'main/pvc-1');
};
const group = { name: 'group-1', source_volume_ids: ['main/pvc-1', 'main/pvc-2'] };

/** What is in a driver's own folders and in its root, with every record's state; all volumes hold the same file. */
const look = async ({ root }: TestDriver) => {
  const own = (...path: string[]) => join(root, '.csi-subdir', ...path);
  const states = async (folder: string) => {
    const files = (await readdir(own(folder))).sort();
    const texts = await Promise.all(files.map((file) => readFile(own(folder, file), 'utf8')));
    return texts.map((text) => [JSON.parse(text).name, JSON.parse(text).state, JSON.parse(text).copy].join(' ').trim());
  };
  const directories = (await readdir(root)).filter((entry) => entry !== '.csi-subdir').sort();
  const data = await readdir(own('data'));
  for (const path of [...directories.map((name) => join(root, name)), ...data.map((name) => own('data', name))])
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('data');
  const records = [...(await states('volumes')), ...(await states('snapshots'))];
  const snapshots = data.map((entry) => entry.replace(/^snapshot-(.+)@[0-9a-f]{16}-[0-9a-f]{8}$/, '$1'));
  return { records, directories, data: snapshots.sort(), copies: await readdir(own('copies')) };
};

const stories: Readonly<Record<string, Story>> = {
  CreateSnapshot: {
    arrange: makeSource,
    act: (driver) => takeSnapshot(driver, 'snap-1', 'main/pvc-1'),
    inspect: async (driver) =>
      expect(await look(driver)).toEqual({
        records: ['pvc-1 ready', 'snap-1 ready'],
        directories: ['pvc-1'],
        data: ['snap-1'],
        copies: [],
      }),
  },
  DeleteSnapshot: {
    arrange: makeSnapshot,
    act: (driver) => driver.controller.DeleteSnapshot({ snapshot_id: 'main@snap-1' }),
    inspect: async (driver) =>
      expect(await look(driver)).toEqual({ records: ['pvc-1 ready'], directories: ['pvc-1'], data: [], copies: [] }),
  },
  restore: {
    arrange: makeSnapshot,
    act: (driver) => createFrom(driver, 'pvc-2', 'main@snap-1', { parameters: { mode: '0750' } }),
    inspect: async (driver) =>
      expect(await look(driver)).toEqual({
        records: ['pvc-1 ready', 'pvc-2 ready', 'snap-1 ready'],
        directories: ['pvc-1', 'pvc-2'],
        data: ['snap-1'],
        copies: [],
      }),
  },
  clone: {
    arrange: makeSource,
    act: (driver) => createFrom(driver, 'pvc-2', 'main/pvc-1'),
    inspect: async (driver) =>
      expect(await look(driver)).toEqual({
        records: ['pvc-1 ready', 'pvc-2 ready'],
        directories: ['pvc-1', 'pvc-2'],
        data: [],
        copies: [],
      }),
  },
  CreateVolumeGroupSnapshot: {
    arrange: async (driver) => {
      await makeSource(driver);
      await createFrom(driver, 'pvc-2', 'main/pvc-1');
    },
    act: (driver) => driver.groupController.CreateVolumeGroupSnapshot(group),
    inspect: async (driver) => {
      const { records, data, copies } = await look(driver);
      expect(records.map((record) => record.replace(/[0-9a-f]{40}/, '…'))).toEqual([
        'pvc-1 ready',
        'pvc-2 ready',
        'member-… ready',
        'member-… ready',
      ]);
      expect([data.length, copies]).toEqual([2, []]);
    },
  },
};

describe.runIf(isRoot)('a copy that is killed at every step, then asked for again', () => {
  const ground: Ground = { prepare: makeHome, clean: removeHome };
  it.each(Object.entries(stories))('%s', (name, story) => tryEveryStep(name, story, ground));
});

describe.runIf(canBtrfs)('a subvolume snapshot that is killed at every step, then asked for again', () => {
  const ground = createBtrfsGround();
  it.each(['CreateSnapshot', 'DeleteSnapshot', 'restore', 'clone'])('%s', (name) => {
    const story = stories[name];
    if (story === undefined) throw new Error(`no story ${name}`);
    return tryEveryStep(name, story, ground);
  });
});
