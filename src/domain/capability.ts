import { invalid } from './errors.ts';

/** The access modes of the CSI spec, by their own names. */
export type AccessMode =
  | 'SINGLE_NODE_WRITER'
  | 'SINGLE_NODE_READER_ONLY'
  | 'SINGLE_NODE_SINGLE_WRITER'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_SINGLE_WRITER'
  | 'MULTI_NODE_MULTI_WRITER';

/** How a volume is to be used: always as a mounted directory, never as a block device. */
export interface VolumeCapability {
  readonly mode: AccessMode;
  readonly flags: readonly MountFlag[];
}

/** What a bind mount can have of its own; everything else belongs to the file system below it. */
export const MOUNT_FLAGS = [
  'ro',
  'rw',
  'nosuid',
  'suid',
  'nodev',
  'dev',
  'noexec',
  'exec',
  'noatime',
  'nodiratime',
  'relatime',
] as const;

export type MountFlag = (typeof MOUNT_FLAGS)[number];

/**
 * Mount options of a StorageClass or PV, each checked against the list. A refused option is named by its key alone:
 * its value may be a credential.
 */
export const parseMountFlags = (flags: readonly string[], field: string): readonly MountFlag[] =>
  flags
    .flatMap((flag) => flag.split(','))
    .map((flag) => {
      if (isMountFlag(flag)) return flag;
      throw invalid(field, `mount options out of ${MOUNT_FLAGS.join(', ')}`, flag.split('=')[0] ?? '');
    });

export const isReaderOnly = (mode: AccessMode): boolean =>
  mode === 'SINGLE_NODE_READER_ONLY' || mode === 'MULTI_NODE_READER_ONLY';

const isMountFlag = (flag: string): flag is MountFlag => (MOUNT_FLAGS as readonly string[]).includes(flag);
