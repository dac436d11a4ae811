import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.ts';
import type { TestDriver } from './driver.ts';

export const GIB = 1024 ** 3;

export const mountCapability = (
  mode: NonNullable<NonNullable<VolumeCapability['access_mode']>['mode']> = 'SINGLE_NODE_WRITER',
  flags: string[] = [],
): VolumeCapability => ({ access_mode: { mode }, mount: { mount_flags: flags } });

export const createVolume = async (
  driver: TestDriver,
  name: string,
  parameters: Record<string, string> = {},
  bytes = GIB,
): Promise<Volume__Output> => {
  const { volume } = await driver.controller.CreateVolume({
    name,
    parameters,
    capacity_range: { required_bytes: bytes },
    volume_capabilities: [mountCapability()],
  });
  if (volume === null) throw new Error('CreateVolume answered no volume');
  return volume;
};

/** Where the kubelet would stage a volume, and publish it for a pod. The folders it would make are there. */
export const kubeletPaths = async (driver: TestDriver, volume: string, pod = 'pod-1') => {
  const staging = join(driver.kubeletDir, 'plugins/kubernetes.io/csi', volume, 'globalmount');
  const target = join(driver.kubeletDir, 'pods', pod, 'volumes/kubernetes.io~csi', volume, 'mount');
  await mkdir(staging, { recursive: true });
  await mkdir(dirname(target), { recursive: true });
  return { staging, target };
};

export const stage = (driver: TestDriver, volume: Volume__Output, staging: string) =>
  driver.node.NodeStageVolume({
    volume_id: volume.volume_id,
    volume_context: volume.volume_context,
    staging_target_path: staging,
    volume_capability: mountCapability(),
  });

export const publish = (
  driver: TestDriver,
  volume: Volume__Output,
  paths: { readonly staging: string; readonly target: string },
  options: { readonly capability?: VolumeCapability; readonly readonly?: boolean } = {},
) =>
  driver.node.NodePublishVolume({
    volume_id: volume.volume_id,
    volume_context: volume.volume_context,
    staging_target_path: paths.staging,
    target_path: paths.target,
    volume_capability: options.capability ?? mountCapability(),
    readonly: options.readonly ?? false,
  });

export const unpublish = (driver: TestDriver, volumeId: string, target: string) =>
  driver.node.NodeUnpublishVolume({ volume_id: volumeId, target_path: target });

export const unstage = (driver: TestDriver, volumeId: string, staging: string) =>
  driver.node.NodeUnstageVolume({ volume_id: volumeId, staging_target_path: staging });

/** The name of the code that a call ends with: `OK` when it does not fail. */
export const codeOf = async (call: Promise<unknown>): Promise<string> => (await outcomeOf(call)).code;

export const outcomeOf = async (
  call: Promise<unknown>,
): Promise<{ readonly code: string; readonly details: string }> => {
  try {
    await call;
    return { code: 'OK', details: '' };
  } catch (thrown) {
    const { code, details } = thrown as ServiceError;
    return { code: status[code] ?? String(thrown), details };
  }
};
