import type { Space } from '../domain/space.ts';
import type { Abilities } from '../host/abilities.ts';
import type { MountEntry, ReadMounts } from '../host/mountinfo.ts';
import type { Root } from '../host/root.ts';

/** What can hold a volume to its size. */
export type Quota = 'btrfs-qgroup' | 'project-quota' | 'none';

/** What a pool's root is and can do: found out at start, never configured. */
export interface Facts extends Abilities {
  readonly fileSystem: string;
  readonly device: string;
  readonly readOnly: boolean;
  readonly quota: Quota;
  readonly space: Space;
}

export const findOut = async (root: Root, readMounts: ReadMounts): Promise<Facts> => {
  const entry = (await readMounts()).holding(root.path);
  return {
    fileSystem: entry?.fileSystem ?? 'unknown',
    device: entry?.source ?? 'unknown',
    readOnly: entry !== undefined && [...entry.options, ...entry.superOptions].includes('ro'),
    ...(await root.abilities()),
    quota: entry === undefined ? 'none' : quotaOf(entry),
    space: await root.space(),
  };
};

const quotaOf = ({ fileSystem, superOptions }: MountEntry): Quota => {
  if (fileSystem === 'btrfs') return 'btrfs-qgroup';
  const hasProjects = superOptions.includes('prjquota') || superOptions.includes('pquota');
  return hasProjects && (fileSystem === 'xfs' || fileSystem === 'ext4') ? 'project-quota' : 'none';
};
