import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openOwnFolder } from '../../test/support/own-folder.ts';
import { firstVersion, nextVersion, type Version } from '../domain/version.ts';
import { noStep, type Step } from '../system/step.ts';
import { createVersionedFiles } from './versioned-file.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'csi-subdir-versioned-'));
  for (const folder of ['volumes', 'changes']) await mkdir(join(root, '.csi-subdir', folder), { recursive: true });
});
afterEach(() => rm(root, { recursive: true }));

const FILE = 'a.json';
const at = (...path: readonly string[]) => join(root, '.csi-subdir', ...path);
const format = (version: Version, text = ''): string => JSON.stringify({ ...version, text });
const put = async (): Promise<Version> => {
  const version = firstVersion();
  await writeFile(at('volumes', FILE), format(version));
  return version;
};
const read = async () => JSON.parse(await readFile(at('volumes', FILE), 'utf8'));
const open = (step: Step = noStep) =>
  createVersionedFiles({
    folder: openOwnFolder(root, 'volumes'),
    changes: openOwnFolder(root, 'changes'),
    label: 'volumes',
    versionOf: (text) => JSON.parse(text),
    step,
  });

/** A process that ends at one of its steps. */
const openEnding = (at: string) =>
  open((name) => {
    if (name === at) throw new Error('stopped');
  });

it('lets one of many writers replace a version', async () => {
  const from = await put();
  const writers = Array.from({ length: 20 }, () => {
    const to = nextVersion(from);
    return open().replace(FILE, from, to, format(to));
  });
  expect((await Promise.all(writers)).filter((won) => won)).toHaveLength(1);
  expect(Number.parseInt((await read()).revision, 10)).toBe(2);
});

it('does not replace a version that was replaced or removed', async () => {
  const from = await put();
  const to = nextVersion(from);
  expect(await open().replace(FILE, from, to, format(to))).toBe(true);
  expect(await open().replace(FILE, from, nextVersion(from), format(nextVersion(from)))).toBe(false);
  expect(await open().remove(FILE, from)).toBe(false);
  expect(await open().remove(FILE, to)).toBe(true);
  expect(await open().replace(FILE, to, nextVersion(to), format(nextVersion(to)))).toBe(false);
  expect(await readdir(at('volumes'))).toEqual([]);
});

it.each(['replace', 'remove'] as const)(
  'lets others complete a %s whose writer has stopped after its claim',
  async (change) => {
    const from = await put();
    const files = openEnding(change === 'replace' ? 'change claimed' : 'removal claimed');
    const to = nextVersion(from);
    const begun = change === 'replace' ? files.replace(FILE, from, to, format(to, 'first')) : files.remove(FILE, from);
    await expect(begun).rejects.toThrow('stopped');
    const other = nextVersion(from);
    expect(await open().replace(FILE, from, other, format(other))).toBe(false);
    if (change === 'replace') expect(await read()).toMatchObject({ ...to, text: 'first' });
    else expect(await readdir(at('volumes'))).toEqual([]);
  },
);

it('leaves no content of a writer that has lost', async () => {
  const from = await put();
  const files = openEnding('change claimed');
  const to = nextVersion(from);
  await expect(files.replace(FILE, from, to, format(to))).rejects.toThrow('stopped');
  const other = nextVersion(from);
  await open().replace(FILE, from, other, format(other));
  expect((await readdir(at('changes'))).filter((name) => name.endsWith('.content'))).toEqual([]);
});

it('reports superseded versions until they are cleaned, and completes what was claimed before', async () => {
  const from = await put();
  const files = openEnding('change claimed');
  const to = nextVersion(from);
  await expect(files.replace(FILE, from, to, format(to, 'late'))).rejects.toThrow('stopped');
  expect(await open().superseded()).toMatchObject([{ file: FILE, from }]);
  await open().clean(3_600_000);
  expect(await open().superseded()).toHaveLength(1);
  for (const name of await readdir(at('changes'))) await utimes(at('changes', name), 0, 0);
  await open().clean(3_600_000);
  expect(await read()).toMatchObject({ ...to, text: 'late' });
  expect(await readdir(at('changes'))).toEqual([]);
});

it('installs a successor whose content a power failure has removed', async () => {
  const from = await put();
  const files = openEnding('change claimed');
  const to = nextVersion(from);
  await expect(files.replace(FILE, from, to, format(to, 'kept'))).rejects.toThrow('stopped');
  for (const name of await readdir(at('changes'))) if (name.endsWith('.content')) await rm(at('changes', name));
  const other = nextVersion(from);
  expect(await open().replace(FILE, from, other, format(other))).toBe(false);
  expect(await read()).toMatchObject({ ...to, text: 'kept' });
});
