import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRecord, type ParseRecord, parseVersion } from '../domain/record.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { sameVersion, type Version } from '../domain/version.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import type { Step } from '../system/step.ts';
import type { OwnFolder } from './own-folder.ts';
import { createVersionedFiles, type VersionedFiles } from './versioned-file.ts';
import { createWhole, readIfThere } from './whole-file.ts';

/**
 * The record files of one folder. A file is always whole, and on disk when a call returns. Any number of processes may
 * write at the same time: of those that create a record, or that change the same version of it, one wins.
 */
export interface Records<Kind> {
  readonly read: (name: string) => Promise<Kind | undefined>;
  /** False when there is a record of that name already. */
  readonly create: (record: Kind) => Promise<boolean>;
  /** False when `from` is not the current version any more. `to` has the version that follows it. */
  readonly replace: (from: Version, to: Kind) => Promise<boolean>;
  /** False when `record` is not the current version any more. */
  readonly remove: (record: Version & { readonly name: string }) => Promise<boolean>;
  readonly names: () => Promise<readonly string[]>;
  /** Versions that were replaced or removed within the last hour, at least. */
  readonly superseded: () => Promise<readonly SupersededRecord[]>;
  /** Reads the records of these names, as far as they exist. Callers with many names pass them in parts. */
  readonly readAll: (names: readonly string[]) => Promise<RecordListing<Kind>>;
}

export type SupersededRecord = Version & { readonly name: string };

export interface RecordListing<Kind> {
  readonly records: readonly Kind[];
  readonly unreadable: readonly Unreadable[];
}

export interface Unreadable {
  readonly name: string;
  readonly reason: string;
}

const SUFFIX = '.json';
/** Records read at a time: more only wait in the four threads of the pool. */
const READERS = 16;

export interface RecordFolder<Kind> {
  readonly folder: OwnFolder;
  readonly changes: OwnFolder;
  readonly label: string;
  readonly parse: ParseRecord<Kind>;
  readonly step: Step;
}

export const createRecords = <Kind extends VolumeRecord | SnapshotRecord>({
  folder,
  parse,
  step,
  ...rest
}: RecordFolder<Kind>): Records<Kind> & Pick<VersionedFiles, 'clean'> => {
  const versionOf = (text: string, file: string): Version => parseVersion(text, file.slice(0, -SUFFIX.length));
  const files = createVersionedFiles({ ...rest, folder, step, versionOf });
  const readIn = async (path: string, name: string): Promise<Kind | undefined> => {
    const text = await readIfThere(join(path, `${name}${SUFFIX}`));
    if (text !== undefined) return parse(text, name);
    await folder.requireThere();
    return undefined;
  };
  const read = async (name: string): Promise<Kind | undefined> => readIn(await folder.freshPath(), name);

  const names = async (): Promise<readonly string[]> =>
    (await readdir(await folder.path()))
      .filter((file) => file.endsWith(SUFFIX) && !file.startsWith('.'))
      .map((file) => file.slice(0, -SUFFIX.length))
      .sort();

  return {
    read,
    create: async (record) => {
      if (await createWhole(folder, `${record.name}${SUFFIX}`, formatRecord(record), step)) return true;
      // An NFS server that executes a repeated request says that the file exists, though this writer has made it.
      const winner = await read(record.name);
      return winner !== undefined && sameVersion(winner, record);
    },
    replace: (from, to) => files.replace(`${to.name}${SUFFIX}`, from, to, formatRecord(to)),
    remove: (record) => files.remove(`${record.name}${SUFFIX}`, record),
    names,
    superseded: async () =>
      (await files.superseded()).map(({ file, from }) => ({ ...from, name: file.slice(0, -SUFFIX.length) })),
    clean: files.clean,
    readAll: async (some) => {
      const path = await folder.freshPath();
      return collect(some, (name) => readIn(path, name));
    },
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
