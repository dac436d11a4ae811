import { randomBytes } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type KnownPool, POOL_ID } from '../domain/identity.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { using } from '../system/directory.ts';
import { readIfThere, TEMPORARY_SUFFIX, writeTemporary } from './whole-file.ts';

/**
 * What this node remembers of pools, in a folder that outlives the driver and its disks: which pools exist, and their
 * ids (docs/adr/0035-a-pool-has-an-identity.md).
 */
export interface PoolMemory {
  /** The id is undefined for a pool that this node has never opened. Throws unavailable when the file cannot be read. */
  readonly recall: (pool: string) => Promise<KnownPool>;
  /** On disk when it returns. */
  readonly remember: (pool: string, id: string) => Promise<void>;
}

export const createPoolMemory = (folder: string): PoolMemory => {
  const pathOf = (pool: string): string => join(folder, `${pool}.json`);
  const recall = async (pool: string): Promise<KnownPool> => {
    const from = pathOf(pool);
    const text = await readIfThere(from).catch((thrown: unknown) => {
      throw unreadable(from, thrown);
    });
    return { id: text === undefined ? undefined : parseId(text, from), from };
  };
  return {
    recall,
    remember: async (pool, id) => {
      const path = pathOf(pool);
      if ((await recall(pool)).id === id) return;
      const temporary = join(folder, `.${pool}.${randomBytes(4).toString('hex')}${TEMPORARY_SUFFIX}`);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeTemporary(temporary, `${JSON.stringify({ pool, id })}\n`);
        await rename(temporary, path);
        for (const place of [folder, dirname(folder)]) await using(await open(place), (handle) => handle.sync());
      } catch (thrown) {
        throw new DriverError('unavailable', `${path} cannot be written (--state-dir)`, { cause: thrown });
      }
    },
  };
};

const parseId = (text: string, from: string): string => {
  try {
    const { id } = JSON.parse(text);
    if (typeof id === 'string' && POOL_ID.test(id)) return id;
  } catch {
    // The text is the same whatever is wrong with it.
  }
  throw unreadable(from, `got ${quote(text)}`);
};

const unreadable = (from: string, cause: unknown): DriverError =>
  new DriverError('unavailable', `${from}, which says whether the pool exists, cannot be read`, { cause });
