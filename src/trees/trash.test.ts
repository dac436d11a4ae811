import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openOwnFolder } from '../../test/support/own-folder.ts';
import { parseDirectory } from '../domain/paths.ts';
import { DriverError } from '../errors/errors.ts';
import { createExec, noObserver } from '../subprocess/exec.ts';
import { noStep } from '../system/step.ts';
import { createTrash } from './trash.ts';

let root: string;
let given: unknown[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'csi-subdir-trash-'));
  await mkdir(join(root, '.csi-subdir/trash'), { recursive: true });
  await mkdir(join(root, 'pvc-1/deep'), { recursive: true });
  await writeFile(join(root, 'pvc-1/deep/file'), 'x');
  given = [];
});
afterEach(() => rm(root, { recursive: true }));

const folder = () => join(root, '.csi-subdir/trash');
const open = (release = async (volume: unknown) => void given.push([volume, await readdir(folder())])) =>
  createTrash(root, {
    folder: openOwnFolder(root, 'trash'),
    exec: createExec(noObserver),
    step: noStep,
    release,
    requireCurrent: async ({ uid }) => {
      if (uid !== UID) throw new DriverError('conflict', 'the volume is another one');
    },
    fingerprint: async (directory) => `1-${(await directory.stat()).ino}`,
  });
const limit = { by: 'project', id: 77 } as const;
const UID = '0123456789abcdef';
const held = { name: 'pvc-1', uid: UID, directory: parseDirectory('pvc-1'), limit };

it('keeps a project until the data that belongs to it has gone', async () => {
  const trash = open();
  await trash.trash(held);
  const entries = await trash.listTrash();
  expect(entries).toEqual([expect.stringMatching(/^pvc-1@77-[0-9a-f]{8}$/)]);
  await trash.trash(held);
  expect(given).toEqual([]);
  for (const entry of entries) await trash.purge(entry);
  expect(given).toEqual([[{ name: 'pvc-1', limit }, entries]]);
  expect(await trash.listTrash()).toEqual([]);
});

it('remembers the project when it cannot be given back', async () => {
  await open().trash(held);
  const entries = await readdir(folder());
  const [entry = ''] = entries;
  await expect(open(() => Promise.reject(new Error('no'))).purge(entry)).rejects.toThrow('no');
  expect(await readdir(folder(), { recursive: true })).toEqual(entries);
  await open().purge(entry);
  expect(given).toHaveLength(1);
});

it('gives back at once what held a directory that is not there', async () => {
  await rm(join(root, 'pvc-1'), { recursive: true });
  await open().trash(held);
  expect(given).toEqual([[{ name: 'pvc-1', limit }, []]]);
});

it('takes no project from the name of a volume that has none', async () => {
  const trash = open();
  await trash.trash({ name: 'pvc-77-1', uid: UID, directory: held.directory });
  for (const entry of await trash.listTrash()) await trash.purge(entry);
  expect([given, await trash.listTrash()]).toEqual([[], []]);
});

it('does not move the directory of another volume of the same name', async () => {
  await expect(open().trash({ ...held, uid: '0000000000000000' })).rejects.toMatchObject({ kind: 'conflict' });
  expect(await readdir(join(root, 'pvc-1'))).toEqual(['deep']);
});

it('does not move a directory that somebody has put in the place of the volume directory', async () => {
  const { ino } = await stat(join(root, 'pvc-1'));
  await rename(join(root, 'pvc-1'), join(root, 'aside'));
  await mkdir(join(root, 'pvc-1'));
  const trash = open().trash({ ...held, inode: `1-${ino}` });
  await expect(trash).rejects.toMatchObject({ kind: 'failed-precondition' });
  expect((await readdir(root)).sort()).toEqual(['.csi-subdir', 'aside', 'pvc-1']);
});

it('moves the directory of a root that was copied to another disk, where every inode is new', async () => {
  await open().trash({ ...held, inode: '2-1' });
  expect(await readdir(root)).toEqual(['.csi-subdir']);
});
