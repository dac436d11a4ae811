/** The bare work that a call cannot do without; see floor.ts. */
export type FloorName = keyof typeof FLOORS;

export const FLOORS = {
  'bare record': 'a file written aside, fsynced, renamed, its folder fsynced',
  'bare mkdir': 'mkdir, the folder above fsynced',
  'bare create': 'record + mkdir + record',
  'bare delete': 'record + rename, both folders fsynced + unlink, its folder fsynced',
  'bare mount': 'child_process.spawn of mount --bind',
  'bare umount': 'child_process.spawn of umount',
} as const;

interface Row {
  readonly name: string;
  /** p50 in milliseconds at one caller on an idle machine. */
  readonly aimMs?: number;
  readonly floor?: FloorName;
}

/** The calls in the order they are shown. A call without a floor of its own has the Probe's: gRPC there and back. */
export const ROWS: readonly Row[] = [
  { name: 'Probe' },
  { name: 'CreateVolume', aimMs: 2, floor: 'bare create' },
  { name: 'CreateVolume again', aimMs: 0.8 },
  { name: 'ControllerExpandVolume', floor: 'bare record' },
  { name: 'ControllerModifyVolume', floor: 'bare record' },
  { name: 'ControllerGetVolume' },
  { name: 'ValidateVolumeCapabilities' },
  { name: 'ListVolumes, 100' },
  { name: 'GetCapacity' },
  { name: 'DeleteVolume', floor: 'bare delete' },
  { name: 'NodeStageVolume' },
  { name: 'NodePublishVolume', floor: 'bare mount' },
  { name: 'stage + publish', aimMs: 6, floor: 'bare mount' },
  { name: 'NodePublishVolume again' },
  { name: 'NodeGetVolumeStats', aimMs: 3 },
  { name: 'NodeUnpublishVolume', floor: 'bare umount' },
  { name: 'NodeUnstageVolume' },
  { name: 'unpublish + unstage', aimMs: 6, floor: 'bare umount' },
];

/** Private memory of an idle driver, in bytes. */
export const IDLE_MEMORY_AIM = 35e6;
