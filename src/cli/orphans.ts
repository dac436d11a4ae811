import { text as readText } from 'node:stream/consumers';
import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../config/error.ts';
import { formatBytes, parseQuantity } from '../domain/capacity.ts';
import { DriverError } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import { type ClusterList, parseCluster } from '../requests/cluster.ts';
import { readIfThere } from '../store/whole-file.ts';
import { adoptDirectory } from '../volumes/adopt.ts';
import type { Context } from '../volumes/context.ts';
import { type VolumeView, viewVolume } from '../volumes/create.ts';
import { findOrphans, type Orphan, removeOrphan, requireOrphan } from '../volumes/orphans.ts';
import { formatPersistentVolume } from './adopt.ts';
import { type TakenFlags, takeFlags } from './flags.ts';
import { openPool, withPools } from './pools.ts';
import { formatTable } from './table.ts';

/**
 * `volumes orphans`: lists what no volume, PersistentVolume or pod belongs to, with its size; removes or adopts those that
 * are named. Without `--write` nothing is changed. 1 when a pool is not open, or something that was named was left.
 */
export const manageOrphans = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const { values, positionals, rest } = takeFlags(args, FLAGS);
  const config = await loadConfig(rest, env);
  const order = readOrder(values, positionals, config.options.driverName);
  const cluster = await readCluster(values.cluster, order.driver);
  const failed = await withPools(config, async (context) => {
    let count = 0;
    for (const index of choosePools(context, values.pool, order))
      count += await manageIn(context, index, cluster, order);
    return count;
  });
  if (order.act !== 'list' && !order.write)
    process.stderr.write('csi-subdir: nothing was changed: add --write to do it\n');
  return failed === 0 ? 0 : 1;
};

interface Order {
  readonly act: 'list' | 'remove' | 'adopt';
  readonly directories: readonly string[];
  readonly write: boolean;
  /** For directories that become volumes. */
  readonly sizeBytes: number | undefined;
  readonly driver: string;
}

const readOrder = (values: TakenFlags['values'], directories: readonly string[], driver: string): Order => {
  const acts = (['remove', 'adopt'] as const).filter((act) => values[act] === true);
  if (acts.length > 1 || (acts.length === 1) !== directories.length > 0) throw new ConfigError([USAGE]);
  const sizeBytes = parseQuantity(String(values.size ?? ''));
  return { act: acts[0] ?? 'list', directories, write: values.write === true, sizeBytes, driver };
};

/** Returns how many of the named ones were left; 1 when the pool is not open. */
const manageIn = async (context: Context, index: PoolIndex, cluster: ClusterList, order: Order): Promise<number> => {
  if ((await openPool(index)) === undefined) return 1;
  const orphans = await findOrphans(context, index, cluster);
  if (order.act === 'list') {
    process.stdout.write(formatOrphans(index, orphans));
    return 0;
  }
  const act = order.act === 'remove' ? remove : adopt;
  let left = 0;
  for (const directory of order.directories) {
    try {
      await act(context, index, requireOrphan(orphans, directory), order);
    } catch (thrown) {
      left += 1;
      process.stderr.write(`csi-subdir: ${directory}: ${DriverError.from(thrown).message}\n`);
    }
  }
  return left;
};

const FLAGS = {
  pool: 'string',
  cluster: 'string',
  size: 'string',
  remove: 'boolean',
  adopt: 'boolean',
  write: 'boolean',
} as const;

const USAGE =
  'usage: csi-subdir volumes orphans [--pool NAME] [--cluster FILE|-] [--config FILE]\n' +
  '       csi-subdir volumes orphans --remove|--adopt [--size QUANTITY] [--write] [--pool NAME] [--cluster FILE|-] DIRECTORY...';

/** What `kubectl get pv,pods --all-namespaces --output=json` prints. */
const readCluster = async (path: string | boolean | undefined, driver: string): Promise<ClusterList> => {
  if (typeof path !== 'string') return { handles: undefined, pods: undefined };
  const text = path === '-' ? await readText(process.stdin) : await readIfThere(path);
  if (text === undefined) throw new ConfigError([`--cluster: ${path} does not exist`]);
  try {
    return parseCluster(text, driver);
  } catch {
    throw new ConfigError(['--cluster: expected what kubectl get pv,pods --all-namespaces --output=json prints']);
  }
};

const choosePools = (
  { indexes }: Context,
  pool: string | boolean | undefined,
  { act }: Order,
): readonly PoolIndex[] => {
  const chosen = [...indexes.values()].filter((index) => pool === undefined || index.pool.name === pool);
  if (chosen.length === 0 || (act !== 'list' && chosen.length > 1))
    throw new ConfigError([`--pool: expected one of ${[...indexes.keys()].join(', ')}`]);
  return chosen;
};

const formatOrphans = ({ pool }: PoolIndex, orphans: readonly Orphan[]): string => {
  if (orphans.length === 0) return `pool ${pool.name}: no orphans\n`;
  const rows = orphans.map(({ what, bytes, directory, reason }) => {
    const size = bytes === undefined ? 'unknown' : formatBytes(bytes);
    return [pool.name, what, size, directory, reason];
  });
  return formatTable(['POOL', 'WHAT', 'SIZE', 'DIRECTORY', 'REASON'], rows);
};

const remove = async (context: Context, index: PoolIndex, orphan: Orphan, { write }: Order): Promise<void> => {
  const { directory, what } = orphan;
  if (write) await removeOrphan(context, index, orphan, { signal: new AbortController().signal });
  process.stdout.write(`${directory}: ${what} ${write ? 'removed' : 'would be removed'}\n`);
};

/** A volume needs its PersistentVolume only, a directory becomes a volume first. */
const adopt = async (context: Context, index: PoolIndex, orphan: Orphan, order: Order): Promise<void> => {
  const view = orphan.record === undefined ? await makeVolume(index, orphan, order) : viewVolume(index, orphan.record);
  process.stdout.write(formatPersistentVolume(view, order.driver, context.topology));
};

const makeVolume = (index: PoolIndex, { directory }: Orphan, { write, sizeBytes }: Order): Promise<VolumeView> => {
  if (sizeBytes === undefined)
    throw new DriverError('invalid-argument', '--size is missing: expected a quantity like 10Gi');
  return adoptDirectory(index, { directory, capacityBytes: sizeBytes, write });
};
