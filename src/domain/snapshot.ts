import type { Ownership } from './volume.ts';

export type SnapshotState = 'copying' | 'ready' | 'deleting';

/** One snapshot as its record says it: `<root>/.csi-subdir/snapshots/<name>.json`. Its data is in `data/<name>/`. */
export interface SnapshotRecord {
  readonly name: string;
  /** The name as the caller gave it; `name` may be its hash. */
  readonly requestedName: string;
  /** Record name of the volume it was taken of, in the same pool. That volume may be gone. */
  readonly volume: string;
  /** What the data takes on disk; 0 until it is whole. */
  readonly sizeBytes: number;
  /** The size that the volume had: what is made from the snapshot is at least as large. */
  readonly capacityBytes: number;
  /** What the volume directory was given; the data has what it really had. */
  readonly ownership: Ownership;
  readonly state: SnapshotState;
  readonly group?: SnapshotGroup;
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
