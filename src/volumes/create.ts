import { populateFromSource } from '../copies/populate.ts';
import { resolveSource } from '../copies/source.ts';
import { type CapacityRange, chooseCapacity, satisfies } from '../domain/capacity.ts';
import { nameRecord } from '../domain/handle.ts';
import { firstVersion } from '../domain/version.ts';
import type { Existing, Settings, VolumeRecord, VolumeSource } from '../domain/volume.ts';
import { isConflict } from '../errors/conflicts.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { lockKey, type PoolIndex, pickPool, volumeIdOf } from '../index/pool-index.ts';
import { requireAdmitted, withFreshIndex } from '../index/reserve.ts';
import { sortMountOptions } from '../requests/mount-options.ts';
import { ownParameters, parseClaim, parseMutableParameters, parseParameters } from '../requests/parameters.ts';
import { renderTemplate } from '../requests/template.ts';
import type { DirectoryKind } from '../roots/root.ts';
import type { Call, Context, Topology } from './context.ts';
import { type DeleteContext, finishDelete, rollBackCreate } from './delete.ts';
import { enforceSize, planLimit } from './limits.ts';

/** What these operations use of the context. */
export type CreateContext = DeleteContext & Pick<Context, 'owners' | 'topology'>;

export interface CreateCommand {
  readonly name: string;
  readonly range: CapacityRange;
  /** Of all capabilities that were asked for. */
  readonly mountOptions: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly mutableParameters: Readonly<Record<string, string>>;
  /** The places where the volume must be reachable from, each a set of topology segments; empty: anywhere. */
  readonly accessibility: readonly Readonly<Record<string, string>>[];
  readonly source?: VolumeSource;
}

/** A volume as the caller gets to know it. */
export interface VolumeView {
  readonly volumeId: string;
  readonly capacityBytes: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly source: VolumeSource | undefined;
}

/**
 * Makes a volume, or answers the one that is there. The record comes first, as `creating`, so that of two only one
 * makes the directory and whatever a crash leaves is known; it becomes `ready` last.
 */
export const createVolume = async (context: CreateContext, command: CreateCommand, call: Call): Promise<VolumeView> => {
  const plan = planVolume(context, command);
  const { index, record } = plan;
  return context.locks.run([lockKey(volumeIdOf(index, record.name))], call.signal, async () => {
    refuseOtherPool(context, plan);
    const before = await readBefore(context, plan);
    if (before !== undefined) refuseDifferent(before, plan);
    if (before?.state === 'ready') return viewVolume(index, before);
    return viewVolume(index, await makeVolume(context, plan, before));
  });
};

export const viewVolume = (index: PoolIndex, { name, capacityBytes, directory, source }: VolumeRecord): VolumeView => ({
  volumeId: volumeIdOf(index, name),
  capacityBytes,
  attributes: { pool: index.pool.name, directory, volume: name },
  source,
});

interface Plan {
  readonly index: PoolIndex;
  readonly record: VolumeRecord;
  readonly range: CapacityRange;
  readonly existing: Existing;
  /** What the request says itself, without the defaults of the pool. */
  readonly explicit: Partial<Settings>;
}

const planVolume = (context: CreateContext, command: CreateCommand): Plan => {
  const parameters = parseParameters(command.parameters, 'parameters');
  const mutable = parseMutableParameters(command.mutableParameters, 'mutable_parameters');
  const index = pickPool(context, parameters.pool, 'parameters.pool');
  sortMountOptions(command.mountOptions, index.pool.mountOptionKind, 'volume_capabilities.mount.mount_flags');
  refuseElsewhere(context.topology, command.accessibility);
  const { defaults } = index.pool;
  const claim = parseClaim(command.parameters, 'parameters');
  const name = nameRecord(command.name);
  const explicit = { ...parameters.settings, ...mutable };
  return {
    index,
    range: command.range,
    // What is copied is not put into what is there.
    existing: command.source === undefined ? (parameters.existing ?? defaults.existing) : 'fail',
    explicit,
    record: {
      ...firstVersion(),
      name,
      requestedName: command.name,
      directory: renderTemplate(parameters.directory ?? defaults.template, name, claim),
      capacityBytes: chooseCapacity(command.range),
      state: 'creating',
      parameters: { ...ownParameters(command.parameters), ...command.mutableParameters },
      settings: { ...defaults.settings, ...explicit },
      adopted: false,
      ...(claim === undefined ? {} : { claim }),
      ...(command.source === undefined ? {} : { source: command.source }),
      createdAt: new Date().toISOString(),
    },
  };
};

/** The record with what is the source's: its owner and mode, and at least its size. */
const completePlan = async (context: CreateContext, { record, range, explicit }: Plan): Promise<VolumeRecord> => {
  if (record.source === undefined) return record;
  const { ownership, capacityBytes } = await resolveSource(context, record.source);
  return {
    ...record,
    capacityBytes: chooseCapacity(range, capacityBytes),
    settings: { ...record.settings, ...ownership, ...explicit },
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

const refuseOtherPool = ({ indexes }: CreateContext, { index, record }: Plan): void => {
  const other = [...indexes.values()].find(
    ({ volumes, pool }) => pool !== index.pool && volumes.get(record.name) !== undefined,
  );
  if (other === undefined) return;
  throw new DriverError('already-exists', `name: a volume of this name exists in pool ${other.pool.name}`);
};

/** The record that an earlier call has left, with a deletion that was interrupted brought to its end. */
const readBefore = async (context: CreateContext, { index, record }: Plan): Promise<VolumeRecord | undefined> => {
  const before = await index.volumes.read(record.name);
  if (before?.state !== 'deleting') return before;
  await finishDelete(context, index, before);
  return undefined;
};

const refuseDifferent = (before: VolumeRecord, { record, range }: Plan): void => {
  const difference = [
    before.requestedName === record.requestedName ? undefined : 'name',
    satisfies(before.capacityBytes, range) ? undefined : `size (${before.capacityBytes} bytes)`,
    sameEntries(before.parameters, record.parameters) ? undefined : 'parameters',
    before.source?.kind === record.source?.kind && before.source?.id === record.source?.id ? undefined : 'source',
  ].find((what) => what !== undefined);
  if (difference === undefined) return;
  throw new DriverError('already-exists', `name: a volume of this name exists with another ${difference}`);
};

const makeVolume = async (
  context: CreateContext,
  plan: Plan,
  before: VolumeRecord | undefined,
): Promise<VolumeRecord> => {
  const { index, existing } = plan;
  const creating = before ?? (await begin(context, index, await completePlan(context, plan), existing));
  try {
    await requireAdmitted(index, creating);
    const filled = await fill(context, plan, creating);
    await enforceSize(index.pool, filled);
    const { compression } = filled.settings;
    if (compression !== undefined) await index.pool.root.compress(filled, compression);
    const inode = await index.pool.root.fingerprint(filled.directory);
    context.step('directory ready');
    const { copy: _copy, owner: _owner, ...made } = filled;
    return await index.volumes.replace(filled, { ...made, inode, state: 'ready' });
  } catch (thrown) {
    return resolveFailure(context, index, creating, thrown);
  }
};

const fill = async (context: CreateContext, { index, existing, explicit }: Plan, record: VolumeRecord) => {
  if (record.source !== undefined) return populateFromSource(context, index, record, explicit);
  await fillDirectory(index, record, existing);
  return record;
};

/**
 * A failure counts only while the volume is still this call's to make: another controller may have made it ready in
 * the meantime, or deleted it. Then what has failed here says nothing.
 */
const resolveFailure = async (
  context: CreateContext,
  index: PoolIndex,
  { name, uid }: VolumeRecord,
  thrown: unknown,
): Promise<VolumeRecord> => {
  const record = await index.volumes.read(name).catch(() => {
    throw thrown;
  });
  if (record?.uid === uid && record.state === 'ready') return record;
  if (record?.uid !== uid || record.state !== 'creating')
    throw new DriverError('aborted', 'the volume was deleted while it was created', { cause: thrown });
  if (isConflict(thrown) || !isOwnWork(context, record)) throw thrown;
  await rollBackCreate(context, index, record).catch(() => {
    // The disk does not let us; the record says `creating`, and a repeated call or the sweep repairs it.
  });
  throw thrown;
};

const isOwnWork = ({ owners }: CreateContext, { owner }: VolumeRecord): boolean =>
  owner === undefined || owner === owners.self;

const begin = async (
  context: CreateContext,
  index: PoolIndex,
  record: VolumeRecord,
  existing: Existing,
): Promise<VolumeRecord> => {
  const kind = await index.pool.root.kindOf(record.directory);
  if (['other', 'elsewhere'].includes(kind) || (kind !== 'missing' && existing === 'fail'))
    throw directoryTaken(record, kind);
  // What is there may be data, which nobody has counted: csi-subdir volumes enforce does.
  const limit = kind === 'missing' ? await planLimit(index.pool) : undefined;
  const creating = {
    ...record,
    adopted: kind !== 'missing',
    ...(limit === undefined ? {} : { limit }),
    ...(record.source === undefined ? {} : { owner: context.owners.self }),
  };
  if (!(await withFreshIndex(index, () => index.volumes.create(creating))))
    throw new DriverError('aborted', 'another controller is making this volume');
  context.step('record made');
  return creating;
};

const fillDirectory = async (
  { pool: { root } }: PoolIndex,
  record: VolumeRecord,
  existing: Existing,
): Promise<void> => {
  const made = await root.make(record, record.settings);
  if (made === 'made' || record.adopted) return;
  // Left by an earlier attempt while it is empty: until a volume is ready nobody else knows of it.
  const kind = await root.kindOf(record.directory);
  if (kind !== 'empty' && existing === 'fail') throw directoryTaken(record, kind);
  if (kind === 'empty') await root.own(record, record.settings);
};

const directoryTaken = ({ directory }: VolumeRecord, kind: DirectoryKind): DriverError =>
  new DriverError('failed-precondition', `directory ${quote(directory)} ${OBSTACLES[kind] ?? EXISTS}`);

const EXISTS =
  'exists already and belongs to no volume: set existing: adopt to keep its data, or choose another template';
const OBSTACLES: Readonly<Partial<Record<DirectoryKind, string>>> = {
  other: 'is a link or a file: remove it or choose another template',
  elsewhere: 'is a mount point or lies on another file system than the pool: unmount it or choose another template',
};

const sameEntries = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};
