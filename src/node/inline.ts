import { openOnDemand } from '../background/open.ts';
import { formatHandle, nameRecord } from '../domain/handle.ts';
import { DriverError, quote } from '../errors/errors.ts';
import { findVolume, type PoolIndex } from '../index/pool-index.ts';
import type { InlineVolume } from '../requests/inline.ts';
import { makeMountPoint } from '../system/mount-point.ts';
import type { MountTable } from '../system/mountinfo.ts';
import type { Call } from '../volumes/context.ts';
import { createVolume } from '../volumes/create.ts';
import { deleteVolume } from '../volumes/delete.ts';
import type { NodeContext } from './context.ts';
import { unpublishVolume } from './publish.ts';

export interface InlineCommand {
  /** As the kubelet makes it: one for each pod and volume of it. */
  readonly volumeId: string;
  readonly volume: InlineVolume;
  readonly targetPath: string;
}

/**
 * Makes a volume for one pod and puts it at the pod's target: nobody stages it. It is a volume like any other, with the
 * pod in the place of the claim, but for what is left of it: nothing, whatever its pool says.
 */
export const publishInline = (context: NodeContext, command: InlineCommand, call: Call): Promise<void> => {
  const { volumeId, volume, targetPath } = command;
  return context.locks.run([targetPath], call.signal, async () => {
    await requireInlineBudget(await openOnDemand(context, volume.pool, call), volumeId);
    const made = await createVolume(context, { ...NOTHING, name: volumeId, ...describe(volume) }, call);
    const { pool, record } = await findVolume(context, made.volumeId);
    const table = await context.readMounts();
    const there = table.at(targetPath);
    if (there !== undefined && pool.isShownBy(there, record.directory, table)) return;
    if (there !== undefined) {
      throw new DriverError('already-exists', `target_path: something else is mounted at ${quote(targetPath)}`);
    }
    await makeMountPoint(targetPath);
    context.step('target made');
    if (pool.mounting === undefined) await pool.root.bind(record.directory, targetPath, []);
    else await pool.mounting.attach(record.directory, targetPath, []);
  });
};

/** Whoever may make a pod could fill the disk otherwise. A volume that exists is published again. */
const requireInlineBudget = async ({ pool, volumes }: PoolIndex, volumeId: string): Promise<void> => {
  if (pool.inlineBudgetBytes !== undefined || (await volumes.read(nameRecord(volumeId))) !== undefined) return;
  throw new DriverError('failed-precondition', `pool ${pool.name} has no inline volumes: set its inlineCapacity`);
};

/** Takes an inline volume from its target and deletes it. Both long done: fine. */
export const unpublishInline = async (
  context: NodeContext,
  volumeId: string,
  targetPath: string,
  call: Call,
): Promise<void> => {
  const table = await context.readMounts();
  const indexes = likely(context, table, targetPath);
  await unpublishVolume(context, volumeId, targetPath, call);
  const name = nameRecord(volumeId);
  const index = await findRecord(context, indexes, name, call);
  if (index !== undefined) await deleteVolume(context, formatHandle({ pool: index.pool.name, name }), call);
};

/** Where the volume at a target may be recorded; first, where nothing is mounted there any more, what answers. */
const likely = ({ indexes }: NodeContext, table: MountTable, targetPath: string): readonly PoolIndex[] => {
  const there = table.at(targetPath);
  const all = [...indexes.values()];
  const owners = there === undefined ? [] : all.filter(({ pool }) => pool.owns(there, table));
  if (owners.length > 0) return owners;
  return all.sort((a, b) => Number(a.pool.problem() !== undefined) - Number(b.pool.problem() !== undefined));
};

/** All that can be read must be: a record that is overlooked would stay for ever. */
const findRecord = async (
  context: NodeContext,
  indexes: readonly PoolIndex[],
  name: string,
  call: Call,
): Promise<PoolIndex | undefined> => {
  const failures: unknown[] = [];
  for (const index of indexes) {
    try {
      const { volumes } = await openOnDemand(context, index.pool.name, call);
      if ((await volumes.read(name)) !== undefined) return index;
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw failures[0];
  return undefined;
};

const NOTHING = { mountOptions: [], mutableParameters: {}, accessibility: [] } as const;

const describe = ({ pool, sizeBytes, pod }: InlineVolume) => ({
  range: { requiredBytes: sizeBytes, limitBytes: 0 },
  parameters: {
    ...(pool === undefined ? {} : { pool }),
    onDelete: 'delete',
    existing: 'fail',
    'csi.storage.k8s.io/pvc/namespace': pod.namespace,
    'csi.storage.k8s.io/pvc/name': pod.name,
  },
});
