import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseDirectory } from '../domain/paths.ts';
import { createExec, noObserver } from './exec.ts';
import { createOwnFolder } from './own-folder.ts';
import { noStep } from './step.ts';
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
const open = (giveBack = async (volume: unknown) => void given.push([volume, await readdir(folder())])) =>
  createTrash(root, {
    folder: createOwnFolder(root, 'trash'),
    exec: createExec(noObserver),
    step: noStep,
    giveBack,
  });
const limit = { by: 'project', id: 77 } as const;
const held = { name: 'pvc-1', directory: parseDirectory('pvc-1'), limit };

it('keeps a project until the data that belongs to it has gone', async () => {
  const trash = open();
  await trash.trash(held);
  const entries = await trash.listTrash();
  expect(entries).toEqual([expect.stringMatching(/^pvc-1@77-[0-9a-f]{8}$/)]);
  await trash.trash(held);
  expect(given).toEqual([]);
  await trash.purge(entries);
  expect(given).toEqual([[{ name: 'pvc-1', limit }, entries]]);
  expect(await trash.listTrash()).toEqual([]);
});

it('remembers the project when it cannot be given back', async () => {
  await open().trash(held);
  const entries = await readdir(folder());
  await expect(open(() => Promise.reject(new Error('no'))).purge(entries)).rejects.toThrow('no');
  expect(await readdir(folder(), { recursive: true })).toEqual(entries);
  await open().purge(entries);
  expect(given).toHaveLength(1);
});

it('gives back at once what held a directory that is not there', async () => {
  await rm(join(root, 'pvc-1'), { recursive: true });
  await open().trash(held);
  expect(given).toEqual([[{ name: 'pvc-1', limit }, []]]);
});

it('takes no project from the name of a volume that has none', async () => {
  const trash = open();
  await trash.trash({ name: 'pvc-77-1', directory: held.directory });
  await trash.purge(await trash.listTrash());
  expect([given, await trash.listTrash()]).toEqual([[], []]);
});
