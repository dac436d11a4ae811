import { expect, it } from 'vitest';
import { firstVersion, nextVersion, sameVersion, type Version } from '../domain/version.ts';
import type { Records } from '../store/records.ts';
import { createRecordIndex } from './record-index.ts';

interface Note extends Version {
  readonly name: string;
  readonly text: string;
}

const note = (name: string): Note => ({ ...firstVersion(), name, text: '' });

/** A folder of records in memory, whose writes end when they are told to. */
const createFolder = () => {
  const files = new Map<string, Note>();
  const gates: (() => void)[] = [];
  const superseded: Note[] = [];
  const records: Records<Note> = {
    read: async (name) => files.get(name),
    create: async (note) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      files.set(note.name, note);
      return true;
    },
    replace: async (from, to) => {
      const before = files.get(to.name);
      if (before === undefined || !sameVersion(before, from)) return false;
      superseded.push(before);
      files.set(to.name, to);
      return true;
    },
    remove: async ({ name }) => files.delete(name),
    names: async () => [...files.keys()],
    superseded: async () => superseded,
    readAll: async (names) => ({ records: names.flatMap((name) => files.get(name) ?? []), unreadable: [] }),
  };
  const finish = (): void => {
    for (const open of gates.splice(0)) open();
  };
  return { files, records, finish };
};

it('learns by a look at the names what others have made and removed', async () => {
  const { files, records } = createFolder();
  files.set('old', note('old'));
  const recordIndex = createRecordIndex(records);
  await recordIndex.load();
  files.delete('old');
  files.set('new', note('new'));
  await recordIndex.refresh();
  expect(recordIndex.list().map(({ name }) => name)).toEqual(['new']);
});

it('keeps what is being written during that look', async () => {
  const { records, finish } = createFolder();
  const recordIndex = createRecordIndex(records);
  await recordIndex.load();
  const writing = recordIndex.create(note('mine'));
  await recordIndex.refresh();
  expect(recordIndex.get('mine')).toBeDefined();
  const looking = recordIndex.refresh();
  finish();
  await Promise.all([writing, looking]);
  expect(recordIndex.get('mine')).toBeDefined();
  await recordIndex.refresh();
  expect(recordIndex.get('mine')).toBeDefined();
});

it('reads again what another controller has changed', async () => {
  const { files, records } = createFolder();
  files.set('one', note('one'));
  const recordIndex = createRecordIndex(records);
  await recordIndex.load();
  const before = note('one');
  files.set('one', before);
  await records.replace(before, { ...before, ...nextVersion(before), text: 'theirs' });
  await recordIndex.read('one');
  const theirs = recordIndex.get('one');
  expect(theirs?.text).toBe('theirs');
  if (theirs === undefined) throw new Error('it is not known');
  await records.replace(theirs, { ...theirs, ...nextVersion(theirs), text: 'theirs again' });
  await recordIndex.refresh();
  expect(recordIndex.get('one')?.text).toBe('theirs again');
});

it('refuses to replace what another controller has changed', async () => {
  const { files, records } = createFolder();
  const before = note('one');
  files.set('one', before);
  const recordIndex = createRecordIndex(records);
  await recordIndex.load();
  await records.replace(before, { ...before, ...nextVersion(before), text: 'theirs' });
  await expect(recordIndex.replace(before, before)).rejects.toMatchObject({ kind: 'conflict' });
});
