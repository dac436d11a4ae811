import { type CapacityRange, chooseCapacity, satisfies } from '../domain/capacity.ts';
import { DriverError } from '../domain/errors.ts';
import { formatHandle, nameRecord } from '../domain/handle.ts';
import { sortMountOptions } from '../domain/mount-options.ts';
import { ownParameters, parseClaim, parseMutableParameters, parseParameters } from '../domain/parameters.ts';
import { renderTemplate } from '../domain/template.ts';
import type { Existing, VolumeRecord } from '../domain/volume.ts';
import { type Call, type Context, lockKey, pickShelf, type Shelf, type Topology } from './context.ts';
import { finishDelete } from './delete.ts';
import { holdVolume, planLimit } from './hold.ts';

export interface CreateCommand {
  readonly name: string;
  readonly range: CapacityRange;
  /** Of all capabilities that were asked for. */
  readonly mountOptions: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly mutableParameters: Readonly<Record<string, string>>;
  /** The places where the volume must be reachable from, each a set of topology segments; empty: anywhere. */
  readonly accessibility: readonly Readonly<Record<string, string>>[];
}

/** A volume as the caller gets to know it. */
export interface VolumeView {
  readonly volumeId: string;
  readonly capacityBytes: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * Makes a volume, or answers the one that is there. The record comes first, as `creating`, so that of two only one
 * makes the directory and whatever a crash leaves is known; it becomes `ready` last.
 */
export const createVolume = async (context: Context, command: CreateCommand, call: Call): Promise<VolumeView> => {
  const plan = planVolume(context, command);
  const { shelf, record } = plan;
  return context.locks.run(
    [lockKey(formatHandle({ pool: shelf.pool.name, name: record.name }))],
    call.signal,
    async () => {
      refuseOtherPool(context, plan);
      const before = await readBefore(context, plan);
      if (before !== undefined) refuseDifferent(before, plan);
      if (before?.state === 'ready') return viewVolume(shelf, before);
      return viewVolume(shelf, await makeVolume(context, plan, before));
    },
  );
};

export const viewVolume = ({ pool }: Shelf, { name, capacityBytes, directory }: VolumeRecord): VolumeView => ({
  volumeId: formatHandle({ pool: pool.name, name }),
  capacityBytes,
  attributes: { pool: pool.name, directory },
});

interface Plan {
  readonly shelf: Shelf;
  readonly record: VolumeRecord;
  readonly range: CapacityRange;
  readonly existing: Existing;
}

const planVolume = (context: Context, command: CreateCommand): Plan => {
  const parameters = parseParameters(command.parameters, 'parameters');
  const mutable = parseMutableParameters(command.mutableParameters, 'mutable_parameters');
  const shelf = pickShelf(context, parameters.pool, 'parameters.pool');
  sortMountOptions(command.mountOptions, shelf.pool.mountOptionKind, 'volume_capabilities.mount.mount_flags');
  refuseElsewhere(context.topology, command.accessibility);
  const { defaults } = shelf.pool;
  const claim = parseClaim(command.parameters, 'parameters');
  const name = nameRecord(command.name);
  return {
    shelf,
    range: command.range,
    existing: parameters.existing ?? defaults.existing,
    record: {
      name,
      requestedName: command.name,
      directory: renderTemplate(parameters.directory ?? defaults.template, name, claim),
      capacityBytes: chooseCapacity(command.range),
      state: 'creating',
      parameters: { ...ownParameters(command.parameters), ...command.mutableParameters },
      settings: { ...defaults.settings, ...parameters.settings, ...mutable },
      adopted: false,
      ...(claim === undefined ? {} : { claim }),
      createdAt: new Date().toISOString(),
    },
  };
};

const refuseElsewhere = (topology: Topology | undefined, accessibility: CreateCommand['accessibility']): void => {
  if (topology === undefined || accessibility.length === 0) return;
  if (accessibility.some((segments) => segments[topology.key] === topology.node)) return;
  throw new DriverError(
    'no-space',
    `accessibility_requirements: this driver makes volumes on node ${topology.node} only`,
  );
};

const refuseOtherPool = ({ shelves }: Context, { shelf, record }: Plan): void => {
  const other = [...shelves.values()].find(({ ledger, pool }) => pool !== shelf.pool && ledger.has(record.name));
  if (other === undefined) return;
  throw new DriverError('already-exists', `name: a volume of this name exists in pool ${other.pool.name}`);
};

/** The record that an earlier call has left, with a deletion that was interrupted brought to its end. */
const readBefore = async (context: Context, { shelf, record }: Plan): Promise<VolumeRecord | undefined> => {
  const before = await shelf.ledger.read(record.name);
  if (before?.state !== 'deleting') return before;
  await finishDelete(context, shelf, before);
  return undefined;
};

const refuseDifferent = (before: VolumeRecord, { record, range }: Plan): void => {
  const difference = [
    before.requestedName === record.requestedName ? undefined : 'name',
    satisfies(before.capacityBytes, range) ? undefined : `size (${before.capacityBytes} bytes)`,
    sameEntries(before.parameters, record.parameters) ? undefined : 'parameters',
  ].find((what) => what !== undefined);
  if (difference === undefined) return;
  throw new DriverError('already-exists', `name: a volume of this name exists with another ${difference}`);
};

const makeVolume = async (context: Context, { shelf, record, existing }: Plan, before: VolumeRecord | undefined) => {
  const creating = before ?? (await begin(context, shelf, record, existing));
  try {
    await fillDirectory(shelf, creating, existing);
    await holdVolume(shelf.pool, creating);
    context.step('directory ready');
    const ready: VolumeRecord = { ...creating, state: 'ready' };
    await shelf.ledger.replace(ready);
    return ready;
  } catch (thrown) {
    await abandonCreate(shelf, creating).catch(() => {
      // The disk does not let us; the record says `creating`, and a repeated call or the next start repairs it.
    });
    throw thrown;
  }
};

/** Takes back a volume that never became ready. Its directory goes only while it is empty and was made by us. */
export const abandonCreate = async ({ pool, ledger }: Shelf, record: VolumeRecord): Promise<void> => {
  const { directory, adopted, limit } = record;
  if (!adopted) await pool.root.removeEmpty(directory);
  if (limit !== undefined) await pool.root.giveBack({ ...record, limit });
  await ledger.remove(record.name);
};

const begin = async (
  context: Context,
  shelf: Shelf,
  record: VolumeRecord,
  existing: Existing,
): Promise<VolumeRecord> => {
  const kind = await shelf.pool.root.kindOf(record.directory);
  if (kind === 'other' || (kind !== 'missing' && existing === 'fail')) throw directoryTaken(record, kind);
  // What is there may be data, which nobody has counted: csi-subdir volumes enforce does.
  const limit = kind === 'missing' ? await planLimit(shelf.pool) : undefined;
  const creating = { ...record, adopted: kind !== 'missing', ...(limit === undefined ? {} : { limit }) };
  // A controller that was just elected knows the sum of the volumes only as it was when it started.
  if (shelf.pool.reach === 'everywhere' && shelf.pool.budgetBytes !== undefined) await shelf.ledger.refresh();
  if (!(await shelf.ledger.create(creating)))
    throw new DriverError('aborted', 'another controller is making this volume');
  context.step('record made');
  return creating;
};

const fillDirectory = async ({ pool: { root } }: Shelf, record: VolumeRecord, existing: Existing): Promise<void> => {
  const made = await root.make(record.directory, record.settings);
  if (made === 'made' || record.adopted) return;
  // Ours from before a crash while it is empty: until a volume is ready nobody else knows of it.
  const kind = await root.kindOf(record.directory);
  if (kind !== 'empty' && existing === 'fail') throw directoryTaken(record, kind);
  if (kind === 'empty') await root.own(record.directory, record.settings);
};

const directoryTaken = ({ directory }: VolumeRecord, kind: string): DriverError =>
  new DriverError(
    'failed-precondition',
    kind === 'other'
      ? `directory ${JSON.stringify(directory)} is a link or a file: remove it or choose another template`
      : `directory ${JSON.stringify(directory)} exists already and belongs to no volume: set existing: adopt to keep its data, or choose another template`,
  );

const sameEntries = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};
