import { placeOf } from '../domain/sorted.ts';
import { nextVersion, sameVersion, type Version } from '../domain/version.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { Records, Unreadable } from '../store/records.ts';

/**
 * Records on disk and in memory. The disk is the truth for one of them; memory answers what concerns all of them at
 * the same cost for ten and for ten thousand.
 */
export interface RecordIndex<Kind> {
  /** Reads every record. Returns those that cannot be read, which keep their names taken. */
  readonly load: () => Promise<readonly Unreadable[]>;
  /** Takes over what other writers have made, changed or removed since, at the cost of listing two folders. */
  readonly refresh: () => Promise<void>;
  readonly isLoaded: () => boolean;
  readonly read: (name: string) => Promise<Kind | undefined>;
  /** False when another writer was first. */
  readonly create: (record: Kind) => Promise<boolean>;
  /** Returns the new version of the record. Throws conflict when `from` is not the current version any more. */
  readonly replace: (from: Kind, to: Kind) => Promise<Kind>;
  /** Throws conflict when `record` is not the current version any more. */
  readonly remove: (record: Kind) => Promise<void>;
  readonly get: (name: string) => Kind | undefined;
  /** By name, in a stable order. */
  readonly list: () => readonly Kind[];
}

/** Called at every change of what is in memory, for sums and indices. */
export interface RecordIndexObserver<Kind> {
  readonly added: (record: Kind) => void;
  readonly removed: (record: Kind) => void;
}

export const createRecordIndex = <Kind extends Version & { readonly name: string }>(
  records: Records<Kind>,
  { added, removed }: RecordIndexObserver<Kind> = { added: () => {}, removed: () => {} },
): RecordIndex<Kind> => {
  const known = new Map<string, Kind>();
  const writing = new Set<string>();
  let loaded = false;
  const sorted: Kind[] = [];

  const put = (record: Kind): void => {
    const old = known.get(record.name);
    if (old !== undefined) removed(old);
    known.set(record.name, record);
    sorted.splice(placeOf(sorted, record.name), old === undefined ? 0 : 1, record);
    added(record);
  };

  const drop = (name: string): void => {
    const old = known.get(name);
    if (old === undefined) return;
    known.delete(name);
    sorted.splice(placeOf(sorted, name), 1);
    removed(old);
  };

  const take = (name: string, record: Kind | undefined): void => {
    const before = known.get(name);
    if (record === undefined) drop(name);
    else if (before === undefined || !sameVersion(record, before)) put(record);
  };

  const readOne = async (name: string): Promise<Kind | undefined> => {
    const record = await records.read(name);
    take(name, record);
    return record;
  };

  const isKnown = (version: Version & { readonly name: string }): boolean => {
    const record = known.get(version.name);
    return record !== undefined && sameVersion(record, version);
  };

  /** Takes over what is on disk, except for what this process is writing, or cannot read. */
  const takeAll = async (names: readonly string[]): Promise<void> => {
    const listing = await records.readAll(names);
    const found = new Map(listing.records.map((record) => [record.name, record]));
    const unreadable = new Set(listing.unreadable.map(({ name }) => name));
    for (const name of names) if (!writing.has(name) && !unreadable.has(name)) take(name, found.get(name));
  };

  /** Memory first, so that calls beside this one see it; back again when the disk refuses. */
  const write = async (record: Kind, store: () => Promise<boolean>): Promise<boolean> => {
    const before = known.get(record.name);
    writing.add(record.name);
    put(record);
    const undo = (): void => (before === undefined ? drop(record.name) : put(before));
    try {
      const stored = await store();
      if (!stored) undo();
      return stored;
    } catch (thrown) {
      undo();
      throw thrown;
    } finally {
      writing.delete(record.name);
    }
  };

  return {
    load: async () => {
      const unreadable: Unreadable[] = [];
      for (const names of inParts(await records.names())) {
        const listing = await records.readAll(names);
        for (const record of listing.records) put(record);
        unreadable.push(...listing.unreadable);
      }
      loaded = true;
      return unreadable;
    },
    refresh: async () => {
      // What is being written now may reach the disk after it was listed.
      const settled = [...known.keys()].filter((name) => !writing.has(name));
      const [names, superseded] = await Promise.all([records.names(), records.superseded()]);
      const there = new Set(names);
      for (const name of settled) if (!there.has(name)) drop(name);
      const outdated = superseded.filter((version) => isKnown(version)).map(({ name }) => name);
      const unknown = names.filter((name) => !known.has(name));
      for (const part of inParts([...new Set([...unknown, ...outdated])])) await takeAll(part);
    },
    isLoaded: () => loaded,
    read: readOne,
    create: (record) => write(record, () => records.create(record)),
    replace: async (from, to) => {
      const record = { ...to, ...nextVersion(from) };
      if (await write(record, () => records.replace(from, record))) return record;
      throw changed(from.name);
    },
    remove: async (record) => {
      if (!(await records.remove(record))) throw changed(record.name);
      drop(record.name);
    },
    get: (name) => known.get(name),
    list: () => sorted,
  };
};

/** So many records at a time that neither this process nor its worker is busy with them for long. */
const inParts = function* (names: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < names.length; start += PART) yield names.slice(start, start + PART);
};

const PART = 500;

const changed = (name: string): DriverError =>
  new DriverError('conflict', `the record of ${quote(name)} was changed by another controller in the meantime`);
