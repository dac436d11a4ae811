import { describeUsageLevel } from '../domain/usage-level.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Pool } from '../pools/pool.ts';
import type { Usage } from '../quotas/sizes.ts';
import type { DirectoryKind } from '../roots/root.ts';
import { within } from '../system/within.ts';
import { limitedOf } from './limits.ts';

/** The health of a volume, as the CSI spec reports it. */
export interface Condition {
  readonly abnormal: boolean;
  readonly message: string;
}

/** What the kernel makes of a file system with errors: nothing can be written any more. */
export const READ_ONLY: Condition = {
  abnormal: true,
  message: 'the file system has become read-only: see the kernel log',
};

/** The condition of one volume. Throws while the storage does not answer. */
export const conditionOf = async (pool: Pool, record: VolumeRecord): Promise<Condition> => {
  const { root } = pool;
  if (await pool.hasBecomeReadOnly()) return READ_ONLY;
  const kind = await root.kindOf(record.directory);
  const [usage] = await root.usages(limitedOf(record));
  return describe(record, kind, usage);
};

/**
 * The conditions of many volumes of a pool, by name, within a few seconds. What cannot be found out in that time is left
 * out: a list must not wait for storage that is slow.
 */
export const conditionsOf = async (
  pool: Pool,
  records: readonly VolumeRecord[],
): Promise<ReadonlyMap<string, Condition>> => {
  const { root } = pool;
  const problem = pool.problem();
  if (problem !== undefined) return new Map(records.map(({ name }) => [name, { abnormal: true, message: problem }]));
  if (await pool.hasBecomeReadOnly()) return new Map(records.map(({ name }) => [name, READ_ONLY]));
  const checked = records.slice(0, MAX_CHECKED);
  const conditions = new Map<string, Condition>();
  const usages = root.usages(checked.flatMap(limitedOf)).catch(() => []);
  const check = async (record: VolumeRecord): Promise<void> => {
    const kind = await root.kindOf(record.directory);
    const usage = (await usages).find(({ name }) => name === record.name);
    conditions.set(record.name, describe(record, kind, usage));
  };
  await within(Promise.allSettled(checked.map(check)), PATIENCE_MS);
  return conditions;
};

/** Milliseconds for all volumes of a page. */
const PATIENCE_MS = 3_000;
/** More in one page are not looked at: a caller that wants to know asks for smaller pages. */
const MAX_CHECKED = 1_000;

/** What is reported of a volume whose condition could not be found out in time. */
export const NOT_CHECKED: Condition = {
  abnormal: false,
  message: 'the volume was not checked: it would have taken too long',
};

const describe = (record: VolumeRecord, kind: DirectoryKind, usage: Usage | undefined): Condition => {
  const obstacle = OBSTACLES[kind];
  if (obstacle !== undefined)
    return { abnormal: true, message: `directory ${JSON.stringify(record.directory)} ${obstacle}` };
  if (usage === undefined) return { abnormal: false, message: 'the directory exists' };
  const { usedBytes, limitBytes } = usage;
  if (limitBytes === undefined) return { abnormal: true, message: 'the size of the volume is not enforced any more' };
  const usageLevel = describeUsageLevel(usedBytes, limitBytes);
  return { abnormal: usageLevel !== undefined, message: usageLevel ?? 'the directory exists, and has room' };
};

const OBSTACLES: Readonly<Partial<Record<DirectoryKind, string>>> = {
  missing: 'is missing',
  other: 'is a link or a file, not a directory',
  elsewhere: 'is covered by a mount',
};
