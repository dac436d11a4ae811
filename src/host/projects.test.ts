import { mkdir, mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDirectory } from '../domain/paths.ts';
import { openDirectory, using } from './directory.ts';
import type { Command } from './exec.ts';
import { createOwnFolder } from './own-folder.ts';
import { createProjects } from './projects.ts';
import { noStep } from './step.ts';

describe('projects', () => {
  let root: string;
  let commands: Command[];
  let quotas: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'csi-subdir-projects-'));
    await mkdir(join(root, '.csi-subdir/projects'), { recursive: true });
    await mkdir(join(root, 'pvc-1'));
    commands = [];
    quotas = '';
  });
  afterEach(() => rm(root, { recursive: true }));

  const volume = (id: number, name = 'pvc-1') =>
    ({ name, directory: parseDirectory(name), limit: { by: 'project', id } }) as const;
  const create = () =>
    createProjects({
      exec: async (command) => {
        commands.push(command);
        return command.binary === '/usr/sbin/repquota' ? quotas : '';
      },
      step: noStep,
      claims: createOwnFolder(root, 'projects'),
      mountPoint: async () => '/mnt',
    });
  const claims = () => readdir(join(root, '.csi-subdir/projects'));
  const run = () => commands.map(({ binary, args }) => [binary, ...args].join(' '));
  /** A size that the file system of the test shows without any quota: larger than itself. */
  const hold = async (id: number, name?: string) => {
    const { blocks, bsize } = await statfs(root);
    const bytes = blocks * bsize + 1024;
    await using(await openDirectory(join(root, 'pvc-1')), (directory) =>
      create().hold(directory, volume(id, name), bytes),
    );
    return bytes;
  };

  it('are claimed, labelled and limited, in this order', async () => {
    const bytes = await hold(77);
    expect(await readFile(join(root, '.csi-subdir/projects/77'), 'utf8')).toBe('pvc-1');
    expect(run()).toEqual([
      '/usr/sbin/repquota -P -n -p -O csv /mnt',
      expect.stringMatching(/^\/usr\/bin\/chattr -p 77 \+P -- \/proc\/\d+\/fd\/\d+\/\.$/),
      `/usr/sbin/setquota -P 77 0 ${bytes / 1024} 0 0 /mnt`,
    ]);
  });

  it('are claimed once, however often they are held', async () => {
    await hold(77);
    await hold(77);
    expect(run().filter((line) => line.includes('repquota'))).toHaveLength(1);
  });

  it('are not taken from another volume', async () => {
    await hold(77);
    commands = [];
    await expect(hold(77, 'pvc-2')).rejects.toMatchObject({ kind: 'aborted' });
    expect(commands).toEqual([]);
    expect(await readFile(join(root, '.csi-subdir/projects/77'), 'utf8')).toBe('pvc-1');
  });

  it.each([
    ['#77,ok,ok,8,0,0,0,3,0,0,0', 'used'],
    ['#77,ok,ok,0,0,512,0,0,0,0,0', 'limited'],
  ])('are not taken from somebody else on the file system: %s', async (line) => {
    quotas = `Project,BlockStatus,FileStatus,BlockUsed,\n#0,ok,ok,16,0,0,0,3,0,0,0\n${line}\n`;
    await expect(hold(77)).rejects.toMatchObject({ kind: 'aborted' });
    expect(await claims()).toEqual([]);
  });

  it('are given back by their owner only', async () => {
    await hold(77);
    await create().giveBack(volume(77, 'pvc-2'));
    expect(await claims()).toEqual(['77']);
    await create().giveBack(volume(77));
    expect(await claims()).toEqual([]);
    expect(run().at(-1)).toBe('/usr/sbin/setquota -P 77 0 0 0 0 /mnt');
    await create().giveBack(volume(77));
  });

  it('say what is used, in bytes', async () => {
    quotas = '#77,ok,ok,8,0,1024,0,3,0,0,0\n#78,+-,ok,2048,0,1024,0,3,0,0,0\n#79,--,--,4,0,0,0,1,0,0,0\n';
    expect(await create().usages([volume(77, 'a'), volume(78, 'b'), volume(79, 'c'), volume(80, 'd')])).toEqual([
      { name: 'a', usedBytes: 8192, limitBytes: 1024 ** 2 },
      { name: 'b', usedBytes: 2 * 1024 ** 2, limitBytes: 1024 ** 2 },
      { name: 'c', usedBytes: 4096, limitBytes: undefined },
      { name: 'd', usedBytes: 0, limitBytes: undefined },
    ]);
  });
});
