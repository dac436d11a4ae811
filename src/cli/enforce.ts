import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../config/error.ts';
import { formatBytes } from '../domain/capacity.ts';
import { formatHandle } from '../domain/handle.ts';
import { DriverError } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import type { Step } from '../system/step.ts';
import type { Context } from '../volumes/context.ts';
import { enforceSize } from '../volumes/enforce.ts';
import { listUnlimited } from '../volumes/limits.ts';
import { takeFlags } from './flags.ts';
import { openPool, withPools } from './pools.ts';

/**
 * `volumes enforce`: holds volumes to their size that were made or adopted before sizes were enforced. Without
 * `--write` it only says what it would do. 1 when a volume cannot be held.
 */
export const enforceSizes = async (args: readonly string[], env: NodeJS.ProcessEnv, step: Step): Promise<number> => {
  const { values, positionals, rest } = takeFlags(args, { pool: 'string', write: 'boolean' });
  if (positionals.length > 0) throw new ConfigError([USAGE]);
  const work = async ({ indexes }: Context): Promise<number> => {
    const chosen = [...indexes].filter(([name]) => values.pool === undefined || values.pool === name);
    if (chosen.length === 0) throw new ConfigError([`--pool: expected one of ${[...indexes.keys()].join(', ')}`]);
    let count = 0;
    for (const [, index] of chosen) count += await enforceIn(index, values.write === true);
    return count;
  };
  const failed = await withPools(await loadConfig(rest, env), work, step);
  if (values.write !== true) process.stderr.write('csi-subdir: nothing was changed: add --write to do it\n');
  return failed === 0 ? 0 : 1;
};

const USAGE = 'usage: csi-subdir volumes enforce [--pool NAME] [--write] [--config FILE]';

/** Returns how many volumes of a pool cannot be held; 1 when the pool is not open. */
const enforceIn = async (index: PoolIndex, write: boolean): Promise<number> => {
  const { pool, volumes } = index;
  if ((await openPool(index)) === undefined) return 1;
  let failed = 0;
  for (const record of await listUnlimited(pool, volumes.list())) {
    const label = `${formatHandle({ pool: pool.name, name: record.name })}: `;
    try {
      await enforceSize(index, record, write);
      process.stdout.write(`${label}${write ? '' : 'would be '}held to ${formatBytes(record.capacityBytes)}\n`);
    } catch (thrown) {
      failed += 1;
      process.stdout.write(`${label}WRONG  ${DriverError.from(thrown).message}\n`);
    }
  }
  return failed;
};
