import type { Directory } from '../domain/paths.ts';
import type { Space } from '../domain/space.ts';
import type { Existing, Settings } from '../domain/volume.ts';
import type { MountOptionKind } from '../requests/mount-options.ts';
import type { Root } from '../roots/root.ts';
import { hasBecomeReadOnly, type MountEntry, type MountTable, type ReadMounts } from '../system/mountinfo.ts';
import type { Facts, SizeRule } from './facts.ts';
import type { Entry, OpenRoot } from './identity.ts';

/** A named root that volumes are made in, as the rules see it: the same for every kind. */
export interface Pool {
  readonly name: string;
  /** Where its volumes can be reached from: this node, or every node. Then other controllers may write too. */
  readonly reach: 'node' | 'everywhere';
  /** Bytes that all volumes together may ask for; undefined where nobody has set a limit. */
  readonly budgetBytes: number | undefined;
  /** Of these, bytes that inline volumes may ask for; undefined where there are none. */
  readonly inlineBudgetBytes: number | undefined;
  readonly sizes: SizeRule;
  readonly defaults: VolumeDefaults;
  readonly mountOptionKind: MountOptionKind;
  readonly root: Root;
  /** Opens the root. To be called before anything else is done with it. */
  readonly open: (entry: Entry) => ReturnType<OpenRoot>;
  /** Finds out, by trying, what the root's file system can do. Throws where that is less than it must. */
  readonly findOut: () => Promise<Facts>;
  /** How a volume is mounted; undefined where nodes have mounted what it lies on: it is bound from there, not staged. */
  readonly mounting: Mounting | undefined;
  /** True when this mount shows that volume directory. */
  readonly isShownBy: (entry: MountEntry, directory: Directory, table: MountTable) => boolean;
  /** Bytes and inodes of the volume mounted at a path. Throws unavailable where the storage does not answer. */
  readonly measure: (path: string) => Promise<Space>;
  /** True when a mount is of this pool's storage. */
  readonly owns: (entry: MountEntry, table: MountTable) => boolean;
  /** True where the kernel has made the file system of the root read-only, after errors. */
  readonly hasBecomeReadOnly: () => Promise<boolean>;
  /** Why the storage is taken as dead; undefined while it answers. */
  readonly problem: () => string | undefined;
  /** Lets go of what this process holds: its worker, its mount. */
  readonly close: () => Promise<void>;
}

export interface Mounting {
  /** Mounts a volume directory at a path, with options of the file system. */
  readonly attach: (directory: Directory, path: string, options: readonly string[]) => Promise<void>;
  /** The same where a mount is that the server does not know any more. Leaves it when there is nothing to replace it. */
  readonly reattach: Mounting['attach'];
}

/** What a volume gets where its StorageClass says nothing. */
export interface VolumeDefaults {
  readonly template: string;
  readonly existing: Existing;
  readonly settings: Settings;
}

/** What every kind of pool is configured with. */
export interface PoolSettings {
  readonly name: string;
  readonly openRoot: OpenRoot;
  /** Called when the root is closed because it has changed. */
  readonly whenChanged: (reason: string) => void;
  /** A node of the shared driver opens a root when it needs it. */
  readonly opensOnDemand: boolean;
  readonly budgetBytes: number | undefined;
  /** Of these, bytes that inline volumes may ask for; undefined where there are none. */
  readonly inlineBudgetBytes: number | undefined;
  readonly sizes: SizeRule;
  readonly defaults: VolumeDefaults;
}

/** What every kind of pool has. */
export const describePool = (settings: PoolSettings, root: Root, readMounts: ReadMounts) => {
  const { name, budgetBytes, inlineBudgetBytes, sizes, defaults, openRoot } = settings;
  return {
    ...{ name, budgetBytes, inlineBudgetBytes, sizes, defaults, root },
    open: (entry) => openRoot(root, entry),
    hasBecomeReadOnly: async () => {
      const entry = (await readMounts()).holding(root.path);
      return entry !== undefined && hasBecomeReadOnly(entry);
    },
  } satisfies Partial<Pool>;
};
