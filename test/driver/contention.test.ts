import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { codeOf, createVolume, GIB } from '../support/volume.ts';

/** What cannot all be admitted ends with as much as fits, however the calls to several controllers interleave. */
describe.runIf(isRoot)('controllers that compete for one pool', () => {
  let home: string;
  let rivals: readonly TestDriver[];
  beforeEach(async () => {
    home = await makeHome();
    rivals = await Promise.all(
      ['one', 'two', 'three'].map(async (name) => {
        const own = join(home, name);
        await mkdir(own);
        const pool = { capacity: '40Gi' };
        const driver = await startDriver({ home: own, root: join(home, 'root'), shared: true, pool });
        while (!driver.output().includes('"msg":"pool opened"')) await sleep(10);
        return driver;
      }),
    );
  });
  afterEach(async () => {
    await Promise.all(rivals.map((rival) => rival.stop()));
    await removeHome(home);
  });

  const times = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

  it('fill its capacity without waiting for each other', async () => {
    const claims = rivals.flatMap((rival, index) =>
      times(12).map((claim) => ({ rival, name: `pvc-${index}-${claim}` })),
    );
    const codes = await Promise.all(
      claims.map(({ rival, name }) => persist(() => createVolume(rival, name, {}, 4 * GIB))),
    );
    expect([...new Set(codes)].sort()).toEqual(['OK', 'RESOURCE_EXHAUSTED']);
    // What was refused while others gave up their places is accepted later, as the provisioner calls again.
    for (const { rival, name } of claims) await codeOf(createVolume(rival, name, {}, 4 * GIB));
    expect(await allocated()).toBe(40 * GIB);
  });

  it('fill it by expansions', async () => {
    for (const index of times(10)) await createVolume(rivals[0] as TestDriver, `pvc-${index}`, {}, 2 * GIB);
    const codes = await Promise.all(
      times(10).map((index) => persist(() => expand(rivals[index % rivals.length] as TestDriver, index, 8 * GIB))),
    );
    expect([...new Set(codes)].sort()).toEqual(['OK', 'RESOURCE_EXHAUSTED']);
    for (const index of times(10)) await codeOf(expand(rivals[0] as TestDriver, index, 8 * GIB));
    expect(await allocated()).toBe(38 * GIB);
  });

  it('create one of the volumes whose directories overlap', async () => {
    for (const turn of times(5)) {
      const codes = await Promise.all(
        rivals.map((rival, index) =>
          persist(() =>
            createVolume(rival, `pvc-${turn}-${index}`, { directory: DIRECTORIES[index] ?? '', ...claimOf(turn) }),
          ),
        ),
      );
      expect([turn, ...codes].filter((code) => code === 'OK')).toHaveLength(1);
    }
  });

  const allocated = async (): Promise<number> => {
    const { entries } = await (rivals[0] as TestDriver).controller.ListVolumes({});
    return entries.reduce((total, { volume }) => total + Number(volume?.capacity_bytes), 0);
  };
});

const DIRECTORIES = ['{namespace}/{claim}', '{namespace}/{claim}/data', '{namespace}/{claim}'];

const claimOf = (turn: number) => ({
  'csi.storage.k8s.io/pvc/name': `shop-${turn}`,
  'csi.storage.k8s.io/pvc/namespace': 'default',
  'csi.storage.k8s.io/pv/name': `pv-${turn}`,
});

const expand = ({ controller }: TestDriver, index: number, bytes: number) =>
  controller.ControllerExpandVolume({ volume_id: `main/pvc-${index}`, capacity_range: { required_bytes: bytes } });

/** Calls again as a sidecar does. */
const persist = async (call: () => Promise<unknown>): Promise<string> => {
  for (;;) {
    const code = await codeOf(call());
    if (code !== 'ABORTED') return code;
    await sleep(20 + Math.random() * 200);
  }
};
