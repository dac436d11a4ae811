import type { RecordListing, Records } from '../host/records.ts';

/**
 * Records on disk and in memory. The disk is the truth for one of them; memory answers what concerns all of them at
 * the same cost for ten and for ten thousand.
 */
export interface Catalog<Kind> {
  /** Reads every record. What cannot be read is told, and keeps its name taken. */
  readonly load: () => Promise<RecordListing<Kind>>;
  /** Takes in what other writers have made or removed since, at the cost of one look at the names. */
  readonly refresh: () => Promise<void>;
  readonly isLoaded: () => boolean;
  /** True where this process has read or written here so lately that no other one can have been elected since. */
  readonly isFresh: () => boolean;
  readonly read: (name: string) => Promise<Kind | undefined>;
  /** False when another writer was first. */
  readonly create: (record: Kind) => Promise<boolean>;
  readonly replace: (record: Kind) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
  readonly get: (name: string) => Kind | undefined;
  /** By name, in a stable order. */
  readonly list: () => readonly Kind[];
}

/** Told of every change of what is in memory, for sums and indices. */
export interface CatalogObserver<Kind> {
  readonly added: (record: Kind) => void;
  readonly removed: (record: Kind) => void;
}

/** Less than the lease of an elected controller (15 s). */
const FRESH_MS = 10_000;

export const createCatalog = <Kind extends { readonly name: string }>(
  records: Records<Kind>,
  { added, removed }: CatalogObserver<Kind> = { added: () => {}, removed: () => {} },
): Catalog<Kind> => {
  const known = new Map<string, Kind>();
  const writing = new Set<string>();
  let loaded = false;
  let touchedAt = 0;
  let sorted: readonly Kind[] | undefined;

  const put = (record: Kind): void => {
    drop(record.name);
    known.set(record.name, record);
    added(record);
  };

  const drop = (name: string): void => {
    sorted = undefined;
    const old = known.get(name);
    if (old === undefined) return;
    known.delete(name);
    removed(old);
  };

  const readOne = async (name: string): Promise<Kind | undefined> => {
    const record = await records.read(name);
    if (record === undefined) drop(name);
    else if (JSON.stringify(record) !== JSON.stringify(known.get(name))) put(record);
    return record;
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
      touchedAt = Date.now();
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
      const listing = await records.list();
      for (const record of listing.records) put(record);
      loaded = true;
      touchedAt = Date.now();
      return listing;
    },
    refresh: async () => {
      // What is being written now may come to disk after the look at it.
      const settled = [...known.keys()].filter((name) => !writing.has(name));
      const names = new Set(await records.names());
      touchedAt = Date.now();
      for (const name of settled) if (!names.has(name)) drop(name);
      for (const name of names) if (!known.has(name)) await readOne(name).catch(() => undefined);
    },
    isLoaded: () => loaded,
    isFresh: () => Date.now() - touchedAt < FRESH_MS,
    read: readOne,
    create: (record) => write(record, () => records.create(record)),
    replace: async (record) => {
      await write(record, async () => {
        await records.replace(record);
        return true;
      });
    },
    remove: async (name) => {
      await records.remove(name);
      drop(name);
    },
    get: (name) => known.get(name),
    list: () => {
      sorted ??= [...known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      return sorted;
    },
  };
};
