import { createHash } from 'node:crypto';
import { DriverError, invalid, quote } from '../domain/errors.ts';
import { formatGroupHandle, nameRecord, parseGroupHandle } from '../domain/handle.ts';
import { parseSnapshotParameters } from '../domain/parameters.ts';
import type { SnapshotGroup, SnapshotRecord } from '../domain/snapshot.ts';
import { type Call, type Context, findVolume, type Shelf, snapshotIdOf, snapshotLockKey } from './context.ts';
import { refreshAll } from './refresh.ts';
import { PATIENCE_MS, startSnapshot } from './snapshot.ts';
import { removeSnapshot } from './snapshot-delete.ts';
import { readView, type SnapshotView, viewSnapshot } from './snapshot-view.ts';

export interface GroupCommand {
  readonly name: string;
  readonly volumeIds: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}

/** Snapshots that were asked for together. */
export interface GroupView {
  readonly groupId: string;
  readonly snapshots: readonly SnapshotView[];
  /** Of the first of them. */
  readonly createdAt: Date;
  readonly ready: boolean;
}

/**
 * Takes snapshots of several volumes at once, each one after the rules of one; or answers those that are there. When
 * one cannot be taken, none is.
 */
export const createGroup = (context: Context, command: GroupCommand, call: Call): Promise<GroupView> => {
  parseSnapshotParameters(command.parameters, 'parameters');
  const volumeIds = [...new Set(command.volumeIds)].sort();
  if (volumeIds.length === 0) throw invalid('source_volume_ids', 'at least one volume');
  const group = { name: nameRecord(command.name, 'group'), requestedName: command.name, volumeIds };
  return context.locks.run([groupLockKey(group.name)], call.signal, async () => {
    const before = await findMembers(context, group.name);
    refuseDifferent(before, group);
    try {
      const members = await startMembers(context, group, before, call);
      for (const { id } of members) await context.copier.wait(id, PATIENCE_MS / members.length);
      return viewGroup(group.name, await Promise.all(members.map(({ shelf, name }) => readView(shelf, name))));
    } catch (thrown) {
      await removeMembers(context, group.name, call);
      throw thrown;
    }
  });
};

/** Throws not-found, and invalid-argument when the snapshots are not those of the group. */
export const getGroup = async (
  context: Context,
  groupId: string,
  snapshotIds: readonly string[],
): Promise<GroupView> => {
  const name = parseGroupHandle(groupId);
  const members = name === undefined ? [] : await findMembers(context, name);
  if (name === undefined || members.length === 0)
    throw new DriverError('not-found', `group snapshot ${quote(groupId)} does not exist`);
  refuseMismatch(members, snapshotIds);
  return viewGroup(name, members.map(view));
};

/** Deletes all snapshots of a group. An id that is not ours, or gone already, is a success. */
export const deleteGroup = async (
  context: Context,
  groupId: string,
  snapshotIds: readonly string[],
  call: Call,
): Promise<void> => {
  const name = parseGroupHandle(groupId);
  if (name === undefined) return;
  await context.locks.run([groupLockKey(name)], call.signal, async () => {
    refuseMismatch(await findMembers(context, name), snapshotIds);
    await removeMembers(context, name, call);
  });
};

interface Member {
  readonly shelf: Shelf;
  readonly record: SnapshotRecord;
}

interface MemberPlan {
  /** Id of the snapshot. */
  readonly id: string;
  readonly shelf: Shelf;
  readonly name: string;
  /** Record name of its volume. */
  readonly volume: string;
}

const groupLockKey = (name: string): string => `group ${name}`;

const findMembers = async (context: Context, group: string): Promise<readonly Member[]> =>
  (await refreshAll(context)).flatMap((shelf) =>
    shelf.snapshots.list().flatMap((record) => (record.group?.name === group ? [{ shelf, record }] : [])),
  );

const refuseDifferent = (members: readonly Member[], group: SnapshotGroup): void => {
  const isSame = ({ record }: Member): boolean => JSON.stringify(record.group) === JSON.stringify(group);
  if (members.every(isSame)) return;
  throw new DriverError('already-exists', 'name: a group snapshot of this name exists, of other volumes');
};

/** All are looked for before the first is begun. A member that is there stays, though its volume may be gone. */
const startMembers = async (
  context: Context,
  group: SnapshotGroup,
  before: readonly Member[],
  call: Call,
): Promise<readonly MemberPlan[]> => {
  const plans: MemberPlan[] = [];
  for (const volumeId of group.volumeIds) {
    const name = nameMember(group, volumeId);
    const there = before.find(({ record }) => record.name === name);
    plans.push(there === undefined ? await planMember(context, volumeId, name) : planAgain(there));
  }
  for (const { shelf, name, volume } of plans) {
    await startSnapshot(context, shelf, { name, requestedName: name, volume, group }, call);
  }
  return plans;
};

const planMember = async (context: Context, volumeId: string, name: string): Promise<MemberPlan> => {
  const { record, ...shelf } = await findVolume(context, volumeId);
  return { id: snapshotIdOf(shelf, name), shelf, name, volume: record.name };
};

const planAgain = ({ shelf, record: { name, volume } }: Member): MemberPlan => ({
  id: snapshotIdOf(shelf, name),
  shelf,
  name,
  volume,
});

/** The same for the same group and volume, so that a repeated call meets it. */
const nameMember = ({ name }: SnapshotGroup, volumeId: string): string =>
  `member-${createHash('sha256').update(`${name} ${volumeId}`).digest('hex').slice(0, 40)}`;

const removeMembers = async (context: Context, group: string, call: Call): Promise<void> => {
  for (const { shelf, record } of await findMembers(context, group)) {
    const remove = () => removeSnapshot(context, shelf, record.name);
    await context.locks.run([snapshotLockKey(record.name)], call.signal, remove);
  }
};

const refuseMismatch = (members: readonly Member[], snapshotIds: readonly string[]): void => {
  if (members.length === 0 || snapshotIds.length === 0) return;
  const own = members.map((member) => view(member).snapshotId).sort();
  if (JSON.stringify(own) !== JSON.stringify([...snapshotIds].sort()))
    throw invalid('snapshot_ids', `those of the group (${own.join(', ')})`);
};

const view = ({ shelf, record }: Member): SnapshotView => viewSnapshot(shelf, record);

const viewGroup = (name: string, snapshots: readonly SnapshotView[]): GroupView => ({
  groupId: formatGroupHandle(name),
  snapshots,
  createdAt: new Date(Math.min(...snapshots.map(({ createdAt }) => createdAt.getTime()))),
  ready: snapshots.every(({ ready }) => ready),
});
