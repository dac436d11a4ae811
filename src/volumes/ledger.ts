import { DriverError } from '../domain/errors.ts';
import { type Directory, overlap } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Records } from '../host/records.ts';
import { type Catalog, createCatalog } from './catalog.ts';

/**
 * The catalog of a pool's volumes, with what they have together: the budget, and the directories. `create` throws
 * no-space past the budget and failed-precondition for a taken directory, `replace` no-space.
 */
export interface Ledger extends Catalog<VolumeRecord> {
  readonly allocatedBytes: () => number;
  /** Throws what `create` would. */
  readonly requireRoom: (record: VolumeRecord) => void;
}

export const createLedger = (records: Records<VolumeRecord>, budgetBytes: number | undefined): Ledger => {
  const byFolder = new Map<string, Set<VolumeRecord>>();
  let allocated = 0;

  const catalog = createCatalog(records, {
    added: (record) => {
      const folder = topOf(record.directory);
      byFolder.set(folder, (byFolder.get(folder) ?? new Set()).add(record));
      allocated += record.capacityBytes;
    },
    removed: (record) => {
      allocated -= record.capacityBytes;
      const folder = topOf(record.directory);
      const siblings = byFolder.get(folder);
      siblings?.delete(record);
      if (siblings?.size === 0) byFolder.delete(folder);
    },
  });

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

  const requireRoom = (record: VolumeRecord): void => {
    admit(record.capacityBytes);
    refuseOverlap(record);
  };

  return {
    ...catalog,
    requireRoom,
    create: async (record) => {
      requireRoom(record);
      return catalog.create(record);
    },
    replace: async (record) => {
      admit(record.capacityBytes - (catalog.get(record.name)?.capacityBytes ?? 0));
      await catalog.replace(record);
    },
    allocatedBytes: () => allocated,
  };
};

/** Two directories can only overlap when their first component is the same. */
const topOf = (directory: Directory): string => directory.split('/', 1)[0] ?? '';
