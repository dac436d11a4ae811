import type { Directory } from './paths.ts';
import type { Version } from './version.ts';

/** Raised when the layout on disk changes; a root with a higher number is refused. */
export const LAYOUT = 2;

export type OnDelete = 'delete' | 'retain' | 'archive';
export const COMPRESSIONS = ['zstd', 'lzo', 'zlib', 'none'] as const;
export type Compression = (typeof COMPRESSIONS)[number];
export type Existing = 'fail' | 'adopt';

/** Who owns the volume directory and with which permission bits; an owner that is left out is whoever makes it. */
export interface Ownership {
  readonly mode: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** What ControllerModifyVolume may change. */
export interface Settings extends Ownership {
  readonly onDelete: OnDelete;
  /** On btrfs, of what is written from now on; left out: as the file system is mounted. */
  readonly compression?: Compression;
}

/** The PersistentVolumeClaim a volume was made for, where the provisioner tells (--extra-create-metadata). */
export interface Claim {
  readonly namespace: string;
  readonly name: string;
}

/** What a volume was made from, by the id that the caller gave. */
export interface VolumeSource {
  readonly kind: 'snapshot' | 'volume';
  readonly id: string;
}

/** What holds a volume directory to its size. */
export type Limit =
  /** The quota group of its btrfs subvolume. */
  | { readonly by: 'qgroup' }
  /** A project of its own on XFS or ext4; `partial` while data that was there before is not counted yet. */
  | { readonly by: 'project'; readonly id: number; readonly partial?: true };

/** A directory together with the record that it belongs to. */
export type VolumeRef = Pick<VolumeRecord, 'name' | 'uid' | 'directory'>;

export type VolumeState = 'creating' | 'ready' | 'deleting';

/** A volume, as its record in `<root>/.csi-subdir/volumes/<name>.json` describes it. */
export interface VolumeRecord extends Version {
  readonly name: string;
  /** The name as the caller gave it; `name` may be its hash. */
  readonly requestedName: string;
  readonly directory: Directory;
  readonly capacityBytes: number;
  /** While an expansion waits for room in the budget of the pool: the size that it reserves. */
  readonly reservedBytes?: number;
  readonly state: VolumeState;
  /** While `deleting`: the volume never became ready, so nothing of it is retained or archived. */
  readonly rollback?: true;
  /** Identifies the directory: the inode numbers of the driver's own folder and of the directory (`2-1048`). */
  readonly inode?: string;
  /** While data is copied from the source: the process that copies. */
  readonly owner?: string;
  /** As asked for at creation: the same name with others is another volume. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly settings: Settings;
  /** True when the directory was there before the volume: nothing but DeleteVolume may ever remove it. */
  readonly adopted: boolean;
  /** Left out: nothing holds it. */
  readonly limit?: Limit;
  readonly claim?: Claim;
  readonly source?: VolumeSource;
  /**
   * While `creating` from a source: the name of the whole copy. As long as `.csi-subdir/copies/<copy>` is there, it has
   * not been put in the place of the volume directory; when it has gone, that directory is ours.
   */
  readonly copy?: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}
