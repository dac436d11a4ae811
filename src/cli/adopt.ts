import { stringify } from 'yaml';
import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../config/error.ts';
import { parseQuantity } from '../domain/capacity.ts';
import { parseDirectory } from '../domain/paths.ts';
import { DriverError } from '../errors/errors.ts';
import { findPool, type PoolIndex } from '../index/pool-index.ts';
import { type AdoptCommand, adoptDirectory } from '../volumes/adopt.ts';
import type { Topology } from '../volumes/context.ts';
import type { VolumeView } from '../volumes/create.ts';
import { takeFlags } from './flags.ts';
import { openPool, withPools } from './pools.ts';

/**
 * `volumes adopt`: makes records for directories that exist and prints the PersistentVolumes to apply. Without
 * `--write` it only says what it would do. 1 when a directory cannot be adopted.
 */
export const adoptVolumes = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const { values, positionals, rest } = takeFlags(args, { pool: 'string', size: 'string', write: 'boolean' });
  const capacityBytes = parseQuantity(String(values.size ?? ''));
  if (positionals.length === 0 || capacityBytes === undefined) throw new ConfigError([USAGE]);
  const config = await loadConfig(rest, env);
  const command = { capacityBytes, write: values.write === true };
  const failed = await withPools(config, async (context) => {
    const index = findPool(context, values.pool === undefined ? undefined : String(values.pool), '--pool');
    if ((await openPool(index, command.write)) === undefined) return 1;
    let count = 0;
    for (const text of positionals) {
      const view = await adoptOne(index, command, text);
      if (view === undefined) count += 1;
      else process.stdout.write(formatPersistentVolume(view, config.options.driverName, context.topology));
    }
    return count;
  });
  if (!command.write) process.stderr.write('csi-subdir: nothing was written: add --write to make the records\n');
  return failed === 0 ? 0 : 1;
};

const USAGE = 'usage: csi-subdir volumes adopt --size QUANTITY [--pool NAME] [--write] [--config FILE] DIRECTORY...';

const adoptOne = async (
  index: PoolIndex,
  command: Omit<AdoptCommand, 'directory'>,
  text: string,
): Promise<VolumeView | undefined> => {
  try {
    return await adoptDirectory(index, { ...command, directory: parseDirectory(text) });
  } catch (thrown) {
    process.stderr.write(`csi-subdir: ${text}: ${DriverError.from(thrown).message}\n`);
    return undefined;
  }
};

/** A PersistentVolume to apply, as YAML. */
export const formatPersistentVolume = (
  { volumeId, capacityBytes, attributes }: VolumeView,
  driver: string,
  topology: Topology | undefined,
): string =>
  `---\n${stringify({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    // Without the annotation external-provisioner would leave the volume when the PV is to be deleted.
    metadata: { name: volumeId.replaceAll('/', '-'), annotations: { 'pv.kubernetes.io/provisioned-by': driver } },
    spec: {
      capacity: { storage: String(capacityBytes) },
      accessModes: ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
      csi: { driver, volumeHandle: volumeId, volumeAttributes: attributes },
      ...(topology === undefined ? {} : { nodeAffinity: affinityTo(topology) }),
    },
  })}`;

const affinityTo = ({ key, node }: Topology) => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: [node] }] }] },
});
