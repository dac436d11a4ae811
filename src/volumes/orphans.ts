import { formatHandle } from '../domain/handle.ts';
import { type Directory, parseDirectory } from '../domain/paths.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError, quote } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import type { ClusterList } from '../requests/cluster.ts';
import { isInlineId } from '../requests/inline.ts';
import { adoptDirectory } from './adopt.ts';
import type { Call } from './context.ts';
import { type DeleteContext, deleteVolume } from './delete.ts';
import { refuseMounted } from './mounted.ts';

/** Something in a pool that nobody may be using any more. */
export interface Orphan {
  readonly directory: Directory;
  readonly what: 'directory' | 'archive' | 'inline volume' | 'volume';
  readonly reason: string;
  /** The volume, where it has a record. */
  readonly record: VolumeRecord | undefined;
  /** Undefined where it cannot be found out in some seconds. */
  readonly bytes: number | undefined;
}

/** Finds what no volume, no PersistentVolume or no pod belongs to. Changes nothing. The pool must be open. */
export const findOrphans = async (
  context: DeleteContext,
  index: PoolIndex,
  cluster: ClusterList,
): Promise<readonly Orphan[]> => {
  const { root } = index.pool;
  const found: Omit<Orphan, 'bytes'>[] = [];
  for (const record of index.volumes.list()) {
    const orphan = await judgeRecord(context, index, record, cluster);
    if (orphan !== undefined) found.push(orphan);
  }
  for (const directory of await listUnrecorded(index)) {
    const isArchive = ARCHIVE.test(directory);
    const reason = isArchive ? 'its volume was deleted with onDelete: archive' : 'no volume has this directory';
    found.push({ directory, what: isArchive ? 'archive' : 'directory', reason, record: undefined });
  }
  const orphans: Orphan[] = [];
  for (const orphan of found)
    orphans.push({ ...orphan, bytes: await root.measure(orphan.directory).catch(() => undefined) });
  return orphans;
};

/** As `Trash.archive` names it. */
const ARCHIVE = /(?:^|\/)archived-[^/]*-[0-9a-f]{8}$/;

const judgeRecord = async (
  context: DeleteContext,
  index: PoolIndex,
  record: VolumeRecord,
  { handles, pods }: ClusterList,
): Promise<Omit<Orphan, 'bytes'> | undefined> => {
  const { directory, claim, name, state, requestedName } = record;
  if (state !== 'ready') return undefined;
  if (!isInlineId(requestedName)) {
    if (handles === undefined || handles.has(formatHandle({ pool: index.pool.name, name }))) return undefined;
    return { directory, what: 'volume', reason: 'it has no PersistentVolume', record };
  }
  const pod = `${claim?.namespace ?? ''}/${claim?.name ?? ''}`;
  const isUsed = pods === undefined ? await isMounted(context, index, record) : pods.has(pod);
  return isUsed ? undefined : { directory, what: 'inline volume', reason: `pod ${pod} does not use it`, record };
};

/** Only a local driver sees every mount of a volume. Elsewhere it counts as used unless the pods are known. */
const isMounted = async (context: DeleteContext, index: PoolIndex, record: VolumeRecord): Promise<boolean> => {
  if (index.pool.reach !== 'node') return true;
  return refuseMounted(context, index, record).then(
    () => false,
    () => true,
  );
};

/** The topmost directories in which no volume lies. What lies in a volume is its own. */
const listUnrecorded = async ({ pool: { root }, volumes }: PoolIndex): Promise<readonly Directory[]> => {
  const taken = new Set(volumes.list().map(({ directory }) => directory));
  const parents = new Set([...taken].flatMap(ancestorsOf));
  const visit = async (parent: Directory | '.'): Promise<readonly Directory[]> => {
    const names = await root.listDirectories(parent);
    const below = names.flatMap((name) => asDirectory(parent === '.' ? name : `${parent}/${name}`) ?? []);
    const found: Directory[] = [];
    for (const directory of below.filter((each) => !taken.has(each)))
      found.push(...(parents.has(directory) ? await visit(directory) : [directory]));
    return found;
  };
  return visit('.');
};

const ancestorsOf = (directory: string): readonly string[] => {
  const components = directory.split('/');
  return components.slice(1).map((_, index) => components.slice(0, index + 1).join('/'));
};

/** Names that no volume can have cannot be removed or adopted either. */
const asDirectory = (text: string): Directory | undefined => {
  try {
    return parseDirectory(text);
  } catch {
    return undefined;
  }
};

/** The orphan of a directory. Throws not-found for anything else: it is in use. */
export const requireOrphan = (orphans: readonly Orphan[], directory: string): Orphan => {
  const orphan = orphans.find((each) => each.directory === directory);
  if (orphan === undefined) throw new DriverError('not-found', `${quote(directory)} is not among the orphans`);
  return orphan;
};

/**
 * Deletes an orphan with its data, whatever `onDelete` says. It gets a record first if it has none, so that it is deleted
 * like any volume: renamed into the trash, which is purged afterwards.
 */
export const removeOrphan = async (
  context: DeleteContext,
  index: PoolIndex,
  orphan: Orphan,
  call: Call,
): Promise<void> => {
  const { volumes, pool } = index;
  if (orphan.record === undefined)
    await adoptDirectory(index, { directory: orphan.directory, capacityBytes: 1, write: true });
  const name = orphan.record?.name ?? nameOf(index, orphan.directory);
  const record = await volumes.read(name);
  if (record === undefined) return;
  await volumes.replace(record, { ...record, settings: { ...record.settings, onDelete: 'delete' } });
  await deleteVolume(context, formatHandle({ pool: pool.name, name }), call);
};

const nameOf = ({ volumes }: PoolIndex, directory: Directory): string => {
  const record = volumes.list().find((each) => each.directory === directory);
  if (record === undefined) throw new DriverError('aborted', `${quote(directory)} was changed by somebody else`);
  return record.name;
};
