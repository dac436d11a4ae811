import { placeOf } from '../domain/sorted.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { quote } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import type { Log } from '../system/log.ts';
import type { Problems } from '../volumes/context.ts';
import { limitedOf } from '../volumes/limits.ts';

/**
 * Looks in the background for what does not count against the size of its volume: whoever owns a file may put it into
 * another project, and on btrfs a pod may make subvolumes. One volume of a pool at a time, in turn, and a bounded part of each.
 */
export interface Auditor extends Problems {
  /** Looks at the volumes of an open pool, until `signal` is aborted. */
  readonly start: (index: PoolIndex, log: Log, signal: AbortSignal) => void;
}

export const createAuditor = (intervalMs: number): Auditor => {
  const problems = new Map<string, string>();
  return {
    problemOf: ({ uid }) => problems.get(uid),
    start: (index, log, signal) => {
      let last = '';
      const work = async (): Promise<void> => {
        const next = chooseNext(index, last);
        last = next?.name ?? '';
        if (next !== undefined) await audit(index, next, problems, log);
        schedule();
      };
      const schedule = (): void => {
        if (!signal.aborted) setTimeout(() => void work(), intervalMs).unref();
      };
      schedule();
    },
  };
};

/** The volume after the last one, by name; the first one again after all of them. */
const chooseNext = ({ volumes, openness }: PoolIndex, last: string): VolumeRecord | undefined => {
  if (openness.problem() !== undefined) return undefined;
  const records = volumes.list();
  const start = placeOf(records, last);
  for (let offset = 1; offset <= records.length; offset += 1) {
    const record = records[(start + offset) % records.length];
    if (record?.limit !== undefined && record.name !== last) return record;
  }
  return records[start]?.limit === undefined ? undefined : records[start];
};

const audit = async (
  { pool }: PoolIndex,
  record: VolumeRecord,
  problems: Map<string, string>,
  log: Log,
): Promise<void> => {
  const { uid, name } = record;
  try {
    for (const volume of limitedOf(record)) {
      const { count, example } = await pool.root.countStrays(volume);
      if (count === 0) {
        problems.delete(uid);
        continue;
      }
      const problem = describe(count, example);
      if (!problems.has(uid)) log.warn({ pool: pool.name, volume: name, problem }, 'a size is evaded');
      problems.set(uid, problem);
    }
  } catch (thrown) {
    log.debug({ pool: pool.name, volume: name, err: thrown }, 'volume cannot be audited');
  }
};

const describe = (count: number, example: string): string =>
  `${count} of its files, directories or subvolumes do not count against its size, such as ${quote(example)}`;
