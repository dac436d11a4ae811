import { MINIMUM_CAPACITY_BYTES } from '../domain/capacity.ts';
import { invalid } from '../errors/errors.ts';
import type { ControllerDefinition } from '../gen/csi/v1/Controller.ts';
import type { _csi_v1_ControllerServiceCapability_RPC_Type } from '../gen/csi/v1/ControllerServiceCapability.ts';
import { createSnapshot } from '../snapshots/create.ts';
import { deleteSnapshot } from '../snapshots/delete.ts';
import { getSnapshot, listSnapshots } from '../snapshots/inspect.ts';
import type { Context } from '../volumes/context.ts';
import { createVolume } from '../volumes/create.ts';
import { deleteVolume } from '../volumes/delete.ts';
import { expandVolume } from '../volumes/expand.ts';
import { getCapacity, getVolume, listVolumes } from '../volumes/inspect.ts';
import { modifyVolume } from '../volumes/modify.ts';
import { validateVolume } from '../volumes/validate.ts';
import {
  decodeCapabilities,
  decodeCapability,
  decodeCreate,
  decodeCreateSnapshot,
  decodeMap,
  decodePage,
  decodeRange,
  decodeString,
  decodeValidate,
} from './decode.ts';
import { encodeHealth, encodePage, encodeSnapshot, encodeSnapshotPage, encodeVolume } from './encode.ts';
import type { Methods } from './unary.ts';

export const createController = (context: Context, kind = context.mountOptionKind): Methods<ControllerDefinition> => ({
  CreateVolume: async (request, call) => ({
    volume: encodeVolume(await createVolume(context, decodeCreate(request, kind), call), context.topology),
  }),

  DeleteVolume: async (request, call) => {
    await deleteVolume(context, decodeString(request.volume_id, 'volume_id'), call);
    return {};
  },

  ValidateVolumeCapabilities: async (request) => {
    const problem = await validateVolume(context, decodeValidate(request, kind));
    if (problem !== undefined) return { message: problem };
    const { volume_context, volume_capabilities, parameters, mutable_parameters } = request;
    return { confirmed: { volume_context, volume_capabilities, parameters, mutable_parameters } };
  },

  ListVolumes: async ({ max_entries, starting_token }) => {
    const page = await listVolumes(context, decodePage(max_entries, starting_token));
    return encodePage(page, context.topology);
  },

  GetCapacity: async ({ volume_capabilities, parameters, accessible_topology }) => {
    const isBlock = volume_capabilities.some(({ access_type }) => access_type === 'block');
    if (volume_capabilities.length > 0 && !isBlock)
      decodeCapabilities(volume_capabilities, 'volume_capabilities', kind);
    const map = decodeMap(parameters, 'parameters');
    const bytes = isBlock ? 0 : await getCapacity(context, map, accessible_topology?.segments);
    return {
      available_capacity: bytes,
      maximum_volume_size: { value: bytes },
      minimum_volume_size: { value: MINIMUM_CAPACITY_BYTES },
    };
  },

  ControllerExpandVolume: async (request, call) => {
    const volumeId = decodeString(request.volume_id, 'volume_id');
    if (request.capacity_range === null) throw invalid('capacity_range', 'a size');
    if (request.volume_capability !== null) decodeCapability(request.volume_capability, 'volume_capability', kind);
    const range = decodeRange(request.capacity_range, 'capacity_range');
    return { capacity_bytes: await expandVolume(context, volumeId, range, call), node_expansion_required: false };
  },

  ControllerGetVolume: async (request) =>
    encodeHealth(await getVolume(context, decodeString(request.volume_id, 'volume_id')), context.topology),

  ControllerModifyVolume: async (request, call) => {
    const parameters = decodeMap(request.mutable_parameters, 'mutable_parameters');
    await modifyVolume(context, decodeString(request.volume_id, 'volume_id'), parameters, call);
    return {};
  },

  CreateSnapshot: async (request, call) => ({
    snapshot: encodeSnapshot(await createSnapshot(context, decodeCreateSnapshot(request), call)),
  }),

  DeleteSnapshot: async (request, call) => {
    await deleteSnapshot(context, decodeString(request.snapshot_id, 'snapshot_id'), call);
    return {};
  },

  ListSnapshots: async ({ snapshot_id, source_volume_id, max_entries, starting_token }) => {
    const filter = { snapshotId: snapshot_id || undefined, volumeId: source_volume_id || undefined };
    return encodeSnapshotPage(await listSnapshots(context, filter, decodePage(max_entries, starting_token)));
  },

  GetSnapshot: async (request) => ({
    snapshot: encodeSnapshot(await getSnapshot(context, decodeString(request.snapshot_id, 'snapshot_id'))),
  }),

  ControllerGetCapabilities: () => ({
    capabilities: claimed(context).map((type) => ({ rpc: { type } })),
  }),
});

/** Where volumes belong to a node, the node expands them: the resizer reaches no controller there (docs/adr/0004). */
const claimed = ({ topology }: Context): readonly _csi_v1_ControllerServiceCapability_RPC_Type[] => [
  'CREATE_DELETE_VOLUME',
  'LIST_VOLUMES',
  'GET_CAPACITY',
  'GET_VOLUME',
  'VOLUME_CONDITION',
  'MODIFY_VOLUME',
  'CLONE_VOLUME',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'GET_SNAPSHOT',
  'SINGLE_NODE_MULTI_WRITER',
  ...(topology === undefined ? (['EXPAND_VOLUME'] as const) : []),
];
