import { sameVersion, type Version } from '../domain/version.ts';
import { isConflict } from '../errors/conflicts.ts';
import { DriverError } from '../errors/errors.ts';
import type { Pool } from '../pools/pool.ts';
import type { RecordIndex } from './record-index.ts';

/**
 * Who does the long work that a record announces. The owner replaces the record at intervals, which makes a new
 * revision. A controller that has seen the same revision for `takeoverMs` takes the work over. Both go by their own
 * monotonic clocks, so clocks need not agree, and a process that was frozen loses its work instead of disturbing others.
 */
export interface Owners {
  /** The name of this process. */
  readonly self: string;
  /** Milliseconds without progress after which work is taken over. */
  readonly takeoverMs: number;
  /** True when nobody has worked on a record for so long that anybody may take over. */
  readonly isAbandoned: (pool: Pool, record: OwnedRecord) => boolean;
  /**
   * Makes this process the owner of a record. Returns its new version, or the record if this process owns it already.
   * Throws aborted, with `busy` as the reason, while another process works on it.
   */
  readonly takeOver: <Kind extends OwnedRecord>(
    pool: Pool,
    recordIndex: Pick<RecordIndex<Kind>, 'replace'>,
    record: Kind,
    busy: string,
  ) => Promise<Kind>;
  /**
   * Works while the record is kept alive. Returns its last version with the value. Throws conflict, and aborts the
   * signal of the work, when another controller has taken over or deleted it.
   */
  readonly work: <Kind extends OwnedRecord, Value>(
    pool: Pool,
    recordIndex: Pick<RecordIndex<Kind>, 'replace'>,
    record: Kind,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Value>,
  ) => Promise<{ readonly record: Kind; readonly value: Value }>;
}

export type OwnedRecord = Version & { readonly name: string; readonly state: string; readonly owner?: string };

export const createOwners = (self: string, takeoverMs: number): Owners => {
  const seen = new Map<string, { readonly version: Version; readonly at: number }>();
  const isAbandoned = (pool: Pool, record: OwnedRecord): boolean => {
    // Nobody else writes to a root that only this node reaches; what another process has left is abandoned.
    if (pool.reach === 'node' && record.owner !== undefined && record.owner !== self) return true;
    const key = `${pool.name} ${record.name} ${record.uid}`;
    const before = seen.get(key);
    const now = performance.now();
    if (before !== undefined && sameVersion(before.version, record)) return now - before.at >= takeoverMs;
    if (seen.size >= MAX_SEEN) seen.clear();
    seen.set(key, { version: { uid: record.uid, revision: record.revision }, at: now });
    return false;
  };

  return {
    self,
    takeoverMs,
    isAbandoned,
    takeOver: async (pool, recordIndex, record, busy) => {
      if (record.owner === self) return record;
      if (!isAbandoned(pool, record)) throw new DriverError('aborted', busy);
      return recordIndex.replace(record, { ...record, owner: self });
    },
    work: async (pool, recordIndex, first, signal, work) => {
      if (pool.reach === 'node') return { record: first, value: await work(signal) };
      const lost = new AbortController();
      let record = await recordIndex.replace(first, first);
      let beating: Promise<void> = Promise.resolve();
      const beat = async (): Promise<void> => {
        try {
          record = await recordIndex.replace(record, record);
        } catch (thrown) {
          // A disk that is full, or does not answer, decides nothing.
          if (isConflict(thrown)) lost.abort(DriverError.from(thrown));
        }
      };
      const timer = setInterval(() => {
        beating = beating.then(beat);
      }, takeoverMs / BEATS);
      try {
        const value = await work(AbortSignal.any([signal, lost.signal]));
        return { value, record: await beating.then(() => record) };
      } finally {
        clearInterval(timer);
        await beating;
      }
    },
  };
};

/** Work that is remembered; past it, all of it is seen for the first time again. */
const MAX_SEEN = 10_000;
/** Beats within the time after which others take over: two may be lost. */
const BEATS = 4;
