import { createHash } from 'node:crypto';
import { formatGroupHandle, nameRecord, parseGroupHandle } from '../domain/handle.ts';
import { isReported, type SnapshotGroup, type SnapshotRecord } from '../domain/snapshot.ts';
import { retryConflicts } from '../errors/conflicts.ts';
import { DriverError, invalid, quote } from '../errors/errors.ts';
import { findVolume, type PoolIndex, snapshotIdOf, snapshotLockKey } from '../index/pool-index.ts';
import { refreshAll } from '../index/refresh.ts';
import { parseSnapshotParameters } from '../requests/parameters.ts';
import type { Call } from '../volumes/context.ts';
import type { CopyContext } from './copy.ts';
import { startSnapshot } from './create.ts';
import { removeSnapshot, rollBackSnapshot } from './delete.ts';
import { requireReady, type SnapshotView, viewSnapshot } from './view.ts';

export interface GroupCommand {
  readonly name: string;
  readonly volumeIds: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}

/** Snapshots that were asked for together, all of them complete. */
export interface GroupView {
  readonly groupId: string;
  readonly snapshots: readonly SnapshotView[];
  /** Of the first of them. */
  readonly createdAt: Date;
}

/**
 * Takes snapshots of several volumes at once, each one after the rules of one; or answers those that are there. When
 * one cannot be taken, none is.
 */
export const createGroup = (context: CopyContext, command: GroupCommand, call: Call): Promise<GroupView> => {
  parseSnapshotParameters(command.parameters, 'parameters');
  const volumeIds = [...new Set(command.volumeIds)].sort();
  if (volumeIds.length === 0) throw invalid('source_volume_ids', 'at least one volume');
  const group = { name: nameRecord(command.name, 'group'), requestedName: command.name, volumeIds };
  return context.locks.run([groupLockKey(group.name)], call.signal, async () => {
    const before = await findMembers(context, group.name);
    refuseDifferent(before, group);
    const made = new Set<string>();
    try {
      return await completeGroup(context, group, await startMembers(context, group, before, made, call), call);
    } catch (thrown) {
      // A caller that has given up calls again, and waits for the same copies.
      if (!call.signal.aborted) await takeBack(context, group.name, made, call);
      throw thrown;
    }
  });
};

const completeGroup = async (
  context: CopyContext,
  { name }: SnapshotGroup,
  members: readonly MemberPlan[],
  call: Call,
): Promise<GroupView> => {
  for (const { id } of members) await context.copier.wait(id, call.signal);
  for (const member of members) await requireReady(member.index, member.name);
  context.step('members made');
  const snapshots: SnapshotView[] = [];
  for (const member of members) snapshots.push(await commitMember(member.index, member.name));
  return viewGroup(name, snapshots);
};

/** Throws not-found, and invalid-argument when the snapshots are not those of the group. */
export const getGroup = async (
  context: CopyContext,
  groupId: string,
  snapshotIds: readonly string[],
): Promise<GroupView> => {
  const name = parseGroupHandle(groupId);
  const members = name === undefined ? [] : await findMembers(context, name);
  if (name === undefined || members.length === 0)
    throw new DriverError('not-found', `group snapshot ${quote(groupId)} does not exist`);
  refuseMismatch(members, snapshotIds);
  if (!members.every(({ record }) => isReported(record) && isWhole(record, members.length)))
    throw new DriverError('not-found', `group snapshot ${quote(groupId)} is not complete`);
  return viewGroup(name, members.map(view));
};

/** Deletes all snapshots of a group. An id that is not ours, or gone already, is a success. */
export const deleteGroup = async (
  context: CopyContext,
  groupId: string,
  snapshotIds: readonly string[],
  call: Call,
): Promise<void> => {
  const name = parseGroupHandle(groupId);
  if (name === undefined) return;
  await context.locks.run([groupLockKey(name)], call.signal, async () => {
    const members = await findMembers(context, name);
    refuseMismatch(members, snapshotIds);
    await removeMembers(context, members, call);
  });
};

interface Member {
  readonly index: PoolIndex;
  readonly record: SnapshotRecord;
}

interface MemberPlan {
  /** Id of the snapshot. */
  readonly id: string;
  readonly index: PoolIndex;
  readonly name: string;
  /** Record name of its volume. */
  readonly volume: string;
}

const groupLockKey = (name: string): string => `group ${name}`;

const findMembers = async (context: CopyContext, group: string): Promise<readonly Member[]> =>
  (await refreshAll(context)).flatMap((index) =>
    index.snapshots.list().flatMap((record) => (record.group?.name === group ? [{ index, record }] : [])),
  );

const refuseDifferent = (members: readonly Member[], group: SnapshotGroup): void => {
  const isSame = ({ record }: Member): boolean => JSON.stringify(record.group) === JSON.stringify(group);
  if (members.every(isSame)) return;
  throw new DriverError('already-exists', 'name: a group snapshot of this name exists, of other volumes');
};

/** All are looked for before the first is begun. A member that is there stays, though its volume may be gone. */
const startMembers = async (
  context: CopyContext,
  group: SnapshotGroup,
  before: readonly Member[],
  made: Set<string>,
  call: Call,
): Promise<readonly MemberPlan[]> => {
  const plans: MemberPlan[] = [];
  for (const volumeId of group.volumeIds) {
    const name = nameMember(group, volumeId);
    const there = before.find(({ record }) => record.name === name);
    plans.push(there === undefined ? await planMember(context, volumeId, name) : planAgain(there));
  }
  for (const { index, name, volume } of plans) {
    const created = await startSnapshot(context, index, { name, requestedName: name, volume, group }, call);
    if (created !== undefined) made.add(created);
  }
  return plans;
};

/** Only a member that is committed counts: from then on nobody rolls it back any more. */
const commitMember = (index: PoolIndex, name: string): Promise<SnapshotView> =>
  retryConflicts(async () => {
    const record = await requireReady(index, name);
    const committed = isReported(record)
      ? record
      : await index.snapshots.replace(record, { ...record, committed: true });
    return viewSnapshot(index, committed);
  });

/** What this call has created, unless another call, here or in another controller, has committed it. */
const takeBack = async (context: CopyContext, group: string, made: ReadonlySet<string>, call: Call): Promise<void> => {
  try {
    for (const { index, record } of await findMembers(context, group)) {
      if (!made.has(record.uid)) continue;
      const rollBack = () => rollBackSnapshot(context, index, record);
      await context.locks.run([snapshotLockKey(record.name)], call.signal, rollBack);
    }
  } catch {
    // The storage does not let us; the same call again completes the group, or the sweep rolls it back.
  }
};

const planMember = async (context: CopyContext, volumeId: string, name: string): Promise<MemberPlan> => {
  const { record, ...index } = await findVolume(context, volumeId);
  return { id: snapshotIdOf(index, name), index, name, volume: record.name };
};

const planAgain = ({ index, record: { name, volume } }: Member): MemberPlan => ({
  id: snapshotIdOf(index, name),
  index,
  name,
  volume,
});

/** The same for the same group and volume, so that a repeated call meets it. */
const nameMember = ({ name }: SnapshotGroup, volumeId: string): string =>
  `member-${createHash('sha256').update(`${name} ${volumeId}`).digest('hex').slice(0, 40)}`;

const isWhole = ({ group }: SnapshotRecord, count: number): boolean => group?.volumeIds.length === count;

const removeMembers = async (context: CopyContext, members: readonly Member[], call: Call): Promise<void> => {
  for (const { index, record } of members) {
    const remove = () => removeSnapshot(context, index, record);
    await context.locks.run([snapshotLockKey(record.name)], call.signal, remove);
  }
};

const refuseMismatch = (members: readonly Member[], snapshotIds: readonly string[]): void => {
  if (members.length === 0) return;
  // REQUIRED by the spec; but an id that no group has is answered first, as csi-sanity wants it.
  if (snapshotIds.length === 0) throw invalid('snapshot_ids', 'at least one id');
  const own = members.map((member) => view(member).snapshotId).sort();
  if (JSON.stringify(own) !== JSON.stringify([...snapshotIds].sort()))
    throw invalid('snapshot_ids', `those of the group (${own.join(', ')})`);
};

const view = ({ index, record }: Member): SnapshotView => viewSnapshot(index, record);

const viewGroup = (name: string, snapshots: readonly SnapshotView[]): GroupView => ({
  groupId: formatGroupHandle(name),
  snapshots,
  createdAt: new Date(Math.min(...snapshots.map(({ createdAt }) => createdAt.getTime()))),
});
