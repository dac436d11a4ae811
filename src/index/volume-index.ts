import { type Directory, overlap } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { isInlineId } from '../requests/inline.ts';
import type { Records } from '../store/records.ts';
import { createRecordIndex, type RecordIndex } from './record-index.ts';

/**
 * The index of a pool's volumes, with what they have together: the budgets, and the directories. `create` throws
 * no-space past a budget and failed-precondition for a taken directory, `replace` no-space.
 */
export interface VolumeIndex extends RecordIndex<VolumeRecord> {
  readonly allocatedBytes: () => number;
  /** Throws what `create` would. */
  readonly requireRoom: (record: VolumeRecord) => void;
  /**
   * The same for a record that is already written. Volumes that are not ready may be rolled back, so where only they are
   * in the way, their order decides: the first one throws conflict and keeps its place, the others throw aborted and
   * give theirs up. Without an order, all of them would wait for each other.
   */
  readonly requireAdmitted: (record: VolumeRecord) => void;
}

export const createVolumeIndex = (records: Records<VolumeRecord>, budgets: Budgets): VolumeIndex => {
  const byFolder = new Map<string, Set<VolumeRecord>>();
  const all = createAccount("the pool's capacity", budgets.budgetBytes);
  const inline = createAccount("the pool's inlineCapacity", budgets.inlineBudgetBytes);
  const accountsOf = (record: VolumeRecord): readonly Account[] => (isInlineRecord(record) ? [inline, all] : [all]);

  const recordIndex = createRecordIndex(records, {
    added: (record) => {
      const folder = topOf(record.directory);
      byFolder.set(folder, (byFolder.get(folder) ?? new Set()).add(record));
      for (const account of accountsOf(record)) account.add(record);
    },
    removed: (record) => {
      for (const account of accountsOf(record)) account.remove(record);
      const folder = topOf(record.directory);
      const siblings = byFolder.get(folder);
      siblings?.delete(record);
      if (siblings?.size === 0) byFolder.delete(folder);
    },
  });

  const findOverlap = (record: VolumeRecord): VolumeRecord | undefined =>
    [...(byFolder.get(topOf(record.directory)) ?? [])].find(
      (other) => other.name !== record.name && overlap(other.directory, record.directory),
    );

  const requireRoom = (record: VolumeRecord): void => {
    for (const account of accountsOf(record)) account.requireRoom(bytesOf(record));
    const other = findOverlap(record);
    if (other !== undefined) throw overlaps(record, other);
  };

  return {
    ...recordIndex,
    requireRoom,
    requireAdmitted: (record) => {
      const other = findOverlap(record);
      if (other?.state === 'ready') throw overlaps(record, other);
      if (other !== undefined) {
        const reason = `volume ${other.name}, which another controller creates or deletes, has an overlapping directory`;
        throw inTheWay(comesFirst(record, other), reason);
      }
      for (const account of accountsOf(record)) account.requireAdmitted(record);
    },
    create: async (record) => {
      requireRoom(record);
      return recordIndex.create(record);
    },
    replace: async (from, to) => {
      for (const account of accountsOf(to)) account.requireRoom(bytesOf(to) - bytesOf(from));
      return recordIndex.replace(from, to);
    },
    allocatedBytes: all.allocatedBytes,
  };
};

/** Bytes that volumes together may ask for; undefined: as many as they like. */
export interface Budgets {
  readonly budgetBytes: number | undefined;
  /** For those that pods define inline, which count against the other one as well. */
  readonly inlineBudgetBytes: number | undefined;
}

interface Account {
  readonly add: (record: VolumeRecord) => void;
  readonly remove: (record: VolumeRecord) => void;
  readonly allocatedBytes: () => number;
  readonly requireRoom: (bytes: number) => void;
  readonly requireAdmitted: (record: VolumeRecord) => void;
}

const createAccount = (name: string, budgetBytes: number | undefined): Account => {
  let allocated = 0;
  /** The volumes that may still give up what they have reserved. */
  const pending = new Map<string, VolumeRecord>();
  return {
    add: (record) => {
      allocated += bytesOf(record);
      if (pendingBytesOf(record) > 0) pending.set(record.name, record);
    },
    remove: (record) => {
      allocated -= bytesOf(record);
      pending.delete(record.name);
    },
    allocatedBytes: () => allocated,
    requireRoom: (bytes) => {
      if (budgetBytes === undefined || bytes <= 0 || allocated + bytes <= budgetBytes) return;
      throw usedUp(name, budgetBytes, allocated, bytes);
    },
    requireAdmitted: (record) => {
      if (budgetBytes === undefined || allocated <= budgetBytes) return;
      const others = [...pending.values()].filter((other) => other.name !== record.name);
      const settled = allocated - sum(others.map(pendingBytesOf));
      if (settled > budgetBytes) throw usedUp(name, budgetBytes, settled - bytesOf(record), bytesOf(record));
      const earlier = others.filter((other) => comesFirst(other, record));
      const isFirst = settled + sum(earlier.map(pendingBytesOf)) <= budgetBytes;
      throw inTheWay(isFirst, `volumes that other controllers create or expand reserve the rest of ${name}`);
    },
  };
};

const isInlineRecord = ({ requestedName }: VolumeRecord): boolean => isInlineId(requestedName);

const bytesOf = ({ capacityBytes, reservedBytes }: VolumeRecord): number => reservedBytes ?? capacityBytes;

const pendingBytesOf = (record: VolumeRecord): number =>
  record.state === 'ready' ? bytesOf(record) - record.capacityBytes : bytesOf(record);

/** The same order for every controller. What is being deleted comes last: it makes room by itself. */
const comesFirst = (one: VolumeRecord, other: VolumeRecord): boolean => orderOf(one) < orderOf(other);

const orderOf = ({ state, createdAt, uid }: VolumeRecord): string =>
  `${Number(state === 'deleting')} ${createdAt} ${uid}`;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Two directories can only overlap when their first component is the same. */
const topOf = (directory: Directory): string => directory.split('/', 1)[0] ?? '';

const usedUp = (name: string, budgetBytes: number, allocatedBytes: number, bytes: number): DriverError =>
  new DriverError(
    'no-space',
    `${name} is used up: ${Math.max(0, budgetBytes - allocatedBytes)} of ${budgetBytes} bytes are left, ${bytes} were asked for`,
  );

const overlaps = (record: VolumeRecord, other: VolumeRecord): DriverError =>
  new DriverError(
    'failed-precondition',
    `directory ${quote(record.directory)} overlaps ${quote(other.directory)} of volume ${other.name}`,
  );

const inTheWay = (isFirst: boolean, reason: string): DriverError =>
  new DriverError(isFirst ? 'conflict' : 'aborted', reason);
