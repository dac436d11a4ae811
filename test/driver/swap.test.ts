import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import { CANARY_MARKER, fingerprint, plantCanary } from '../support/canary.ts';
import { isRoot, makeHome, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { startSwapping } from '../support/swapping.ts';
import { createTally } from '../support/tally.ts';
import {
  codeOf,
  createVolume,
  GIB,
  kubeletPaths,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

const LANES = [1, 2, 3, 4] as const;
/** Swaps meet calls by chance: the test goes on for longer where the machine is slow, until they have met often enough. */
const SECONDS = 16;
const SECONDS_AT_MOST = 90;
/** Calls that change something at a path. */
const SWAPPED = ['CreateVolume', 'ControllerModifyVolume', 'NodeStageVolume', 'NodePublishVolume', 'DeleteVolume'];

/** What a call may end with while its directory is a link, is away, or is back again. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  CreateVolume: ['OK', 'FAILED_PRECONDITION', 'NOT_FOUND', 'ABORTED'],
  ControllerExpandVolume: ['OK'],
  ControllerModifyVolume: ['OK', 'FAILED_PRECONDITION', 'NOT_FOUND'],
  ControllerGetVolume: ['OK'],
  NodeStageVolume: ['OK', 'FAILED_PRECONDITION', 'NOT_FOUND'],
  NodePublishVolume: ['OK', 'FAILED_PRECONDITION', 'NOT_FOUND'],
  NodeUnpublishVolume: ['OK'],
  NodeUnstageVolume: ['OK'],
  DeleteVolume: ['OK', 'FAILED_PRECONDITION'],
};

describe.runIf(isRoot)('links put in the place of directories', () => {
  let driver: TestDriver;
  let canary: string;
  let before: readonly string[];
  beforeAll(async () => {
    const home = await makeHome();
    driver = await startDriver({ home, pool: { existing: 'adopt' } });
    canary = join(home, 'canary');
    await plantCanary(
      canary,
      LANES.flatMap((lane) => [directoryOf(lane), join(directoryOf(lane), 'inner')]),
    );
    before = await fingerprint(canary);
  });
  afterAll(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  it('lead no call to what they point at', async () => {
    const tally = createTally();
    const wrong: string[] = [];
    const swapping = startSwapping({
      swaps: LANES.flatMap((lane) => swapsOf(driver.root, canary, lane)),
      trash: join(driver.root, '.csi-subdir/trash'),
      decoy: join(canary, 'inner'),
    });
    const take = async <Value>(rpc: string, sent: Promise<Value>): Promise<Value | undefined> => {
      const { code, details } = await outcomeOf(sent);
      tally.count(rpc, code);
      if (!EXPECTED[rpc]?.includes(code)) wrong.push(`${rpc}: ${code} ${details}`);
      return code === 'OK' ? sent : undefined;
    };
    const look = (rpc: string, path: string): void => {
      if (existsSync(join(path, CANARY_MARKER))) wrong.push(`${rpc}: shows the canary`);
    };

    const use = async (volume: Volume__Output, lane: number, round: number): Promise<void> => {
      const { controller } = driver;
      const volume_id = volume.volume_id;
      const paths = await kubeletPaths(driver, `lane-${lane}`);
      const capacity_range = { required_bytes: GIB + round };
      const mutable_parameters = { mode: round % 2 === 0 ? '0777' : '4711', uid: String(round % 1000), gid: '4242' };
      await take('ControllerExpandVolume', controller.ControllerExpandVolume({ volume_id, capacity_range }));
      await take('ControllerModifyVolume', controller.ControllerModifyVolume({ volume_id, mutable_parameters }));
      await take('ControllerGetVolume', controller.ControllerGetVolume({ volume_id }));
      if ((await take('NodeStageVolume', stage(driver, volume, paths.staging))) !== undefined) {
        await take('NodePublishVolume', publish(driver, volume, paths));
        look('NodePublishVolume', paths.target);
        if ((await mountsBelow(driver.home)).includes(paths.target)) await fill(paths.target, round);
        await take('NodeUnpublishVolume', unpublish(driver, volume_id, paths.target));
      }
      await take('NodeUnstageVolume', unstage(driver, volume_id, paths.staging));
    };

    /** What has not happened often enough to show anything. */
    const rare = () =>
      [
        { what: 'swaps', count: swapping.count(), above: 1000 },
        { what: 'FAILED_PRECONDITION', count: tally.total('FAILED_PRECONDITION'), above: 20 },
        ...SWAPPED.flatMap((rpc) => [
          { what: `${rpc}: OK`, count: tally.total('OK', rpc), above: 20 },
          { what: `${rpc}: FAILED_PRECONDITION`, count: tally.total('FAILED_PRECONDITION', rpc), above: 0 },
        ]),
      ].filter(({ count, above }) => count <= above);
    const started = performance.now();
    const isOver = (): boolean => {
      const seconds = (performance.now() - started) / 1000;
      return seconds > SECONDS_AT_MOST || (seconds > SECONDS && rare().length === 0);
    };
    const run = async (lane: number): Promise<void> => {
      for (let round = 1; !isOver(); round += 1) {
        const volume = await take('CreateVolume', createVolume(driver, `pvc-${lane}`, parametersOf(lane)));
        if (volume !== undefined) await use(volume, lane, round);
        await take('DeleteVolume', driver.controller.DeleteVolume({ volume_id: `main/pvc-${lane}` }));
      }
    };
    try {
      await Promise.all(LANES.map(run));
    } finally {
      await swapping.stop();
    }

    process.stdout.write(`${tally.format(`${swapping.count()} swaps`)}\n`);
    expect([...new Set(wrong)].map((text) => explain(driver, text))).toEqual([]);
    expect(await fingerprint(canary)).toEqual(before);
    expect(await mountsBelow(driver.home)).toEqual([]);
    expect(driver.output()).not.toContain('unexpected error');
    expect(rare()).toEqual([]);
    await expectCleanEnd(driver);
    expect(await fingerprint(canary)).toEqual(before);
  });

  it.for(['.csi-subdir', '.csi-subdir/trash', '.csi-subdir/volumes'])(
    'in the place of %s lead nowhere',
    async (folder, { expect }) => {
      const volume = await createVolume(driver, 'own', { directory: '{volume}' });
      const path = join(driver.root, folder);
      await rename(path, `${path}.aside`);
      await symlink(canary, path);
      // Twice, as a sidecar would: what the first call has left must not lead the second one astray.
      const deleteOnce = () => codeOf(driver.controller.DeleteVolume({ volume_id: volume.volume_id }));
      const [first, deleted] = [await deleteOnce(), await deleteOnce()];
      const created = await codeOf(createVolume(driver, 'new', { directory: '{volume}' }));
      await unlink(path);
      await rename(`${path}.aside`, path);
      const after = await fingerprint(canary);
      const there = await readdir(driver.root);
      await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
      await driver.controller.DeleteVolume({ volume_id: 'main/new' });

      expect(after.filter((line) => !before.includes(line))).toEqual([]);
      expect(after).toHaveLength(before.length);
      expect(first).toBe(deleted);
      expect([deleted, there.includes('own')]).toEqual(
        deleted === 'OK' ? ['OK', false] : ['FAILED_PRECONDITION', true],
      );
      expect([created, there.includes('new')]).toEqual(
        created === 'OK' ? ['OK', true] : ['FAILED_PRECONDITION', false],
      );
    },
  );
});

/** An internal error says nothing but its request's id: the cause is in the log. */
const explain = (driver: TestDriver, text: string): string => {
  const id = /request ([0-9a-f-]{36})/.exec(text)?.[1];
  const line = driver
    .output()
    .split('\n')
    .find((one) => id !== undefined && one.includes(id));
  return line === undefined ? text : `${text}: ${JSON.stringify(JSON.parse(line).err)}`;
};

/** Two levels for some, three for the others: the parents are swapped too. */
const templateOf = (lane: number): string =>
  lane % 2 === 0 ? '{namespace}/{claim}-{volume}' : '{namespace}/{claim}/{volume}';

const directoryOf = (lane: number): string =>
  lane % 2 === 0 ? `ns-${lane}/claim-pvc-${lane}` : `ns-${lane}/claim/pvc-${lane}`;

const parametersOf = (lane: number): Record<string, string> => ({
  directory: templateOf(lane),
  'csi.storage.k8s.io/pvc/namespace': `ns-${lane}`,
  'csi.storage.k8s.io/pvc/name': 'claim',
});

/** The volume directory, each folder above it, and what lies in it. The canary has the same names: a trap at each. */
const swapsOf = (root: string, canary: string, lane: number) => {
  const directory = directoryOf(lane);
  const folders = directory.split('/').map((_, depth, parts) => parts.slice(0, depth + 1).join('/'));
  return [
    ...[...folders, directory, `${directory}/inner`].map((path) => ({
      path: join(root, path),
      decoy: join(canary, path),
    })),
    { path: join(root, directory, 'inner/file-1'), decoy: join(canary, CANARY_MARKER) },
  ];
};

/** What a pod would write. Under a name that is not swapped, then renamed: this process must follow no link either. */
const fill = async (target: string, round: number): Promise<void> => {
  const folder = join(target, `data-${round}`);
  await mkdir(folder, { recursive: true });
  for (const file of ['file-1', 'file-2', 'file-3']) await writeFile(join(folder, file), 'x');
  await rename(folder, join(target, 'inner')).catch(() => {});
};

/** With the links gone, all can be deleted and is purged. */
const expectCleanEnd = async (driver: TestDriver): Promise<void> => {
  for (const lane of LANES) await driver.controller.DeleteVolume({ volume_id: `main/pvc-${lane}` });
  const last = await createVolume(driver, 'pvc-last');
  await driver.controller.DeleteVolume({ volume_id: last.volume_id });
  const { entries } = await driver.controller.ListVolumes({});
  expect(entries).toEqual([]);
  await expect
    .poll(() => readdir(join(driver.root, '.csi-subdir/trash')), { timeout: 60_000, interval: 100 })
    .toEqual([]);
};
