import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { formatRecord, type ParseRecord } from '../domain/record.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { OwnFolder } from './own-folder.ts';
import type { Step } from './step.ts';
import { createWhole, replaceWhole } from './whole-file.ts';

/** The record files of one folder. A file is always whole, and on disk when a call returns. */
export interface Records<Kind> {
  readonly read: (name: string) => Promise<Kind | undefined>;
  /** False when there is a record of that name already: of two that create, one wins. */
  readonly create: (record: Kind) => Promise<boolean>;
  readonly replace: (record: Kind) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
  readonly names: () => Promise<readonly string[]>;
  readonly list: () => Promise<RecordListing<Kind>>;
}

export interface RecordListing<Kind> {
  readonly records: readonly Kind[];
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
}

const SUFFIX = '.json';
/** Records read at a time: more only wait in the four threads of the pool. */
const READERS = 16;

export const createRecords = <Kind extends VolumeRecord | SnapshotRecord>(
  folder: OwnFolder,
  parse: ParseRecord<Kind>,
  step: Step,
): Records<Kind> => {
  const pathOf = async (name: string): Promise<string> => join(await folder.path(), `${name}${SUFFIX}`);

  const read = async (name: string): Promise<Kind | undefined> => {
    try {
      return parse(await readFile(await pathOf(name), 'utf8'), name);
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown;
      await folder.requireThere();
      return undefined;
    }
  };

  const names = async (): Promise<readonly string[]> =>
    (await readdir(await folder.path()))
      .filter((file) => file.endsWith(SUFFIX) && !file.startsWith('.'))
      .map((file) => file.slice(0, -SUFFIX.length))
      .sort();

  return {
    read,
    create: (record) => createWhole(folder, `${record.name}${SUFFIX}`, formatRecord(record), step),
    replace: (record) => replaceWhole(folder, `${record.name}${SUFFIX}`, formatRecord(record), step),
    remove: async (name) => {
      await unlink(await pathOf(name)).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== 'ENOENT') throw thrown;
      });
      step('record removed');
      await folder.sync();
    },
    names,
    list: async () => collect(await names(), read),
  };
};

const collect = async <Kind>(
  names: readonly string[],
  read: (name: string) => Promise<Kind | undefined>,
): Promise<RecordListing<Kind>> => {
  const records: Kind[] = [];
  const unreadable: { name: string; reason: string }[] = [];
  const readOne = async (name: string): Promise<void> => {
    try {
      const record = await read(name);
      if (record !== undefined) records.push(record);
    } catch (thrown) {
      if (!(thrown instanceof DriverError)) throw thrown;
      unreadable.push({ name, reason: thrown.message });
    }
  };
  for (let start = 0; start < names.length; start += READERS) {
    await Promise.all(names.slice(start, start + READERS).map(readOne));
  }
  return { records, unreadable };
};
