import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Btrfs, canBtrfs, mountBtrfs } from '../support/btrfs.ts';
import { type Story, tryEveryStep } from '../support/crash.ts';
import { isRoot, makeHome, mountsBelow, removeHome, type TestDriver } from '../support/driver.ts';
import { INLINE_NAME, publishInline, unpublishInline } from '../support/inline.ts';
import { createVolume, GIB, kubeletPaths, publish, stage, unpublish, unstage } from '../support/volume.ts';

const NAME = 'pvc-crash';
const VOLUME = { volume_id: `main/${NAME}`, volume_context: { pool: 'main', directory: NAME } } as const;

const makeWithData = async (driver: TestDriver, parameters: Record<string, string>): Promise<void> => {
  await createVolume(driver, NAME, parameters);
  await writeFile(join(driver.root, NAME, 'precious'), 'data');
};
const remove = (driver: TestDriver) => driver.controller.DeleteVolume({ volume_id: VOLUME.volume_id });
const volume = { ...VOLUME, capacity_bytes: GIB, content_source: null, accessible_topology: [] };

const stories = {
  CreateVolume: {
    arrange: async () => {},
    act: (driver) => createVolume(driver, NAME),
    inspect: async (driver) => {
      expect(await listRoot(driver)).toEqual({ root: [NAME], records: [[NAME, 'ready', GIB]], trash: [] });
      expect((await stat(join(driver.root, NAME))).mode & 0o7777).toBe(0o777);
    },
  },
  'CreateVolume that adopts': {
    arrange: async (driver) => {
      await makeWithData(driver, { onDelete: 'retain' });
      await remove(driver);
    },
    act: (driver) => createVolume(driver, NAME, { existing: 'adopt' }),
    inspect: async (driver) => {
      expect(await listRoot(driver)).toEqual({ root: [NAME], records: [[NAME, 'ready', GIB]], trash: [] });
      expect(await readFile(join(driver.root, NAME, 'precious'), 'utf8')).toBe('data');
    },
  },
  DeleteVolume: {
    arrange: (driver) => makeWithData(driver, {}),
    act: remove,
    inspect: async (driver) => expect(await listRoot(driver)).toEqual({ root: [], records: [], trash: [] }),
  },
  'DeleteVolume, retain': {
    arrange: (driver) => makeWithData(driver, { onDelete: 'retain' }),
    act: remove,
    inspect: async (driver) => {
      expect(await listRoot(driver)).toEqual({ root: [NAME], records: [], trash: [] });
      expect(await readFile(join(driver.root, NAME, 'precious'), 'utf8')).toBe('data');
    },
  },
  'DeleteVolume, archive': {
    arrange: (driver) => makeWithData(driver, { onDelete: 'archive' }),
    act: remove,
    inspect: async (driver) => {
      const { root, records } = await listRoot(driver);
      expect(records).toEqual([]);
      expect(root).toEqual([expect.stringMatching(/^archived-pvc-crash-[0-9a-f]{8}$/)]);
      expect(await readFile(join(driver.root, root[0] ?? '', 'precious'), 'utf8')).toBe('data');
    },
  },
  NodeExpandVolume: {
    arrange: async (driver) => {
      await makeWithData(driver, {});
      await publish(driver, volume, await kubeletPaths(driver, NAME));
    },
    act: async (driver) =>
      driver.node.NodeExpandVolume({
        volume_id: VOLUME.volume_id,
        volume_path: (await kubeletPaths(driver, NAME)).target,
        capacity_range: { required_bytes: 2 * GIB },
      }),
    inspect: async (driver) => {
      await takeDown(driver);
      expect(await listRoot(driver)).toEqual({ root: [NAME], records: [[NAME, 'ready', 2 * GIB]], trash: [] });
      expect(await readFile(join(driver.root, NAME, 'precious'), 'utf8')).toBe('data');
    },
  },
  ControllerModifyVolume: {
    arrange: (driver) => makeWithData(driver, {}),
    act: (driver) =>
      driver.controller.ControllerModifyVolume({ volume_id: VOLUME.volume_id, mutable_parameters: { mode: '0700' } }),
    inspect: async (driver) => {
      expect((await stat(join(driver.root, NAME))).mode & 0o7777).toBe(0o700);
      expect(await readFile(join(driver.root, '.csi-subdir/volumes', `${NAME}.json`), 'utf8')).toContain('"mode": 448');
    },
  },
  'stage and publish': {
    arrange: (driver) => makeWithData(driver, {}),
    act: async (driver) => {
      const paths = await kubeletPaths(driver, NAME);
      await stage(driver, volume, paths.staging);
      await publish(driver, volume, paths);
    },
    inspect: async (driver) => {
      const { target } = await kubeletPaths(driver, NAME);
      expect(await mountsBelow(driver.home)).toEqual([target]);
      await takeDown(driver);
    },
  },
  'unpublish and unstage': {
    arrange: async (driver) => {
      await makeWithData(driver, {});
      const paths = await kubeletPaths(driver, NAME);
      await stage(driver, volume, paths.staging);
      await publish(driver, volume, paths);
    },
    act: (driver) => takeDown(driver),
    inspect: async (driver) => {
      expect(await mountsBelow(driver.home)).toEqual([]);
      expect(existsSync((await kubeletPaths(driver, NAME)).target)).toBe(false);
    },
  },
  'publish inline': {
    arrange: async () => {},
    act: publishInline,
    inspect: async (driver) => {
      const { root, records } = await listRoot(driver);
      expect([root.length, records]).toEqual([1, [[INLINE_NAME, 'ready', GIB]]]);
      await unpublishInline(driver);
    },
  },
  'unpublish inline': {
    arrange: publishInline,
    act: unpublishInline,
    inspect: async (driver) => {
      expect(await mountsBelow(driver.home)).toEqual([]);
      expect(await listRoot(driver)).toEqual({ root: [], records: [], trash: [] });
    },
  },
} satisfies Readonly<Record<string, Story>>;

const takeDown = async (driver: TestDriver): Promise<void> => {
  const paths = await kubeletPaths(driver, NAME);
  await unpublish(driver, VOLUME.volume_id, paths.target);
  await unstage(driver, VOLUME.volume_id, paths.staging);
};

describe.runIf(isRoot)('killed at every step, then asked again', () => {
  const prepared = { prepare: makeHome, clean: removeHome };
  it.each(Object.entries(stories))('%s', (name, story) => tryEveryStep(name, story, prepared));
});

/** Where a volume is a subvolume with a limit, each of these takes more steps. */
describe.runIf(canBtrfs)('killed at every step on btrfs, then asked again', () => {
  const disks = new Map<string, Btrfs>();
  const prepare = async () => {
    const home = await makeHome();
    disks.set(home, await mountBtrfs(home));
    return home;
  };
  const clean = async (home: string) => {
    await disks.get(home)?.unmount();
    await removeHome(home);
  };
  const limits = async ({ home }: TestDriver) => (await disks.get(home)?.limits()) ?? {};
  const heldTo = (story: Story, expected: Readonly<Record<string, number>>): Story => ({
    ...story,
    inspect: async (driver) => {
      await story.inspect(driver);
      expect(await limits(driver)).toEqual(expected);
    },
  });
  it.each([
    ['CreateVolume', { [NAME]: GIB }],
    ['DeleteVolume', {}],
    ['NodeExpandVolume', { [NAME]: 2 * GIB }],
  ] as const)('%s', (name, expected) => tryEveryStep(name, heldTo(stories[name], expected), { prepare, clean }));
});

const listRoot = async ({ root }: TestDriver) => {
  const own = join(root, '.csi-subdir');
  expect((await readdir(own)).sort()).toEqual([
    'changes',
    'copies',
    'data',
    'pool.json',
    'projects',
    'snapshots',
    'trash',
    'volumes',
  ]);
  const files = await readdir(join(own, 'volumes'));
  const records = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(join(own, 'volumes', file), 'utf8'))),
  );
  return {
    root: (await readdir(root)).filter((entry) => entry !== '.csi-subdir'),
    records: records.map(({ name, state, capacityBytes }) => [name, state, capacityBytes]),
    trash: await readdir(join(own, 'trash')),
  };
};
