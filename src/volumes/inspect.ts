import { DriverError, quote } from '../domain/errors.ts';
import { isRecordName, parseHandle } from '../domain/handle.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { type Context, findVolume, pickShelf, type Shelf } from './context.ts';
import { type VolumeView, viewVolume } from './create.ts';

export interface Condition {
  readonly abnormal: boolean;
  readonly message: string;
}

export interface VolumePage {
  readonly volumes: readonly VolumeView[];
  /** Where the next page starts; empty after the last one. */
  readonly nextToken: string;
}

/** One volume with its health. Throws not-found. */
export const getVolume = async (
  context: Context,
  volumeId: string,
): Promise<VolumeView & { readonly condition: Condition }> => {
  const { pool, ledger, record } = await findVolume(context, volumeId);
  const kind = await pool.root.kindOf(record.directory);
  return { ...viewVolume({ pool, ledger }, record), condition: conditionOf(record, kind) };
};

/**
 * Ready volumes by pool and name. A token is the id of the last volume of a page, so that a page is right even when
 * that volume has gone meanwhile. Throws aborted for a token that is not one.
 */
export const listVolumes = async (context: Context, maxEntries: number, token: string): Promise<VolumePage> => {
  await Promise.all([...context.shelves.values()].map(refresh));
  const all = [...context.shelves.values()].sort((a, b) => (a.pool.name < b.pool.name ? -1 : 1));
  const views = all.flatMap((shelf) => readyAfter(shelf, token).map((record) => viewVolume(shelf, record)));
  const volumes = maxEntries > 0 ? views.slice(0, maxEntries) : views;
  return { volumes, nextToken: volumes.length < views.length ? (volumes.at(-1)?.volumeId ?? '') : '' };
};

/**
 * Bytes that new volumes may still ask for: what is left of the budget, else of the file system. Parameters that
 * CreateVolume will refuse are no error here: the scheduler would take it for a lack of room, and nobody would be told.
 */
export const getCapacity = async (
  context: Context,
  parameters: Readonly<Record<string, string>>,
  segments: Readonly<Record<string, string>> | undefined,
): Promise<number> => {
  const { topology } = context;
  if (topology !== undefined && segments !== undefined && segments[topology.key] !== topology.node) return 0;
  const { pool } = parameters;
  if (pool !== undefined && context.shelves.has(pool)) return bytesLeft(pickShelf(context, pool, 'parameters.pool'));
  const left = await Promise.allSettled([...context.shelves.values()].map(bytesLeft));
  // A volume lies in one pool: the largest is what a claim can count on; a pool that is dead counts for nothing.
  return Math.max(0, ...left.map((result) => (result.status === 'fulfilled' ? result.value : 0)));
};

const bytesLeft = async (shelf: Shelf): Promise<number> => {
  const { pool, ledger } = shelf;
  if (pool.budgetBytes === undefined) return (await pool.root.space()).availableBytes;
  await refresh(shelf);
  return Math.max(0, pool.budgetBytes - ledger.allocatedBytes());
};

/** Where others write too, memory is behind; while the storage does not answer, it is all there is. */
const refresh = async ({ pool, ledger }: Shelf): Promise<void> => {
  if (pool.reach === 'everywhere' && ledger.isLoaded())
    await Promise.race([ledger.refresh().catch(() => {}), patience(pool)]);
};

/** A look at the names takes far less. A server that is known to be silent is tried behind our back. */
const PATIENCE_MS = 3_000;

const patience = ({ problem }: Shelf['pool']): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, problem() === undefined ? PATIENCE_MS : 0).unref();
  });

const readyAfter = ({ pool, ledger }: Shelf, token: string): readonly VolumeRecord[] => {
  const after = token === '' ? undefined : parseToken(token);
  if (after !== undefined && after.pool > pool.name) return [];
  const name = after?.pool === pool.name ? after.name : '';
  return ledger.list().filter((record) => record.state === 'ready' && record.name > name);
};

const parseToken = (token: string) => {
  const handle = parseHandle(token);
  if (handle === undefined || !isRecordName(handle.name)) {
    throw new DriverError('aborted', `starting_token: expected the next_token of an earlier page, got ${quote(token)}`);
  }
  return handle;
};

const conditionOf = ({ directory }: VolumeRecord, kind: 'missing' | 'empty' | 'directory' | 'other'): Condition => {
  switch (kind) {
    case 'empty':
    case 'directory':
      return { abnormal: false, message: 'the directory is there' };
    case 'missing':
      return { abnormal: true, message: `directory ${JSON.stringify(directory)} is missing` };
    case 'other':
      return { abnormal: true, message: `${JSON.stringify(directory)} is a link or a file, not a directory` };
  }
};
