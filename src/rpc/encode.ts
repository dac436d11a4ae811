import type { Space } from '../domain/space.ts';
import type { VolumeSource } from '../domain/volume.ts';
import type { ControllerGetVolumeResponse } from '../gen/csi/v1/ControllerGetVolumeResponse.ts';
import type { ListSnapshotsResponse } from '../gen/csi/v1/ListSnapshotsResponse.ts';
import type { ListVolumesResponse } from '../gen/csi/v1/ListVolumesResponse.ts';
import type { NodeGetVolumeStatsResponse } from '../gen/csi/v1/NodeGetVolumeStatsResponse.ts';
import type { Snapshot } from '../gen/csi/v1/Snapshot.ts';
import type { Topology as TopologyMessage } from '../gen/csi/v1/Topology.ts';
import type { Volume } from '../gen/csi/v1/Volume.ts';
import type { VolumeContentSource } from '../gen/csi/v1/VolumeContentSource.ts';
import type { VolumeGroupSnapshot } from '../gen/csi/v1/VolumeGroupSnapshot.ts';
import type { VolumeUsage } from '../gen/csi/v1/VolumeUsage.ts';
import type { Page } from '../index/page.ts';
import type { VolumeStats } from '../node/stats.ts';
import type { GroupView } from '../snapshots/group.ts';
import type { SnapshotView } from '../snapshots/view.ts';
import type { Topology } from '../volumes/context.ts';
import type { VolumeView } from '../volumes/create.ts';
import type { VolumeStatus } from '../volumes/inspect.ts';

// Results into responses.

export const encodeVolume = (
  { volumeId, capacityBytes, attributes, source }: VolumeView,
  topology: Topology | undefined,
): Volume => ({
  volume_id: volumeId,
  capacity_bytes: capacityBytes,
  volume_context: attributes,
  content_source: source === undefined ? null : encodeSource(source),
  accessible_topology: topology === undefined ? [] : [encodeTopology(topology)],
});

const encodeSource = ({ kind, id }: VolumeSource): VolumeContentSource =>
  kind === 'snapshot' ? { snapshot: { snapshot_id: id } } : { volume: { volume_id: id } };

export const encodeTopology = ({ key, node }: Topology): TopologyMessage => ({ segments: { [key]: node } });

export const encodePage = (
  { entries, nextToken }: Page<VolumeStatus>,
  topology: Topology | undefined,
): ListVolumesResponse => ({
  entries: entries.map((volume) => ({
    volume: encodeVolume(volume, topology),
    status: { volume_condition: volume.condition },
  })),
  next_token: nextToken,
});

export const encodeSnapshot = (view: SnapshotView): Snapshot => ({
  snapshot_id: view.snapshotId,
  source_volume_id: view.volumeId,
  size_bytes: view.sizeBytes,
  creation_time: encodeTime(view.createdAt),
  ready_to_use: true,
  group_snapshot_id: view.groupId ?? '',
});

const encodeTime = (time: Date): NonNullable<Snapshot['creation_time']> => ({
  seconds: Math.floor(time.getTime() / 1000),
  nanos: (time.getTime() % 1000) * 1_000_000,
});

export const encodeGroup = ({ groupId, snapshots, createdAt }: GroupView): VolumeGroupSnapshot => ({
  group_snapshot_id: groupId,
  snapshots: snapshots.map(encodeSnapshot),
  creation_time: encodeTime(createdAt),
  ready_to_use: true,
});

export const encodeSnapshotPage = ({ entries, nextToken }: Page<SnapshotView>): ListSnapshotsResponse => ({
  entries: entries.map((view) => ({ snapshot: encodeSnapshot(view) })),
  next_token: nextToken,
});

export const encodeHealth = (view: VolumeStatus, topology: Topology | undefined): ControllerGetVolumeResponse => ({
  volume: encodeVolume(view, topology),
  status: { volume_condition: view.condition },
});

export const encodeStats = ({ space, condition }: VolumeStats): NodeGetVolumeStatsResponse => ({
  usage: space === undefined ? [] : encodeSpace(space),
  volume_condition: condition,
});

const encodeSpace = (space: Space): VolumeUsage[] => [
  { unit: 'BYTES', total: space.totalBytes, available: space.availableBytes, used: space.usedBytes },
  ...(hasInodes(space)
    ? [
        {
          unit: 'INODES' as const,
          total: space.totalInodes,
          available: space.freeInodes,
          used: space.totalInodes - space.freeInodes,
        },
      ]
    : []),
];

/** Some file systems (btrfs, CephFS) have no number of inodes: they say 0 or -1, which alerts take for none left. */
const hasInodes = ({ totalInodes, freeInodes }: Space): boolean =>
  Number.isSafeInteger(totalInodes) && totalInodes > 0 && freeInodes >= 0 && freeInodes <= totalInodes;
