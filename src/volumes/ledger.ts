import { DriverError } from '../domain/errors.ts';
import { type Directory, overlap } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { RecordListing, Records } from '../host/records.ts';

/**
 * A pool's records, on disk and in memory. The disk is the truth for one volume; memory answers what concerns all of
 * them (the sum, the order, who owns a directory) at the same cost for ten volumes and for ten thousand.
 */
export interface Ledger {
  /** Reads every record. What cannot be read is told, and keeps its name taken. */
  readonly load: () => Promise<RecordListing>;
  /** Takes in what other writers have made or removed since, at the cost of one look at the names. */
  readonly refresh: () => Promise<void>;
  readonly isLoaded: () => boolean;
  readonly read: (name: string) => Promise<VolumeRecord | undefined>;
  /** False when another writer was first. Throws no-space past the budget, failed-precondition for a taken directory. */
  readonly create: (record: VolumeRecord) => Promise<boolean>;
  /** Throws no-space when the change does not fit the budget. */
  readonly replace: (record: VolumeRecord) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
  readonly has: (name: string) => boolean;
  /** By name, in a stable order. */
  readonly list: () => readonly VolumeRecord[];
  readonly allocatedBytes: () => number;
}

export const createLedger = (records: Records, budgetBytes: number | undefined): Ledger => {
  const known = new Map<string, VolumeRecord>();
  const byFolder = new Map<string, Set<VolumeRecord>>();
  let allocated = 0;
  let loaded = false;
  let sorted: readonly VolumeRecord[] | undefined;

  const put = (record: VolumeRecord): void => {
    drop(record.name);
    known.set(record.name, record);
    const folder = topOf(record.directory);
    byFolder.set(folder, (byFolder.get(folder) ?? new Set()).add(record));
    allocated += record.capacityBytes;
  };

  const drop = (name: string): void => {
    sorted = undefined;
    const old = known.get(name);
    if (old === undefined) return;
    known.delete(name);
    allocated -= old.capacityBytes;
    const folder = topOf(old.directory);
    const siblings = byFolder.get(folder);
    siblings?.delete(old);
    if (siblings?.size === 0) byFolder.delete(folder);
  };

  const admit = (bytes: number): void => {
    if (budgetBytes === undefined || bytes <= 0 || allocated + bytes <= budgetBytes) return;
    throw new DriverError(
      'no-space',
      `the pool's capacity is used up: ${budgetBytes - allocated} of ${budgetBytes} bytes are left, ${bytes} were asked for`,
    );
  };

  const refuseOverlap = (record: VolumeRecord): void => {
    for (const other of byFolder.get(topOf(record.directory)) ?? []) {
      if (other.name === record.name || !overlap(other.directory, record.directory)) continue;
      throw new DriverError(
        'failed-precondition',
        `directory ${JSON.stringify(record.directory)} overlaps ${JSON.stringify(other.directory)} of volume ${other.name}`,
      );
    }
  };

  const readOne = async (name: string): Promise<VolumeRecord | undefined> => {
    const record = await records.read(name);
    if (record === undefined) drop(name);
    else if (differs(record, known.get(name))) put(record);
    return record;
  };

  /** Memory first, so that calls beside this one see it; back again when the disk refuses. */
  const write = async (record: VolumeRecord, store: () => Promise<boolean>): Promise<boolean> => {
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
    create: (record) => {
      admit(record.capacityBytes);
      refuseOverlap(record);
      return write(record, () => records.create(record));
    },
    replace: async (record) => {
      admit(record.capacityBytes - (known.get(record.name)?.capacityBytes ?? 0));
      await write(record, async () => {
        await records.replace(record);
        return true;
      });
    },
    remove: async (name) => {
      await records.remove(name);
      drop(name);
    },
    has: (name) => known.has(name),
    list: () => {
      sorted ??= [...known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      return sorted;
    },
    allocatedBytes: () => allocated,
  };
};

const differs = (record: VolumeRecord, other: VolumeRecord | undefined): boolean =>
  record.state !== other?.state ||
  record.capacityBytes !== other.capacityBytes ||
  (record.limit === undefined) !== (other.limit === undefined);

/** Two directories can only overlap when their first component is the same. */
const topOf = (directory: Directory): string => directory.split('/', 1)[0] ?? '';
