import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { optionsSchema } from '../config/options.ts';
import { parsePools } from '../config/pools.ts';
import { firstVersion } from '../domain/version.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { readRecords } from '../index/enter.ts';
import { pickPool } from '../index/pool-index.ts';
import { assemble, type DriverContext } from '../server/assemble.ts';
import { noObserver } from '../subprocess/exec.ts';
import { createLog } from '../system/log.ts';
import { type CreateCommand, createVolume } from './create.ts';
import { deleteVolume } from './delete.ts';

const call = { signal: new AbortController().signal };
const ids = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** Beside the tests of the whole process: what another controller, or a call before this one, has left half done. */
describe('a volume that was begun before', () => {
  let root: string;
  let context: DriverContext;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'csi-subdir-create-'));
    const { pools = {} } = parsePools(
      JSON.stringify({ pools: { main: { hostPath: { path: root }, mode: '0700', ...ids } } }),
      'test',
    );
    context = assemble(
      { options: optionsSchema.parse({ nodeId: 'here' }), pools },
      createLog('silent'),
      noObserver,
      () => {},
    );
    for (const index of context.indexes.values()) {
      await index.pool.open({ mayCreate: true, remembers: false });
      await readRecords(index);
    }
  });
  afterEach(async () => {
    context.purger.stop();
    await rm(root, { recursive: true, force: true });
  });

  const command = (parameters: Record<string, string> = {}): CreateCommand => ({
    name: 'pvc-1',
    mountOptions: [],
    range: { requiredBytes: 10, limitBytes: 0 },
    parameters,
    mutableParameters: {},
    accessibility: [],
  });
  const create = (parameters?: Record<string, string>) => createVolume(context, command(parameters), call);
  const index = () => pickPool(context, 'main', 'pool');
  const readRecord = async (): Promise<VolumeRecord> =>
    JSON.parse(await readFile(join(root, '.csi-subdir/volumes/pvc-1.json'), 'utf8'));
  const leaveBegun = async (change: Partial<VolumeRecord>): Promise<void> => {
    await create();
    const record = await readRecord();
    await index().volumes.replace(record, { ...record, state: 'creating', ...change });
    await rm(join(root, 'pvc-1'), { recursive: true });
  };

  it('is gone on with where its directory is missing', async () => {
    await leaveBegun({});
    expect(await create()).toMatchObject({ volumeId: 'main/pvc-1', capacityBytes: 10 });
    expect([(await readRecord()).state, (await stat(join(root, 'pvc-1'))).mode & 0o777]).toEqual(['ready', 0o700]);
  });

  it('is gone on with where its directory was made but not given its mode', async () => {
    await leaveBegun({});
    await mkdir(join(root, 'pvc-1'), { mode: 0o755 });
    await create();
    expect((await stat(join(root, 'pvc-1'))).mode & 0o777).toBe(0o700);
  });

  it('does not take a directory that somebody else has filled meanwhile', async () => {
    await leaveBegun({});
    await mkdir(join(root, 'pvc-1'));
    await writeFile(join(root, 'pvc-1/data'), 'theirs');
    await expect(create()).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(await readFile(join(root, 'pvc-1/data'), 'utf8')).toBe('theirs');
    expect(await readdir(join(root, '.csi-subdir/volumes'))).toEqual([]);
  });

  it('is another volume when it was asked for in another way', async () => {
    await leaveBegun({});
    await expect(create({ mode: '0777' })).rejects.toMatchObject({
      kind: 'already-exists',
      message: expect.stringContaining('parameters'),
    });
  });

  it('is made anew when its deletion was interrupted', async () => {
    await create();
    await writeFile(join(root, 'pvc-1/old'), 'old');
    const record = await readRecord();
    await index().volumes.replace(record, { ...record, state: 'deleting' });
    await create();
    expect(await readdir(join(root, 'pvc-1'))).toEqual([]);
  });

  it('belongs to the controller that was first', async () => {
    await create();
    const first = await readRecord();
    await index().volumes.remove(first);
    await rm(join(root, 'pvc-1'), { recursive: true });
    // Written behind our back between the look and the making: only the exclusive link notices.
    const late = index().volumes.create({ ...first, state: 'creating' });
    const second = index().pool.root.volumes.create({ ...first, ...firstVersion(), state: 'creating' });
    expect((await Promise.all([late, second])).sort()).toEqual([false, true]);
  });

  it('can be deleted, twice', async () => {
    await leaveBegun({});
    await deleteVolume(context, 'main/pvc-1', call);
    await deleteVolume(context, 'main/pvc-1', call);
    expect(await readdir(join(root, '.csi-subdir/volumes'))).toEqual([]);
    expect(index().volumes.allocatedBytes()).toBe(0);
  });
});
