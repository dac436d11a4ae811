import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import type { TestDriver } from './driver.ts';
import { mountCapability } from './volume.ts';

/** A volume that is there, and places of the kubelet's where nothing is mounted. */
export interface Subject {
  readonly volume: Volume__Output;
  /** Where the volume is staged, and where it is mounted. */
  readonly staging: string;
  readonly mounted: string;
  /** Where nothing is staged or published; their folders exist. */
  readonly freeStaging: string;
  readonly freeTarget: string;
}

/** Fields of a request, of any type: what a hostile or careless caller may send. */
export type Fields = Readonly<Record<string, unknown>>;
export type Send = (fields: Fields) => Promise<unknown>;
export type Requests = ReturnType<typeof validRequests>;
export type Rpc = keyof Requests;

/** Every RPC, called with a request that is valid but for the fields laid over it. */
export const validRequests = ({ controller, node }: TestDriver, subject: Subject) => {
  const { volume_id, volume_context } = subject.volume;
  const capability = mountCapability();
  const volume_capabilities = [capability];
  const staged = { volume_id, volume_context, volume_capability: capability };
  const snapshot = { source_volume_id: volume_id, name: 'snapshot-1' };
  return {
    CreateVolume: over(controller.CreateVolume, {
      name: 'pvc-other',
      volume_capabilities,
      capacity_range: { required_bytes: 1 },
    }),
    DeleteVolume: over(controller.DeleteVolume, { volume_id: 'main/pvc-unknown' }),
    ValidateVolumeCapabilities: over(controller.ValidateVolumeCapabilities, { volume_id, volume_capabilities }),
    ListVolumes: over(controller.ListVolumes, {}),
    GetCapacity: over(controller.GetCapacity, {}),
    ControllerExpandVolume: over(controller.ControllerExpandVolume, {
      volume_id,
      capacity_range: { required_bytes: 1 },
    }),
    ControllerGetVolume: over(controller.ControllerGetVolume, { volume_id }),
    ControllerModifyVolume: over(controller.ControllerModifyVolume, { volume_id, mutable_parameters: {} }),
    ControllerPublishVolume: over(controller.ControllerPublishVolume, { ...staged, node_id: 'node-1' }),
    ControllerUnpublishVolume: over(controller.ControllerUnpublishVolume, { volume_id, node_id: 'node-1' }),
    CreateSnapshot: over(controller.CreateSnapshot, snapshot),
    DeleteSnapshot: over(controller.DeleteSnapshot, { snapshot_id: 'main@snapshot-1' }),
    ListSnapshots: over(controller.ListSnapshots, {}),
    GetSnapshot: over(controller.GetSnapshot, { snapshot_id: 'main@snapshot-1' }),
    NodeStageVolume: over(node.NodeStageVolume, { ...staged, staging_target_path: subject.freeStaging }),
    NodeUnstageVolume: over(node.NodeUnstageVolume, { volume_id, staging_target_path: subject.freeStaging }),
    NodePublishVolume: over(node.NodePublishVolume, {
      ...staged,
      staging_target_path: subject.staging,
      target_path: subject.freeTarget,
    }),
    NodeUnpublishVolume: over(node.NodeUnpublishVolume, { volume_id, target_path: subject.freeTarget }),
    NodeGetVolumeStats: over(node.NodeGetVolumeStats, { volume_id, volume_path: subject.mounted }),
    NodeExpandVolume: over(node.NodeExpandVolume, {
      volume_id,
      volume_path: subject.mounted,
      capacity_range: { required_bytes: 1 },
    }),
  } as const;
};

const over =
  <Request extends object>(send: (request: Request) => Promise<unknown>, valid: Request): Send =>
  (fields) =>
    send({ ...valid, ...fields });
