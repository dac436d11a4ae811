import type { Space } from '../domain/space.ts';
import type { ControllerGetVolumeResponse } from '../gen/csi/v1/ControllerGetVolumeResponse.ts';
import type { ListVolumesResponse } from '../gen/csi/v1/ListVolumesResponse.ts';
import type { NodeGetVolumeStatsResponse } from '../gen/csi/v1/NodeGetVolumeStatsResponse.ts';
import type { Topology as TopologyMessage } from '../gen/csi/v1/Topology.ts';
import type { Volume } from '../gen/csi/v1/Volume.ts';
import type { VolumeUsage } from '../gen/csi/v1/VolumeUsage.ts';
import type { Topology } from '../volumes/context.ts';
import type { VolumeView } from '../volumes/create.ts';
import type { Condition, VolumePage } from '../volumes/inspect.ts';
import type { VolumeStats } from '../volumes/stats.ts';

// Results into responses.

export const encodeVolume = (
  { volumeId, capacityBytes, attributes }: VolumeView,
  topology: Topology | undefined,
): Volume => ({
  volume_id: volumeId,
  capacity_bytes: capacityBytes,
  volume_context: attributes,
  accessible_topology: topology === undefined ? [] : [encodeTopology(topology)],
});

export const encodeTopology = ({ key, node }: Topology): TopologyMessage => ({ segments: { [key]: node } });

export const encodePage = (
  { volumes, nextToken }: VolumePage,
  topology: Topology | undefined,
): ListVolumesResponse => ({
  entries: volumes.map((volume) => ({ volume: encodeVolume(volume, topology) })),
  next_token: nextToken,
});

export const encodeHealth = (
  view: VolumeView & { readonly condition: Condition },
  topology: Topology | undefined,
): ControllerGetVolumeResponse => ({
  volume: encodeVolume(view, topology),
  status: { volume_condition: view.condition },
});

export const encodeStats = ({ space, condition }: VolumeStats): NodeGetVolumeStatsResponse => ({
  usage: space === undefined ? [] : encodeSpace(space),
  volume_condition: condition,
});

const encodeSpace = (space: Space): VolumeUsage[] => [
  { unit: 'BYTES', total: space.totalBytes, available: space.availableBytes, used: space.usedBytes },
  {
    unit: 'INODES',
    total: space.totalInodes,
    available: space.freeInodes,
    used: space.totalInodes - space.freeInodes,
  },
];
