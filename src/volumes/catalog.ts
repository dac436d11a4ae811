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

export const createCatalog = <Kind extends { readonly name: string }>(
  records: Records<Kind>,
  { added, removed }: CatalogObserver<Kind> = { added: () => {}, removed: () => {} },
): Catalog<Kind> => {
  const known = new Map<string, Kind>();
  let loaded = false;
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
    put(record);
    const undo = (): void => (before === undefined ? drop(record.name) : put(before));
    try {
      const stored = await store();
      if (!stored) undo();
      return stored;
    } catch (thrown) {
      undo();
      throw thrown;
    }
  };

  return {
    load: async () => {
      const listing = await records.list();
      for (const record of listing.records) put(record);
      loaded = true;
      return listing;
    },
    refresh: async () => {
      const names = new Set(await records.names());
      for (const name of known.keys()) if (!names.has(name)) drop(name);
      for (const name of names) if (!known.has(name)) await readOne(name).catch(() => undefined);
    },
    isLoaded: () => loaded,
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
