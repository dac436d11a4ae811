import { randomInt } from 'node:crypto';
import { type FileHandle, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError } from '../errors/errors.ts';
import type { OwnFolder } from '../store/own-folder.ts';
import { createWhole, readIfThere } from '../store/whole-file.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';
import { withoutNfsMounts } from '../subprocess/without-nfs-mounts.ts';
import { pathOf } from '../system/directory.ts';
import { spaceOf } from '../system/space.ts';
import type { Step } from '../system/step.ts';
import { countStrays, labelDirectory, labelTree } from './labels.ts';
import { quotasOff, whereOff } from './quotas-off.ts';
import type { LimitedVolume, SizeEngine } from './sizes.ts';

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
  const ownerOf = async (id: number): Promise<string | undefined> => readIfThere(await pathOfClaim(id));

  /** Of two that want the same id one gets it, also where others use projects on the file system. */
  const claim = async (id: number, name: string): Promise<void> => {
    const owner = await ownerOf(id);
    if (owner === name) return;
    const isFree = owner === undefined && (await isUnused(exec, await mountPoint(), id));
    if (!isFree || !(await createWhole(claims, String(id), name, step)))
      throw new DriverError('aborted', `project ${id} is somebody else's: the next try takes another`);
  };

  return {
    newLimit: () => ({ by: 'project', id: newProject() }),
    enforce: async (directory, volume, bytes) => {
      const id = projectOf(volume);
      await claim(id, volume.name);
      await labelDirectory(exec, directory, id);
      step('project labelled');
      await setQuota(exec, await mountPoint(), id, bytes);
      await requireShown(directory, bytes, await claims.path());
      step('limit set');
    },
    clear: async (_, volume) => clearQuota(exec, await mountPoint(), projectOf(volume)),
    countExisting: async (directory, volume) => {
      await claim(projectOf(volume), volume.name);
      await labelTree(exec, directory, projectOf(volume));
    },
    release: async (volume) => {
      const id = projectOf(volume);
      if ((await ownerOf(id)) !== volume.name) return;
      await clearQuota(exec, await mountPoint(), id);
      await unlink(await pathOfClaim(id));
      step('project given back');
      await claims.sync();
    },
    countStrays: (directory, volume) => countStrays(exec, directory, projectOf(volume)),
    usages: async (volumes) => {
      const ids = volumes.map(projectOf);
      const quotas = await readQuotas(exec, await mountPoint(), ids).catch(whereOff(new Map<number, Quota>()));
      return volumes.map((volume) => {
        const { usedBytes = 0, limitBytes = 0 } = quotas.get(projectOf(volume)) ?? {};
        return { name: volume.name, usedBytes, limitBytes: limitBytes === 0 ? undefined : limitBytes };
      });
    },
  };
};

/** Random, so that pools on one file system do not get into each other's way; above what people give by hand. */
export const newProject = (): number => randomInt(2 ** 24, 2 ** 31 - 1);

/** Sets the quota of a project, in bytes, rounded up to whole KiB. */
export const setQuota = async (exec: Exec, mountPoint: string, id: number, bytes: number): Promise<void> => {
  const args = ['-P', String(id), '0', String(Math.ceil(bytes / 1024)), '0', '0', mountPoint];
  await exec(withoutNfsMounts({ binary: '/usr/sbin/setquota', args })).catch(quotasOff);
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

const projectOf = ({ name, limit }: Pick<LimitedVolume, 'name' | 'limit'>): number => {
  if (limit.by === 'project') return limit.id;
  throw new Error(`volume ${name} has no project`);
};

interface Quota {
  readonly usedBytes: number;
  /** 0 where there is none. */
  readonly limitBytes: number;
  readonly files: number;
}

const isUnused = async (exec: Exec, mountPoint: string, id: number): Promise<boolean> => {
  const quota = (await readQuotas(exec, mountPoint, [id])).get(id);
  return quota?.usedBytes === 0 && quota.limitBytes === 0 && quota.files === 0;
};

/** Projects per subprocess: what it prints stays far below what is read of it. */
const BATCH = 1000;

/** The quotas of these projects. How many others there are on the file system, which any pod may create, never matters. */
const readQuotas = async (
  exec: Exec,
  mountPoint: string,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Quota>> => {
  const quotas = new Map<number, Quota>();
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH);
    for (const [id, quota] of await readBatch(exec, mountPoint, batch)) quotas.set(id, quota);
  }
  return quotas;
};

/** quota(1) ends with status 1 for an error, and also when a project is over its quota: then it has printed them all. */
const readBatch = async (
  exec: Exec,
  mountPoint: string,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Quota>> => {
  const args = ['-P', '-v', '-w', '-p', `--filesystem=${mountPoint}`, '--', ...ids.map(String)];
  let output = '';
  const onOutput = (text: string): void => {
    output += text;
  };
  const failure = await exec(withoutNfsMounts({ binary: '/usr/bin/quota', args, onOutput })).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const quotas = parseQuotas(output);
  if (ids.every((id) => quotas.has(id)) && (failure === undefined || isOverQuota(failure))) return quotas;
  return quotasOff(failure ?? new DriverError('internal', 'quota(1) did not print all projects that were asked for'));
};

const isOverQuota = (thrown: unknown): boolean => thrown instanceof CommandError && thrown.exitCode === 1;

/** A heading and a line of numbers for each project: KiB used, quota, limit, grace; the same for files. */
const parseQuotas = (output: string): ReadonlyMap<number, Quota> => {
  const pattern = /\(pid (\d+)\): *\n.*\n.* (\d+)\*? +\d+ +(\d+) +\d+ +(\d+)\*? +\d+ +\d+ +\d+ *$/gm;
  const rows = [...output.matchAll(pattern)].map(([, id, used, limit, files]) => {
    const quota = { usedBytes: Number(used) * 1024, limitBytes: Number(limit) * 1024, files: Number(files) };
    return [Number(id), quota] as const;
  });
  return new Map(rows);
};
