import type { Space } from '../domain/space.ts';
import { DriverError } from '../errors/errors.ts';
import type { Root, RootFacts } from '../roots/root.ts';
import type { ReadMounts } from '../system/mountinfo.ts';

/** What a pool's root is and can do: found out at start, never configured. */
export interface Facts extends RootFacts {
  readonly fileSystem: string;
  readonly device: string;
  readonly readOnly: boolean;
  readonly space: Space;
}

/** What the size of a volume means; undefined: it is enforced where the root can. */
export type SizeRule = 'enforce' | 'budget' | 'none' | undefined;

/** Throws failed-precondition where sizes are to be enforced and cannot be. */
export const findOut = async (root: Root, readMounts: ReadMounts, rule: SizeRule): Promise<Facts> => {
  const entry = (await readMounts()).holding(root.path);
  const facts: Facts = {
    fileSystem: entry?.fileSystem ?? 'unknown',
    device: entry?.source ?? 'unknown',
    readOnly: entry !== undefined && [...entry.options, ...entry.superOptions].includes('ro'),
    ...(await root.abilities()),
    space: await root.space(),
  };
  if (rule === 'enforce' && facts.sizes === 'none') {
    throw new DriverError('failed-precondition', `sizes: enforce: ${adviceFor(facts)}`);
  }
  return facts;
};

/** What keeps a root from holding volumes to their sizes, and what to do about it. */
export const adviceFor = ({ fileSystem, device, obstacle }: Facts): string => {
  const remedy = REMEDIES[fileSystem];
  if (remedy === undefined) return `${fileSystem} cannot hold a directory to a size`;
  const reason = obstacle === undefined ? '' : ` (${obstacle})`;
  return `${fileSystem} on ${device} does not hold directories to a size${reason}: ${remedy}`;
};

/**
 * What is said of a root on the node itself that every user can enter: undefined where that is not so. An export has its
 * own rules: the server may take root for nobody (docs/adr/0043-the-root-of-a-pool-is-closed.md).
 */
export const exposureOf = ({ isOpenToOthers }: Facts, reach: 'node' | 'everywhere'): string | undefined =>
  isOpenToOthers && reach === 'node'
    ? 'every user of the node can enter the root, and run as root what a pod has left there with set-uid: chmod 0700'
    : undefined;

const NFS = "only the server's own file system can: run the controller there, with nfs.controller.localPath";

const REMEDIES: Readonly<Record<string, string>> = {
  btrfs: 'install btrfs-progs and run btrfs quota enable on it',
  xfs: 'install quota and mount it with the option prjquota, anew: a remount does not turn it on',
  ext4: 'install quota, run tune2fs -O quota,project -Q prjquota on it while it is not mounted, mount it with prjquota',
  nfs: NFS,
  nfs4: NFS,
};
