import type { CapacityRange } from '../domain/capacity.ts';
import type { VolumeSource } from '../domain/volume.ts';
import { DriverError, invalid } from '../errors/errors.ts';
import type { CapacityRange__Output } from '../gen/csi/v1/CapacityRange.ts';
import type { CreateSnapshotRequest__Output } from '../gen/csi/v1/CreateSnapshotRequest.ts';
import type { CreateVolumeGroupSnapshotRequest__Output } from '../gen/csi/v1/CreateVolumeGroupSnapshotRequest.ts';
import type { CreateVolumeRequest__Output } from '../gen/csi/v1/CreateVolumeRequest.ts';
import type { NodePublishVolumeRequest__Output } from '../gen/csi/v1/NodePublishVolumeRequest.ts';
import type { TopologyRequirement__Output } from '../gen/csi/v1/TopologyRequirement.ts';
import type { ValidateVolumeCapabilitiesRequest__Output } from '../gen/csi/v1/ValidateVolumeCapabilitiesRequest.ts';
import type { VolumeCapability__Output } from '../gen/csi/v1/VolumeCapability.ts';
import type { VolumeContentSource__Output } from '../gen/csi/v1/VolumeContentSource.ts';
import type { PageRequest } from '../index/page.ts';
import { ACCESS_MODES, type AccessMode, type VolumeCapability } from '../requests/capability.ts';
import { type InlineVolume, parseInline } from '../requests/inline.ts';
import { type MountOptionKind, sortMountOptions } from '../requests/mount-options.ts';
import type { SnapshotCommand } from '../snapshots/create.ts';
import type { GroupCommand } from '../snapshots/group.ts';
import type { CreateCommand } from '../volumes/create.ts';
import type { ValidateCommand } from '../volumes/validate.ts';

// Requests into commands. Secrets are not decoded: no operation has a use for them, so none can leak one.

/** https://github.com/container-storage-interface/spec/blob/v1.12.0/spec.md#size-limits */
const MAX_STRING_BYTES = 128;
const MAX_MAP_BYTES = 4096;

export const decodeCreate = (request: CreateVolumeRequest__Output, kind: MountOptionKind): CreateCommand => {
  const name = decodeString(request.name, 'name');
  const capabilities = decodeCapabilities(request.volume_capabilities, 'volume_capabilities', kind);
  const source = decodeSource(request.volume_content_source, 'volume_content_source');
  return {
    name,
    ...(source === undefined ? {} : { source }),
    mountOptions: capabilities.flatMap(({ mountOptions }) => mountOptions),
    range: decodeRange(request.capacity_range, 'capacity_range'),
    parameters: decodeMap(request.parameters, 'parameters'),
    mutableParameters: decodeMap(request.mutable_parameters, 'mutable_parameters'),
    accessibility: decodeAccessibility(request.accessibility_requirements),
  };
};

export const decodeValidate = (
  request: ValidateVolumeCapabilitiesRequest__Output,
  kind: MountOptionKind,
): ValidateCommand => ({
  volumeId: decodeString(request.volume_id, 'volume_id'),
  unsupported: findUnsupported(request.volume_capabilities, 'volume_capabilities', kind),
  attributes: decodeMap(request.volume_context, 'volume_context'),
  parameters: decodeMap(request.parameters, 'parameters'),
  mutableParameters: decodeMap(request.mutable_parameters, 'mutable_parameters'),
});

export const decodeCreateSnapshot = (request: CreateSnapshotRequest__Output): SnapshotCommand => ({
  name: decodeString(request.name, 'name'),
  volumeId: decodeString(request.source_volume_id, 'source_volume_id'),
  parameters: decodeMap(request.parameters, 'parameters'),
});

export const decodeCreateGroup = (request: CreateVolumeGroupSnapshotRequest__Output): GroupCommand => ({
  name: decodeString(request.name, 'name'),
  volumeIds: request.source_volume_ids.map((id, index) => decodeString(id, `source_volume_ids[${index}]`)),
  parameters: decodeMap(request.parameters, 'parameters'),
});

/** A text that must be there: at most 128 bytes, no control characters. */
export const decodeString = (text: string, field: string): string => {
  if (text === '') throw invalid(field, 'a value');
  if (Buffer.byteLength(text) > MAX_STRING_BYTES) throw invalid(field, `at most ${MAX_STRING_BYTES} bytes`, text);
  if (/\p{Cc}/u.test(text)) throw invalid(field, 'no control characters', text);
  return text;
};

/** A path that must be there; what else it must be is checked by whoever knows the kubelet's directory. */
export const decodePath = (text: string, field: string): string => {
  if (text === '') throw invalid(field, 'a path');
  return text;
};

export const decodeMap = (map: Readonly<Record<string, string>>, field: string): Readonly<Record<string, string>> => {
  const bytes = Object.entries(map).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (bytes > MAX_MAP_BYTES) throw invalid(field, `at most ${MAX_MAP_BYTES} bytes in all`);
  return map;
};

export const decodeRange = (range: CapacityRange__Output | null, field: string): CapacityRange => {
  const requiredBytes = decodeBytes(range?.required_bytes ?? 0, `${field}.required_bytes`);
  const limitBytes = decodeBytes(range?.limit_bytes ?? 0, `${field}.limit_bytes`);
  if (limitBytes > 0 && requiredBytes > limitBytes) {
    throw invalid(field, `required_bytes of at most limit_bytes (${limitBytes})`, String(requiredBytes));
  }
  return { requiredBytes, limitBytes };
};

export const decodePage = (maxEntries: number, token: string): PageRequest => {
  if (maxEntries < 0) throw invalid('max_entries', '0 or more', String(maxEntries));
  return { maxEntries, token };
};

export const decodeCapabilities = (
  capabilities: readonly VolumeCapability__Output[],
  field: string,
  kind: MountOptionKind,
): readonly VolumeCapability[] => {
  if (capabilities.length === 0) throw invalid(field, 'at least one capability');
  return capabilities.map((capability, index) => decodeCapability(capability, `${field}[${index}]`, kind));
};

/** Why no volume could be used in such a way; undefined when it could. Throws for what every capability must have. */
export const findUnsupported = (
  capabilities: readonly VolumeCapability__Output[],
  field: string,
  kind: MountOptionKind,
): string | undefined => {
  if (capabilities.length === 0) throw invalid(field, 'at least one capability');
  for (const [index, { access_type, access_mode, mount }] of capabilities.entries()) {
    const at = `${field}[${index}]`;
    if (access_type === undefined) throw invalid(`${at}.access_type`, 'mount or block');
    decodeMode(access_mode?.mode ?? 'UNKNOWN', `${at}.access_mode`);
    if (!mount) return `${at}.access_type: block volumes are not supported`;
    const problem = problemOf(() => sortMountOptions(mount.mount_flags, kind, `${at}.mount.mount_flags`));
    if (problem !== undefined) return problem;
  }
  return undefined;
};

const problemOf = (check: () => void): string | undefined => {
  try {
    check();
    return undefined;
  } catch (thrown) {
    return DriverError.from(thrown).message;
  }
};

/** A directory is mounted, never given as a block device. `kind` says what mount options any pool of ours allows. */
export const decodeCapability = (
  capability: VolumeCapability__Output | null,
  field: string,
  kind: MountOptionKind,
): VolumeCapability => {
  if (capability === null) throw invalid(field, 'a capability');
  if (!capability.mount)
    throw invalid(`${field}.access_type`, 'mount (volumeMode: Filesystem)', capability.access_type ?? 'none');
  sortMountOptions(capability.mount.mount_flags, kind, `${field}.mount.mount_flags`);
  return {
    mode: decodeMode(capability.access_mode?.mode ?? 'UNKNOWN', `${field}.access_mode`),
    mountOptions: capability.mount.mount_flags,
  };
};

/** A volume written into a pod. It is made for it and empty, so reading alone makes no sense. */
export const decodeInline = (request: NodePublishVolumeRequest__Output, kind: MountOptionKind): InlineVolume => {
  decodeCapability(request.volume_capability, 'volume_capability', kind);
  if (request.readonly) throw invalid('readonly', 'false: an inline volume begins empty');
  return parseInline(decodeMap(request.volume_context, 'volume_context'), 'volume_context');
};

const decodeMode = (mode: string, field: string): AccessMode => {
  const known = ACCESS_MODES.find((one) => one === mode);
  if (known === undefined) throw invalid(field, `one of ${ACCESS_MODES.join(', ')}`, String(mode));
  return known;
};

const decodeBytes = (bytes: number, field: string): number => {
  if (bytes < 0) throw new DriverError('out-of-range', `${field}: expected a positive number of bytes, got ${bytes}`);
  if (!Number.isSafeInteger(bytes)) throw new DriverError('out-of-range', `${field}: expected less than 2^53 bytes`);
  return bytes;
};

const decodeSource = (source: VolumeContentSource__Output | null, field: string): VolumeSource | undefined => {
  if (source === null) return undefined;
  if (source.snapshot)
    return { kind: 'snapshot', id: decodeString(source.snapshot.snapshot_id, `${field}.snapshot.snapshot_id`) };
  if (source.volume) return { kind: 'volume', id: decodeString(source.volume.volume_id, `${field}.volume.volume_id`) };
  throw invalid(field, 'a snapshot or a volume');
};

const decodeAccessibility = (requirement: TopologyRequirement__Output | null): CreateCommand['accessibility'] => {
  const terms = requirement?.requisite.length ? requirement.requisite : (requirement?.preferred ?? []);
  return terms.map(({ segments }) => segments);
};
