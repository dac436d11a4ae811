import type { Version } from './version.ts';
import type { Ownership } from './volume.ts';

export type SnapshotState = 'copying' | 'ready' | 'deleting';

/** A snapshot, as its record in `<root>/.csi-subdir/snapshots/<name>.json` describes it. */
export interface SnapshotRecord extends Version {
  readonly name: string;
  /** The name as the caller gave it; `name` may be its hash. */
  readonly requestedName: string;
  /** Record name of the volume it was taken of, in the same pool. That volume may be gone. */
  readonly volume: string;
  /** The size of the volume at that time, in bytes: a volume restored from the snapshot is at least as large. */
  readonly capacityBytes: number;
  /** What the volume directory was given; the data has what it really had. */
  readonly ownership: Ownership;
  readonly state: SnapshotState;
  /** While `copying`: the process that makes the copy. */
  readonly owner?: string;
  /** Once `ready`: the folder in `.csi-subdir/data/` that has the data. */
  readonly data?: string;
  readonly group?: SnapshotGroup;
  /** Of a group of which all members are complete: until then nobody is told of any of them. */
  readonly committed?: true;
  /** ISO 8601, UTC. The data is not older. */
  readonly createdAt: string;
}

/** The group a snapshot was taken in. Each member knows all of them, so the group needs no record of its own. */
export interface SnapshotGroup {
  readonly name: string;
  readonly requestedName: string;
  /** Ids of the volumes, sorted. */
  readonly volumeIds: readonly string[];
}

/** The folder in `.csi-subdir/data/` that has the data of a snapshot. Layout 1 has named it like the snapshot. */
export const dataOf = ({ name, data }: SnapshotRecord): string => data ?? name;

/** True for what callers are told of. Layout 1 has not marked the members of groups: they count as they are. */
export const isReported = ({ state, group, committed, revision }: SnapshotRecord): boolean =>
  state === 'ready' && (group === undefined || committed === true || revision.startsWith('0-'));
