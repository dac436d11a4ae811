import { join } from 'node:path';
import type { Space } from '../domain/space.ts';
import { DriverError } from '../errors/errors.ts';
import type { HeldRoot } from '../store/own-folder.ts';
import type { Exec } from '../subprocess/exec.ts';
import { pathOf } from '../system/directory.ts';
import type { ReadMounts } from '../system/mountinfo.ts';
import { spaceOf } from '../system/space.ts';
import type { Step } from '../system/step.ts';
import { btrfs, isSubvolume } from './btrfs.ts';
import { quotasOff, whereOff } from './quotas-off.ts';
import type { SizeEngine } from './sizes.ts';

/** Sizes on btrfs: every subvolume has a quota group of its own, which may have a limit and goes with it. */
export const createQgroups = (
  { path, shownAs }: HeldRoot,
  exec: Exec,
  readMounts: ReadMounts,
  step: Step,
): SizeEngine => ({
  newLimit: () => ({ by: 'qgroup' }),
  enforce: async (directory, _, bytes) => {
    if (!(await isSubvolume(`${pathOf(directory)}/.`))) throw plainDirectory();
    await limitSubvolume(exec, pathOf(directory), bytes);
    step('limit set');
  },
  clear: async (directory) => {
    await btrfs(exec, 'qgroup', 'limit', 'none', pathOf(directory)).catch(whereOff(''));
  },
  // Everything counts by itself, but with the next commit only.
  countExisting: async (directory) => {
    await btrfs(exec, 'filesystem', 'sync', pathOf(directory));
  },
  release: async () => {},
  /** A subvolume that a pod has made in its volume has a group of its own, without a limit. */
  countStrays: async (directory, volume) => {
    const output = await btrfs(exec, 'subvolume', 'list', '-o', pathOf(directory));
    const paths = output.split('\n').flatMap((line) => / path (.*)$/.exec(line)?.[1] ?? []);
    const at = `${volume.directory}/`;
    const [first = ''] = paths;
    return { count: paths.length, example: first.slice(first.lastIndexOf(at) + at.length) };
  },
  usages: async (volumes) => {
    const top = (await readMounts()).identify(shownAs)?.root ?? '/';
    const shown = await showGroups(exec, '-r', path).catch(whereOff([]));
    const groups = new Map(shown.map((group) => [join('/', group.path), group]));
    return volumes.map(({ name, directory }) => {
      const { usedBytes, limitBytes } = groups.get(join(top, directory)) ?? { usedBytes: 0, limitBytes: undefined };
      return { name, usedBytes, limitBytes };
    });
  },
});

/** Limits a subvolume to a number of bytes. Throws where the file system does not say so afterwards. */
export const limitSubvolume = async (exec: Exec, path: string, bytes: number): Promise<void> => {
  await btrfs(exec, 'qgroup', 'limit', String(bytes), path).catch(quotasOff);
  const [group] = await showGroups(exec, '-rf', path);
  if (group?.limitBytes !== bytes)
    throw new DriverError('internal', 'the limit of a subvolume was set and is not there');
};

/**
 * What statfs(2) says of the volume at a path; for a subvolume with a limit, the numbers of its group. Where the group
 * cannot be asked, those of the file system are better than none.
 */
export const spaceOfVolume = async (exec: Exec, path: string): Promise<Space> => {
  const space = await spaceOf(path);
  if (!(await isSubvolume(path))) return space;
  const [group] = await showGroups(exec, '-rf', path).catch(() => []);
  if (group?.limitBytes === undefined) return space;
  const { limitBytes, usedBytes } = group;
  const availableBytes = Math.max(0, Math.min(limitBytes - usedBytes, space.availableBytes));
  return { ...space, totalBytes: limitBytes, usedBytes, availableBytes };
};

export const plainDirectory = (): DriverError =>
  new DriverError(
    'failed-precondition',
    'a plain directory on btrfs cannot be held to a size, nor become a subvolume in place: copy its data to a new volume',
  );

interface Group {
  readonly usedBytes: number;
  /** Undefined: no limit. */
  readonly limitBytes: number | undefined;
  /** From the top of the file system. */
  readonly path: string;
}

/** All groups of subvolumes, or (`-rf`) that of one. As a table: older btrfs-progs break down over JSON. */
const showGroups = async (exec: Exec, flags: '-r' | '-rf', path: string): Promise<readonly Group[]> => {
  const output = await btrfs(exec, 'qgroup', 'show', '--raw', flags, '--', path);
  return output.split('\n').flatMap((line) => {
    const [, used, limit, place = ''] = /^0\/\d+ +(\d+) +\d+ +(\d+|none) *(.*)$/.exec(line) ?? [];
    const limitBytes = limit === 'none' ? undefined : Number(limit);
    return used === undefined ? [] : [{ usedBytes: Number(used), limitBytes, path: place }];
  });
};
