import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../config/error.ts';
import { formatBytes } from '../domain/capacity.ts';
import { formatHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Context } from '../volumes/context.ts';
import { withPools } from './shelves.ts';

/** `volumes list [-o json]`: what the records say, read afresh. 1 when a record cannot be read. */
export const listVolumes = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const { json, rest } = parseOutput(args);
  const { rows, unreadable } = await withPools(await loadConfig(rest, env), readRows);
  process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : formatTable(rows));
  return unreadable === 0 ? 0 : 1;
};

type Row = VolumeRecord & { readonly handle: string; readonly pool: string };

const readRows = async ({ shelves }: Context) => {
  const rows: Row[] = [];
  let unreadable = 0;
  for (const { pool, ledger } of shelves.values()) {
    await pool.root.prepare();
    const listing = await ledger.load();
    for (const { reason } of listing.unreadable) process.stderr.write(`csi-subdir: pool ${pool.name}: ${reason}\n`);
    unreadable += listing.unreadable.length;
    for (const record of ledger.list())
      rows.push({ handle: formatHandle({ pool: pool.name, name: record.name }), pool: pool.name, ...record });
  }
  return { rows, unreadable };
};

const parseOutput = (args: readonly string[]): { readonly json: boolean; readonly rest: readonly string[] } => {
  const [action, ...others] = args;
  if (action !== 'list') throw new ConfigError(['usage: csi-subdir volumes list|adopt|enforce (see csi-subdir help)']);
  const at = others.indexOf('-o');
  if (at === -1) return { json: false, rest: others };
  if (others[at + 1] !== 'json') throw new ConfigError(['-o: expected json']);
  return { json: true, rest: others.toSpliced(at, 2) };
};

const formatTable = (rows: readonly Row[]): string => {
  const table = [
    ['HANDLE', 'STATE', 'SIZE', 'CLAIM', 'DIRECTORY'],
    ...rows.map(({ handle, state, capacityBytes, claim, directory }) => [
      handle,
      state,
      formatBytes(capacityBytes),
      claim === undefined ? '-' : `${claim.namespace}/${claim.name}`,
      directory,
    ]),
  ];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
};
