import type { Mounter } from '../system/mounter.ts';
import type { MountEntry } from '../system/mountinfo.ts';
import type { Context } from '../volumes/context.ts';

/** What the node's operations work with besides. */
export interface NodeContext extends Context {
  readonly mounter: Mounter;
}

/** True when the directory of this mount has been deleted or put in the trash under it. */
export const isGone = ({ root }: MountEntry): boolean =>
  root.endsWith('//deleted') || root.includes('/.csi-subdir/trash/');
