import type { GroupControllerDefinition } from '../gen/csi/v1/GroupController.ts';
import { createGroup, deleteGroup, getGroup } from '../snapshots/group.ts';
import type { Context } from '../volumes/context.ts';
import { decodeCreateGroup, decodeString } from './decode.ts';
import { encodeGroup } from './encode.ts';
import type { Methods } from './unary.ts';

export const createGroupController = (context: Context): Methods<GroupControllerDefinition> => ({
  CreateVolumeGroupSnapshot: async (request, call) => ({
    group_snapshot: encodeGroup(await createGroup(context, decodeCreateGroup(request), call)),
  }),

  GetVolumeGroupSnapshot: async ({ group_snapshot_id, snapshot_ids }) => {
    const groupId = decodeString(group_snapshot_id, 'group_snapshot_id');
    return { group_snapshot: encodeGroup(await getGroup(context, groupId, snapshot_ids)) };
  },

  DeleteVolumeGroupSnapshot: async ({ group_snapshot_id, snapshot_ids }, call) => {
    const groupId = decodeString(group_snapshot_id, 'group_snapshot_id');
    await deleteGroup(context, groupId, snapshot_ids, call);
    return {};
  },

  GroupControllerGetCapabilities: () => ({
    capabilities: [{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }],
  }),
});
