import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../config/error.ts';
import { formatBytes } from '../domain/capacity.ts';
import { formatHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Context } from '../volumes/context.ts';
import { openPool, withPools } from './pools.ts';
import { formatTable } from './table.ts';

/** `volumes list [-o json]`: what the records say, read afresh. 1 when a record or a pool cannot be read. */
export const listVolumes = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const { json, rest } = parseOutput(args);
  const { rows, failed } = await withPools(await loadConfig(rest, env), readRows);
  process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : formatRows(rows));
  return failed === 0 ? 0 : 1;
};

type Row = VolumeRecord & { readonly handle: string; readonly pool: string };

const readRows = async ({ indexes }: Context) => {
  const rows: Row[] = [];
  let failed = 0;
  for (const index of indexes.values()) {
    const { pool, volumes } = index;
    const unreadable = await openPool(index);
    failed += unreadable?.length ?? 1;
    if (unreadable === undefined) continue;
    for (const { reason } of unreadable) process.stderr.write(`csi-subdir: pool ${pool.name}: ${reason}\n`);
    for (const record of volumes.list())
      rows.push({ handle: formatHandle({ pool: pool.name, name: record.name }), pool: pool.name, ...record });
  }
  return { rows, failed };
};

const parseOutput = (args: readonly string[]): { readonly json: boolean; readonly rest: readonly string[] } => {
  const [action, ...others] = args;
  if (action !== 'list')
    throw new ConfigError(['usage: csi-subdir volumes list|adopt|enforce|orphans (see csi-subdir help)']);
  const at = others.indexOf('-o');
  if (at === -1) return { json: false, rest: others };
  if (others[at + 1] !== 'json') throw new ConfigError(['-o: expected json']);
  return { json: true, rest: others.toSpliced(at, 2) };
};

const formatRows = (rows: readonly Row[]): string =>
  formatTable(
    ['HANDLE', 'STATE', 'SIZE', 'CLAIM', 'DIRECTORY'],
    rows.map(({ handle, state, capacityBytes, claim, directory }) => [
      handle,
      state,
      formatBytes(capacityBytes),
      claim === undefined ? '-' : `${claim.namespace}/${claim.name}`,
      directory,
    ]),
  );
