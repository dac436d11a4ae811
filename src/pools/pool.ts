import type { Directory } from '../domain/paths.ts';
import type { Existing, Settings } from '../domain/volume.ts';
import type { MountEntry, MountTable } from '../host/mountinfo.ts';
import type { Root } from '../host/root.ts';
import type { Facts } from './facts.ts';

/** A named root that volumes are made in, as the rules see it: the same for every kind. */
export interface Pool {
  readonly name: string;
  /** Bytes that all volumes together may ask for; undefined where nobody has set a limit. */
  readonly budgetBytes: number | undefined;
  readonly defaults: VolumeDefaults;
  readonly root: Root;
  /** Finds out, by trying, what the root's file system can do. */
  readonly findOut: () => Promise<Facts>;
  /** Puts a volume directory at a staging path. */
  readonly attach: (directory: Directory, stagingPath: string) => Promise<void>;
  /** True when this mount shows that volume directory. */
  readonly isShownBy: (entry: MountEntry, directory: Directory, table: MountTable) => boolean;
}

/** What a volume gets where its StorageClass says nothing. */
export interface VolumeDefaults {
  readonly template: string;
  readonly existing: Existing;
  readonly settings: Settings;
}
