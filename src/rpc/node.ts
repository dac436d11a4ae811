import { join } from 'node:path';
import { parseKubeletPath } from '../domain/paths.ts';
import { DriverError } from '../errors/errors.ts';
import type { NodeDefinition } from '../gen/csi/v1/Node.ts';
import type { _csi_v1_NodeServiceCapability_RPC_Type } from '../gen/csi/v1/NodeServiceCapability.ts';
import { findVolume } from '../index/pool-index.ts';
import type { NodeContext } from '../node/context.ts';
import { publishInline, unpublishInline } from '../node/inline.ts';
import { requireOwnContext, requireUsedAt } from '../node/match.ts';
import { publishVolume, unpublishVolume } from '../node/publish.ts';
import { stageVolume, unstageVolume } from '../node/stage.ts';
import { createGetVolumeStats } from '../node/stats.ts';
import { parseAttributes } from '../requests/attributes.ts';
import { isInline, isInlineId } from '../requests/inline.ts';
import { expandVolume } from '../volumes/expand.ts';
import { decodeCapability, decodeInline, decodeMap, decodePath, decodeRange, decodeString } from './decode.ts';
import { encodeStats, encodeTopology } from './encode.ts';
import type { Methods } from './unary.ts';

export interface NodeSettings {
  readonly nodeId: string;
  /** Staging paths and targets lie below it, as the kubelet names it. */
  readonly kubeletDir: string;
  /** The same directory as the mount table names it. */
  readonly realKubeletDir: string;
  /** 0: as many as the node can. */
  readonly maxVolumes: number;
}

export const createNode = (context: NodeContext, settings: NodeSettings): Methods<NodeDefinition> => {
  const decodeMountPath = (text: string, field: string): string =>
    join(settings.realKubeletDir, parseKubeletPath(decodePath(text, field), settings.kubeletDir, field));

  /** The specification has a code of its own for a volume that was not staged anywhere. */
  const decodeStagingPath = (text: string): string => {
    if (text === '') throw new DriverError('failed-precondition', 'staging_target_path: expected the staged volume');
    return decodeMountPath(text, 'staging_target_path');
  };

  const getVolumeStats = createGetVolumeStats(context);
  const kind = context.mountOptionKind;

  /** The path if the kubelet could have mounted something there. */
  const mountPathOrNone = (text: string): string | undefined => {
    try {
      return decodeMountPath(text, 'volume_path');
    } catch {
      return undefined;
    }
  };

  return {
    NodeStageVolume: async (request, call) => {
      const volumeId = decodeString(request.volume_id, 'volume_id');
      const stagingPath = decodeMountPath(request.staging_target_path, 'staging_target_path');
      const { mountOptions } = decodeCapability(request.volume_capability, 'volume_capability', kind);
      const location = parseAttributes(decodeMap(request.volume_context, 'volume_context'), 'volume_context');
      await requireOwnContext(context, volumeId, location);
      await stageVolume(context, { volumeId, location, stagingPath, mountOptions }, call);
      return {};
    },

    NodeUnstageVolume: async (request, call) => {
      const volumeId = decodeString(request.volume_id, 'volume_id');
      await unstageVolume(context, volumeId, decodeMountPath(request.staging_target_path, 'staging_target_path'), call);
      return {};
    },

    NodePublishVolume: async (request, call) => {
      const volumeId = decodeString(request.volume_id, 'volume_id');
      const targetPath = decodeMountPath(request.target_path, 'target_path');
      if (isInline(request.volume_context)) {
        const volume = decodeInline(request, kind);
        await publishInline(context, { volumeId, volume, targetPath }, call);
        return {};
      }
      const capability = decodeCapability(request.volume_capability, 'volume_capability', kind);
      const stagingPath = decodeStagingPath(request.staging_target_path);
      const location = parseAttributes(decodeMap(request.volume_context, 'volume_context'), 'volume_context');
      await requireOwnContext(context, volumeId, location);
      const paths = { stagingPath, targetPath };
      await publishVolume(context, { volumeId, location, ...paths, capability, readOnly: request.readonly }, call);
      return {};
    },

    NodeUnpublishVolume: async (request, call) => {
      const volumeId = decodeString(request.volume_id, 'volume_id');
      const targetPath = decodeMountPath(request.target_path, 'target_path');
      const unpublish = isInlineId(volumeId) ? unpublishInline : unpublishVolume;
      await unpublish(context, volumeId, targetPath, call);
      return {};
    },

    NodeGetVolumeStats: async (request) => {
      const volumeId = decodeString(request.volume_id, 'volume_id');
      const volumePath = mountPathOrNone(decodePath(request.volume_path, 'volume_path'));
      return encodeStats(await getVolumeStats(volumeId, volumePath));
    },

    NodeExpandVolume: async (request, call) => {
      const volumeId = decodeString(request.volume_id, 'volume_id');
      decodePath(request.volume_path, 'volume_path');
      await findVolume(context, volumeId);
      await requireUsedAt(context, volumeId, decodeMountPath(request.volume_path, 'volume_path'), {
        stagingPath: mountPathOrNone(request.staging_target_path),
      });
      if (request.volume_capability !== null) decodeCapability(request.volume_capability, 'volume_capability', kind);
      const range = decodeRange(request.capacity_range, 'capacity_range');
      return { capacity_bytes: await expandVolume(context, volumeId, range, call) };
    },

    NodeGetInfo: () => ({
      node_id: settings.nodeId,
      max_volumes_per_node: settings.maxVolumes,
      accessible_topology: context.topology === undefined ? null : encodeTopology(context.topology),
    }),

    NodeGetCapabilities: () => ({
      capabilities: claimed(context).map((type) => ({ rpc: { type } })),
    }),
  };
};

const claimed = ({ topology }: NodeContext): readonly _csi_v1_NodeServiceCapability_RPC_Type[] => [
  'STAGE_UNSTAGE_VOLUME',
  'GET_VOLUME_STATS',
  'VOLUME_CONDITION',
  'SINGLE_NODE_MULTI_WRITER',
  ...(topology === undefined ? [] : (['EXPAND_VOLUME'] as const)),
];
