import { join } from 'node:path';
import type { ReadMounts } from '../host/mountinfo.ts';
import { sameDirectory } from '../host/mountinfo.ts';
import type { Root } from '../host/root.ts';
import { findOut } from './facts.ts';
import type { Pool, VolumeDefaults } from './pool.ts';

export interface HostPathPool {
  readonly name: string;
  readonly budgetBytes: number | undefined;
  readonly defaults: VolumeDefaults;
}

/** A pool on a path of this node: its file work runs in this process, a volume is attached by a bind mount. */
export const createHostPathPool = (settings: HostPathPool, root: Root, readMounts: ReadMounts): Pool => ({
  ...settings,
  root,
  findOut: () => findOut(root, readMounts),
  attach: (directory, stagingPath) => root.bind(directory, stagingPath),
  isShownBy: (entry, directory, table) => {
    const expected = table.identify(join(root.path, directory));
    return expected !== undefined && sameDirectory(entry, expected);
  },
});
