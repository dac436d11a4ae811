import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRoot, makeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { type Controllers, interleave, startControllers } from '../support/interleaving.ts';
import { programPath } from '../support/programs.ts';
import { createFrom, createSnapshot, dataOfSnapshot } from '../support/snapshot.ts';
import { codeOf, createVolume, GIB } from '../support/volume.ts';

/**
 * One controller is stopped after every step of every call that changes something. While it is stopped, another one
 * completes the same call, or the opposite one, or a third one starts and sweeps. Then the first one continues. Every
 * answer must still be true, no data of what is ready may be lost, nothing may be left over, and the budget must hold.
 */
interface Case {
  readonly title: string;
  /** The state before, made by the other controller. */
  readonly arrange?: (id: string) => Promise<unknown>;
  /** The call that is stopped. */
  readonly act: (driver: TestDriver, id: string) => Promise<unknown>;
  /** What happens while it is stopped; left out: a third controller starts and sweeps. */
  readonly meanwhile?: (id: string) => Promise<unknown>;
  /** What must be true in the end. `code` is that of the stopped call. */
  readonly check: (id: string, code: string) => Promise<void>;
  /** Codes besides OK that the stopped call may end with; by default those after which a caller calls again. */
  readonly codes?: readonly string[];
}

const RETRIED = ['ABORTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'];

describe.runIf(isRoot)('controllers of one root, one of them stopped at every step', () => {
  let all: Controllers;
  let rival: TestDriver;
  let tried = 0;
  beforeAll(async () => {
    const folder = await makeHome();
    const root = join(folder, 'root');
    await mkdir(root);
    const pool = { capacity: '100Gi' };
    all = await startControllers({
      home: folder,
      root,
      pausing: programPath('pausing-driver'),
      start: (home, options) => startDriver({ home, root, shared: true, pool, ...options }),
    });
    rival = all.rival;
    await create(rival, 'source');
    await write('source', 'source');
    await create(rival, 'other');
    await write('other', 'source');
    await createSnapshot(rival, 'snap-source', 'main/pvc-source');
  });
  afterAll(async () => {
    console.info(`${tried} interleavings tried`);
    await all.stop();
  });

  const own = (...path: string[]): string => join(all.root, '.csi-subdir', ...path);
  const fileOf = (id: string): string => join(all.root, 'shop', id, 'precious');
  const write = (id: string, text = id) => writeFile(fileOf(id), text);
  const readRecord = async (folder: string, name: string) =>
    JSON.parse(await readFile(own(folder, `${name}.json`), 'utf8'));

  const isCreated = async (id: string) => {
    await create(rival, id);
    await write(id);
  };
  const isThere = async (id: string, text?: string): Promise<void> => {
    expect(await codeOf(rival.controller.ControllerGetVolume({ volume_id: `main/pvc-${id}` }))).toBe('OK');
    expect((await readRecord('volumes', `pvc-${id}`)).state).toBe('ready');
    if (text !== undefined) expect(await readFile(fileOf(id), 'utf8')).toBe(text);
    await remove(rival, id);
    await isGone(id);
  };
  const isGone = async (id: string): Promise<void> => {
    expect(existsSync(own('volumes', `pvc-${id}.json`))).toBe(false);
    expect(existsSync(join(all.root, 'shop', id))).toBe(false);
  };
  /** A call that was stopped after the change may report success when the volume is deleted already. */
  const isGoneUnlessOk = (id: string, code: string) =>
    code === 'OK' && existsSync(own('volumes', `pvc-${id}.json`)) ? isThere(id) : isGone(id);
  /** What a third controller has swept may be created again. */
  const isMade = async (id: string, code: string, again: (driver: TestDriver, id: string) => Promise<unknown>) => {
    if (code !== 'OK') await persist(() => again(rival, id));
    await isThere(id);
  };

  const snapshotIsThere = async (id: string): Promise<void> => {
    const { snapshot } = await rival.controller.GetSnapshot({ snapshot_id: `main@snap-${id}` });
    expect(snapshot).toMatchObject({ ready_to_use: true, size_bytes: GIB });
    expect(await readFile(join(await dataOfSnapshot(all.root, `snap-${id}`), 'precious'), 'utf8')).toBe('source');
    await removeSnapshot(rival, id);
    await snapshotIsGone(id);
  };
  const snapshotIsGone = async (id: string): Promise<void> => {
    expect(existsSync(own('snapshots', `snap-${id}.json`))).toBe(false);
  };

  const cases: readonly Case[] = [
    {
      title: 'CreateVolume, and the same call',
      act: create,
      meanwhile: isCreated,
      check: (id) => isThere(id, id),
    },
    {
      title: 'CreateVolume, and the opposite call',
      act: create,
      meanwhile: async (id) => {
        await create(rival, id);
        await remove(rival, id);
      },
      check: isGoneUnlessOk,
    },
    {
      title: 'CreateVolume, and its deletion',
      act: create,
      meanwhile: (id) => remove(rival, id),
      check: isGoneUnlessOk,
    },
    { title: 'CreateVolume, and a restart', act: create, check: (id, code) => isMade(id, code, create) },
    {
      title: 'CreateVolume, and another volume with the same directory',
      act: create,
      meanwhile: async (id) => {
        const code = await codeOf(createVolume(rival, `pvc-twin-${id}`, claim(id)));
        if (code === 'OK') await write(id, 'twin');
        else expect(['FAILED_PRECONDITION', 'ABORTED']).toContain(code);
      },
      codes: [...RETRIED, 'FAILED_PRECONDITION'],
      check: async (id, code) => {
        const twin = await codeOf(rival.controller.ControllerGetVolume({ volume_id: `main/pvc-twin-${id}` }));
        expect([code, twin].filter((each) => each === 'OK').length).toBeLessThan(2);
        if (twin === 'OK') expect(await readFile(fileOf(id), 'utf8')).toBe('twin');
        await rival.controller.DeleteVolume({ volume_id: `main/pvc-twin-${id}` });
        await remove(rival, id);
        await isGone(id);
      },
    },
    {
      title: 'DeleteVolume, and the same call',
      arrange: isCreated,
      act: remove,
      meanwhile: (id) => remove(rival, id),
      check: isGone,
      codes: [],
    },
    {
      title: 'DeleteVolume, and the same call and the opposite one',
      arrange: isCreated,
      act: remove,
      meanwhile: async (id) => {
        await remove(rival, id);
        await create(rival, id);
        await write(id, 'new');
      },
      check: (id) => isThere(id, 'new'),
    },
    { title: 'DeleteVolume, and a restart', arrange: isCreated, act: remove, check: isGone, codes: [] },
    {
      title: 'DeleteVolume that retains, and the same call',
      arrange: async (id) => {
        await create(rival, id, { onDelete: 'retain' });
        await write(id);
      },
      act: remove,
      meanwhile: (id) => remove(rival, id),
      check: async (id) => {
        expect(await readFile(fileOf(id), 'utf8')).toBe(id);
        expect(existsSync(own('volumes', `pvc-${id}.json`))).toBe(false);
        await rm(join(all.root, 'shop', id), { recursive: true });
      },
      codes: [],
    },
    {
      title: 'DeleteVolume that archives, and the same call and the opposite one',
      arrange: async (id) => {
        await create(rival, id, { onDelete: 'archive' });
        await write(id);
      },
      act: remove,
      meanwhile: async (id) => {
        await remove(rival, id);
        await isCreated(id);
      },
      check: async (id) => {
        const archives = (await readdir(join(all.root, 'shop'))).filter((entry) => entry.startsWith(`archived-${id}-`));
        expect(archives).toHaveLength(1);
        expect(await readFile(join(all.root, 'shop', archives[0] ?? '', 'precious'), 'utf8')).toBe(id);
        await isThere(id, id);
      },
    },
    {
      title: 'ControllerExpandVolume, and the same call',
      arrange: isCreated,
      act: expandTo(2),
      meanwhile: (id) => expandTo(2)(rival, id),
      check: async (id) => {
        expect((await readRecord('volumes', `pvc-${id}`)).capacityBytes).toBe(2 * GIB);
        await isThere(id, id);
      },
    },
    {
      title: 'ControllerExpandVolume, and a larger one',
      arrange: isCreated,
      act: expandTo(2),
      meanwhile: (id) => expandTo(3)(rival, id),
      check: async (id) => {
        expect((await readRecord('volumes', `pvc-${id}`)).capacityBytes).toBe(3 * GIB);
        await isThere(id, id);
      },
    },
    {
      title: 'ControllerExpandVolume, and a new volume of the same name',
      arrange: isCreated,
      act: expandTo(2),
      meanwhile: async (id) => {
        await remove(rival, id);
        await isCreated(id);
      },
      check: (id) => isThere(id, id),
    },
    {
      title: 'ControllerModifyVolume, and another one',
      arrange: isCreated,
      act: setMode('0700'),
      meanwhile: (id) => setMode('0750')(rival, id),
      check: async (id, code) => {
        const { settings } = await readRecord('volumes', `pvc-${id}`);
        expect([0o750, ...(code === 'OK' ? [0o700] : [])]).toContain(settings.mode);
        await persist(() => setMode('0711')(rival, id));
        await isThere(id, id);
      },
    },
    {
      title: 'CreateSnapshot, and the same call',
      act: snap,
      meanwhile: (id) => persist(() => snap(rival, id)),
      check: snapshotIsThere,
    },
    {
      title: 'CreateSnapshot, and the same call and the opposite one',
      act: snap,
      meanwhile: async (id) => {
        await persist(() => snap(rival, id));
        await removeSnapshot(rival, id);
      },
      check: (id, code) => (code === 'OK' ? snapshotIsThere(id) : snapshotIsGone(id)),
    },
    {
      title: 'CreateSnapshot, and a restart',
      act: snap,
      check: async (id, code) => {
        if (code !== 'OK') await persist(() => snap(rival, id));
        await snapshotIsThere(id);
      },
    },
    {
      title: 'DeleteSnapshot, and the same call and the opposite one',
      arrange: (id) => snap(rival, id),
      act: removeSnapshot,
      meanwhile: async (id) => {
        await removeSnapshot(rival, id);
        await persist(() => snap(rival, id));
      },
      check: snapshotIsThere,
    },
    {
      title: 'DeleteSnapshot, and a restart',
      arrange: (id) => snap(rival, id),
      act: removeSnapshot,
      check: snapshotIsGone,
      codes: [],
    },
    ...['main@snap-source', 'main/pvc-source'].flatMap((source): readonly Case[] => {
      const title = source.includes('@') ? 'a restore' : 'a clone';
      const copy = (driver: TestDriver, id: string) =>
        createFrom(driver, `pvc-${id}`, source, { parameters: claim(id) });
      return [
        {
          title: `${title}, and the same call`,
          act: copy,
          meanwhile: async (id) => {
            await persist(() => copy(rival, id));
            await write(id, 'mine');
          },
          check: (id) => isThere(id, 'mine'),
        },
        {
          title: `${title}, and the same call and the opposite one`,
          act: copy,
          meanwhile: async (id) => {
            await persist(() => copy(rival, id));
            await remove(rival, id);
          },
          check: isGoneUnlessOk,
        },
        {
          title: `${title}, and a restart`,
          act: copy,
          check: async (id, code) => {
            if (code !== 'OK') await persist(() => copy(rival, id));
            await isThere(id, 'source');
          },
        },
      ];
    }),
    {
      title: 'CreateVolumeGroupSnapshot, and the same call',
      act: snapGroup,
      meanwhile: (id) => persist(() => snapGroup(rival, id)),
      check: (id) => groupIsThere(id),
    },
    {
      title: 'DeleteVolumeGroupSnapshot, and the same call and the opposite one',
      arrange: (id) => snapGroup(rival, id),
      act: async (driver, id) => removeGroup(driver, id, await membersOf(id)),
      meanwhile: async (id) => {
        await removeGroup(rival, id, await membersOf(id));
        await persist(() => snapGroup(rival, id));
      },
      check: (id) => groupIsThere(id),
    },
  ];

  /** What the last round leaves, in which the call was not stopped. */
  const cleanUp = async (id: string): Promise<void> => {
    await remove(rival, id);
    await rival.controller.DeleteVolume({ volume_id: `main/pvc-twin-${id}` });
    await removeSnapshot(rival, id);
    const members = await membersOf(id);
    if (members.length > 0) await removeGroup(rival, id, members);
    await rm(join(all.root, 'shop', id), { recursive: true, force: true });
  };
  const membersOf = async (id: string): Promise<string[]> => {
    const names = await readdir(own('snapshots'));
    const records = await Promise.all(names.map((name) => readRecord('snapshots', name.replace('.json', ''))));
    return records.filter(({ group }) => group?.requestedName === `group-${id}`).map(({ name }) => `main@${name}`);
  };
  const groupIsThere = async (id: string): Promise<void> => {
    const members = await membersOf(id);
    expect(members).toHaveLength(2);
    for (const member of members)
      expect(
        await readFile(join(await dataOfSnapshot(all.root, member.replace('main@', '')), 'precious'), 'utf8'),
      ).toBe('source');
    await removeGroup(rival, id, members);
    expect(await membersOf(id)).toEqual([]);
  };

  it.each(cases)('$title', async ({ title, arrange, act, meanwhile, check, codes = RETRIED }) => {
    const steps: string[] = [];
    for (;;) {
      const id = `${cases.findIndex((each) => each.title === title)}-${steps.length + 1}`;
      await arrange?.(id);
      const during = async (): Promise<void> => {
        if (meanwhile !== undefined) await meanwhile(id);
        else await (await all.startThird()).stop();
      };
      const { step, code } = await interleave(all, steps.length + 1, (driver) => act(driver, id), during);
      if (step === undefined) {
        await cleanUp(id);
        break;
      }
      expect(['OK', ...codes], `stopped after step ${steps.length + 1}: ${step}`).toContain(code);
      await check(id, code);
      steps.push(step);
    }
    tried += steps.length;
    console.info(`${title}: ${steps.length} steps: ${steps.join(', ')}`);
    expect(steps.length).toBeGreaterThan(0);
  });

  it('leaves nothing', async () => {
    const third = await all.startThird();
    await third.stop();
    await expect.poll(() => readdir(own('copies')), { timeout: 60_000 }).toEqual([]);
    await expect.poll(() => readdir(own('trash')), { timeout: 60_000 }).toEqual([]);
    expect((await readdir(own('volumes'))).sort()).toEqual(['pvc-other.json', 'pvc-source.json']);
    expect(await readdir(own('snapshots'))).toEqual(['snap-source.json']);
    expect(await readdir(own('data'))).toHaveLength(1);
    expect((await readdir(join(all.root, 'shop'))).filter((name) => !name.startsWith('archived-')).sort()).toEqual([
      'other',
      'source',
    ]);
  });
});

const claim = (id: string) => ({
  'csi.storage.k8s.io/pvc/namespace': 'shop',
  'csi.storage.k8s.io/pvc/name': id,
  // The same directory for every volume of the claim.
  directory: '{namespace}/{claim}',
});

const create = (driver: TestDriver, id: string, parameters: Record<string, string> = {}) =>
  createVolume(driver, `pvc-${id}`, { ...claim(id), ...parameters });

const remove = (driver: TestDriver, id: string) => driver.controller.DeleteVolume({ volume_id: `main/pvc-${id}` });

const expandTo = (gibibytes: number) => (driver: TestDriver, id: string) =>
  driver.controller.ControllerExpandVolume({
    volume_id: `main/pvc-${id}`,
    capacity_range: { required_bytes: gibibytes * GIB },
  });

const setMode = (mode: string) => (driver: TestDriver, id: string) =>
  driver.controller.ControllerModifyVolume({ volume_id: `main/pvc-${id}`, mutable_parameters: { mode } });

const snap = (driver: TestDriver, id: string) => createSnapshot(driver, `snap-${id}`, 'main/pvc-source');

const removeSnapshot = (driver: TestDriver, id: string) =>
  driver.controller.DeleteSnapshot({ snapshot_id: `main@snap-${id}` });

const snapGroup = (driver: TestDriver, id: string) =>
  driver.groupController.CreateVolumeGroupSnapshot({
    name: `group-${id}`,
    source_volume_ids: ['main/pvc-source', 'main/pvc-other'],
  });

const removeGroup = (driver: TestDriver, id: string, snapshot_ids: string[]) =>
  driver.groupController.DeleteVolumeGroupSnapshot({ group_snapshot_id: `group:group-${id}`, snapshot_ids });

/** Calls again as long as the driver says that this is worth it, as sidecars do. */
const persist = async (call: () => Promise<unknown>): Promise<void> => {
  const codes: string[] = [];
  while (codes.length < 200) {
    codes.push(await codeOf(call()));
    if (codes.at(-1) === 'OK') return;
    if (!RETRIED.includes(codes.at(-1) ?? '')) break;
    await sleep(50);
  }
  throw new Error(`the calls have ended with ${[...new Set(codes)].join(', ')}`);
};
