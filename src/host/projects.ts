import { randomInt } from 'node:crypto';
import { type FileHandle, readFile, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { pathOf } from './directory.ts';
import type { Exec } from './exec.ts';
import { labelDirectory, labelTree } from './labels.ts';
import type { OwnFolder } from './own-folder.ts';
import { quotasOff, whereOff } from './quotas-off.ts';
import type { HeldVolume, SizeEngine, Usage } from './sizes.ts';
import { spaceOf } from './space.ts';
import type { Step } from './step.ts';
import { createWhole } from './whole-file.ts';

export interface ProjectTools {
  readonly exec: Exec;
  readonly step: Step;
  /** A file for every project id of ours, named by it; in it the volume's name. */
  readonly claims: OwnFolder;
  /** Where the file system is mounted. */
  readonly mountPoint: () => Promise<string>;
}

/** Sizes on XFS and ext4: all that is made in a directory belongs to its project, and a project has a quota. */
export const createProjects = ({ exec, step, claims, mountPoint }: ProjectTools): SizeEngine => {
  const pathOfClaim = async (id: number): Promise<string> => join(await claims.path(), String(id));
  const ownerOf = async (id: number): Promise<string | undefined> =>
    readFile(await pathOfClaim(id), 'utf8').catch((thrown: unknown) => {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown;
      return undefined;
    });

  /** Of two that want the same id one gets it, also where others use projects on the file system. */
  const claim = async (id: number, name: string): Promise<void> => {
    const owner = await ownerOf(id);
    if (owner === name) return;
    const isFree = owner === undefined && !(await readQuotas(exec, await mountPoint())).has(id);
    if (!isFree || !(await createWhole(claims, String(id), name, step)))
      throw new DriverError('aborted', `project ${id} is somebody else's: the next try takes another`);
  };

  return {
    hold: async (directory, volume, bytes) => {
      const id = projectOf(volume);
      await claim(id, volume.name);
      await labelDirectory(exec, directory, id);
      step('project labelled');
      await setQuota(exec, await mountPoint(), id, bytes);
      await requireShown(directory, bytes, await claims.path());
      step('limit set');
    },
    lift: async (_, volume) => clearQuota(exec, await mountPoint(), projectOf(volume)),
    include: async (directory, volume) => {
      await claim(projectOf(volume), volume.name);
      await labelTree(exec, directory, projectOf(volume));
    },
    giveBack: async (volume) => {
      const id = projectOf(volume);
      if ((await ownerOf(id)) !== volume.name) return;
      await clearQuota(exec, await mountPoint(), id);
      await unlink(await pathOfClaim(id));
      step('project given back');
      await claims.sync();
    },
    usages: async (volumes) => {
      const quotas = await readQuotas(exec, await mountPoint()).catch(whereOff(new Map<number, Quota>()));
      return volumes.map((volume) => {
        const quota = quotas.get(projectOf(volume)) ?? { usedBytes: 0, limitBytes: undefined };
        return { name: volume.name, ...quota };
      });
    },
  };
};

/** Random, so that pools on one file system do not get into each other's way; above what people give by hand. */
export const newProject = (): number => randomInt(2 ** 24, 2 ** 31 - 1);

/** Sets the quota of a project, in bytes, rounded up to whole KiB. */
export const setQuota = async (exec: Exec, mountPoint: string, id: number, bytes: number): Promise<void> => {
  const args = ['-P', String(id), '0', String(Math.ceil(bytes / 1024)), '0', '0', mountPoint];
  await exec({ binary: '/usr/sbin/setquota', args }).catch(quotasOff);
};

export const clearQuota = (exec: Exec, mountPoint: string, id: number): Promise<void> =>
  setQuota(exec, mountPoint, id, 0).catch(whereOff(undefined));

/**
 * Reads back what was set, as df will show it: that takes label and quota alike. A quota larger than the file system
 * does not show.
 */
export const requireShown = async (directory: FileHandle, bytes: number, outside: string): Promise<void> => {
  const { blocks, bsize } = await statfs(pathOf(directory));
  const expected = Math.min(bytes, (await spaceOf(outside)).totalBytes);
  if (Math.abs(blocks * bsize - expected) < 2 * bsize) return;
  throw new DriverError('internal', `a quota of ${bytes} bytes was set, the file system shows ${blocks * bsize}`);
};

const projectOf = ({ name, limit }: Pick<HeldVolume, 'name' | 'limit'>): number => {
  if (limit.by === 'project') return limit.id;
  throw new Error(`volume ${name} has no project`);
};

type Quota = Pick<Usage, 'usedBytes' | 'limitBytes'>;

/** The quotas of all projects that use or may use anything. */
const readQuotas = async (exec: Exec, mountPoint: string): Promise<ReadonlyMap<number, Quota>> => {
  const args = ['-P', '-n', '-p', '-O', 'csv', mountPoint];
  const output = await exec({ binary: '/usr/sbin/repquota', args }).catch(quotasOff);
  const rows = output.split('\n').flatMap((line) => {
    const [, id, used, limit] = /^#(\d+),[^,]*,[^,]*,(\d+),\d+,(\d+),/.exec(line) ?? [];
    if (id === undefined || (used === '0' && limit === '0')) return [];
    const limitBytes = limit === '0' ? undefined : Number(limit) * 1024;
    return [[Number(id), { usedBytes: Number(used) * 1024, limitBytes }] as const];
  });
  return new Map(rows);
};
