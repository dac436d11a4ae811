import { DriverError, quote } from '../domain/errors.ts';
import { formatHandle, nameRecord } from '../domain/handle.ts';
import { type InlineVolume, isInlineId } from '../domain/inline.ts';
import { makeMountPoint } from '../host/mount-point.ts';
import { type Call, findVolume, pickShelf } from './context.ts';
import { createVolume } from './create.ts';
import { deleteVolume } from './delete.ts';
import type { NodeContext } from './node-context.ts';

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
    await pool.attach(record.directory, targetPath, []);
  });
};

/** Deletes the volume of an id that the kubelet has made; the target is not mounted any more. Other ids: nothing. */
export const discardInline = async (context: NodeContext, volumeId: string, call: Call): Promise<void> => {
  if (!isInlineId(volumeId)) return;
  const name = nameRecord(volumeId);
  for (const pool of context.shelves.keys()) {
    // The records must be readable: one that is overlooked would stay for ever.
    const { ledger } = pickShelf(context, pool, 'volume_id');
    if ((await ledger.read(name)) !== undefined) await deleteVolume(context, formatHandle({ pool, name }), call);
  }
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
