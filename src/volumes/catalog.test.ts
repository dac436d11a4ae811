import { expect, it } from 'vitest';
import type { Records } from '../host/records.ts';
import { createCatalog } from './catalog.ts';

interface Note {
  readonly name: string;
  readonly text: string;
}

/** A folder of records in memory, whose writes end when they are told to. */
const createFolder = () => {
  const files = new Map<string, Note>();
  const gates: (() => void)[] = [];
  const records: Records<Note> = {
    read: async (name) => files.get(name),
    create: async (note) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      files.set(note.name, note);
      return true;
    },
    replace: async (note) => void files.set(note.name, note),
    remove: async (name) => void files.delete(name),
    names: async () => [...files.keys()],
    list: async () => ({ records: [...files.values()], unreadable: [] }),
  };
  const finish = (): void => {
    for (const open of gates.splice(0)) open();
  };
  return { files, records, finish };
};

it('learns by a look at the names what others have made and removed', async () => {
  const { files, records } = createFolder();
  files.set('old', { name: 'old', text: '' });
  const catalog = createCatalog(records);
  await catalog.load();
  files.delete('old');
  files.set('new', { name: 'new', text: '' });
  await catalog.refresh();
  expect(catalog.list().map(({ name }) => name)).toEqual(['new']);
});

it('keeps what is being written during that look', async () => {
  const { records, finish } = createFolder();
  const catalog = createCatalog(records);
  await catalog.load();
  const writing = catalog.create({ name: 'mine', text: '' });
  await catalog.refresh();
  expect(catalog.get('mine')).toBeDefined();
  const looking = catalog.refresh();
  finish();
  await Promise.all([writing, looking]);
  expect(catalog.get('mine')).toBeDefined();
  await catalog.refresh();
  expect(catalog.get('mine')).toBeDefined();
});
