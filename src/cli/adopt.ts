import { stringify } from 'yaml';
import { assemble } from '../assemble.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { parseQuantity } from '../domain/capacity.ts';
import { DriverError } from '../domain/errors.ts';
import { parseDirectory } from '../domain/paths.ts';
import { noObserver } from '../host/exec.ts';
import { noStep } from '../host/step.ts';
import { createLog } from '../log.ts';
import { adoptDirectory } from '../volumes/adopt.ts';
import { pickShelf } from '../volumes/context.ts';
import type { VolumeView } from '../volumes/create.ts';
import { takeFlags } from './flags.ts';

/**
 * `volumes adopt`: makes records for directories that exist and prints the PersistentVolumes to apply. Without
 * `--write` it only says what it would do. 1 when a directory cannot be adopted.
 */
export const adoptVolumes = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const { values, positionals, rest } = takeFlags(args, { pool: 'string', size: 'string', write: 'boolean' });
  const capacityBytes = parseQuantity(String(values.size ?? ''));
  if (positionals.length === 0 || capacityBytes === undefined) throw new ConfigError([USAGE]);
  const { options, pools } = await loadConfig(rest, env);
  const context = assemble({ options, pools }, createLog('silent'), noObserver, noStep);
  for (const { pool, ledger } of context.shelves.values()) {
    await pool.root.prepare();
    await ledger.load();
  }
  const shelf = pickShelf(context, values.pool === undefined ? undefined : String(values.pool), '--pool');
  let failed = 0;
  for (const text of positionals) {
    try {
      const command = { directory: parseDirectory(text), capacityBytes, write: values.write === true };
      process.stdout.write(formatPersistentVolume(await adoptDirectory(shelf, command), options.driverName));
    } catch (thrown) {
      failed += 1;
      process.stderr.write(`csi-subdir: ${text}: ${DriverError.from(thrown).message}\n`);
    }
  }
  await Promise.all([...context.shelves.values()].map(({ pool }) => pool.close()));
  if (values.write !== true) process.stderr.write('csi-subdir: nothing was written: add --write to make the records\n');
  return failed === 0 ? 0 : 1;
};

const USAGE = 'usage: csi-subdir volumes adopt --size QUANTITY [--pool NAME] [--write] [--config FILE] DIRECTORY...';

const formatPersistentVolume = ({ volumeId, capacityBytes, attributes }: VolumeView, driver: string): string =>
  `---\n${stringify({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeId.replaceAll('/', '-') },
    spec: {
      capacity: { storage: String(capacityBytes) },
      accessModes: ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
      csi: { driver, volumeHandle: volumeId, volumeAttributes: attributes },
    },
  })}`;
