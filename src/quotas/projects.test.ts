import { mkdir, mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOwnFolder } from '../../test/support/own-folder.ts';
import { parseDirectory } from '../domain/paths.ts';
import { type Command, CommandError } from '../subprocess/exec.ts';
import { openDirectory, using } from '../system/directory.ts';
import { noStep } from '../system/step.ts';
import { createProjects } from './projects.ts';

describe('projects', () => {
  let root: string;
  let commands: Command[];
  /** What quota(1) finds of a project: KiB used, KiB allowed, files. */
  let found: Readonly<Record<string, readonly [used: number, limit: number, files: number]>>;
  let failure: CommandError | undefined;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'csi-subdir-projects-'));
    await mkdir(join(root, '.csi-subdir/projects'), { recursive: true });
    await mkdir(join(root, 'pvc-1'));
    commands = [];
    found = {};
    failure = undefined;
  });
  afterEach(() => rm(root, { recursive: true }));

  const volume = (id: number, name = 'pvc-1') =>
    ({ name, uid: '0123456789abcdef', directory: parseDirectory(name), limit: { by: 'project', id } }) as const;
  /** Without what it is run by: see withoutNfsMounts. */
  const toolOf = ({ binary, args }: Command): readonly string[] => {
    const at = args.indexOf('serverless');
    return at < 0 ? [binary, ...args] : args.slice(at + 1);
  };
  const isId = (arg: string) => /^\d+$/.test(arg);
  /** As quota 4.06 does. */
  const print = (id: string) => {
    const [used, limit, files] = found[id] ?? [0, 0, 0];
    const over = limit > 0 && used >= limit ? '*' : ' ';
    return `Disk quotas for project #${id} (pid ${id}): 
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
     /dev/loop1 ${String(used).padStart(7)}${over}${'0'.padStart(7)} ${String(limit).padStart(7)}       0 ${String(files).padStart(7)}       0       0       0
`;
  };
  const create = () =>
    createProjects({
      exec: async (command) => {
        commands.push(command);
        const isQuery = toolOf(command)[0] === '/usr/bin/quota';
        if (isQuery) command.onOutput?.(command.args.filter(isId).map(print).join(''));
        if (isQuery && failure !== undefined) throw failure;
        return '';
      },
      step: noStep,
      claims: openOwnFolder(root, 'projects'),
      mountPoint: async () => '/mnt',
    });
  const claims = () => readdir(join(root, '.csi-subdir/projects'));
  const run = () => commands.map((command) => toolOf(command).join(' '));
  /** A size that the file system of the test shows without any quota: larger than itself. */
  const hold = async (id: number, name?: string) => {
    const { blocks, bsize } = await statfs(root);
    const bytes = blocks * bsize + 1024;
    await using(await openDirectory(join(root, 'pvc-1')), (directory) =>
      create().enforce(directory, volume(id, name), bytes),
    );
    return bytes;
  };

  it('are claimed, labelled and limited, in this order', async () => {
    const bytes = await hold(77);
    expect(await readFile(join(root, '.csi-subdir/projects/77'), 'utf8')).toBe('pvc-1');
    expect(run()).toEqual([
      '/usr/bin/quota -P -v -w -p --filesystem=/mnt -- 77',
      expect.stringMatching(/^\/usr\/bin\/chattr -p 77 \+P -- \/proc\/\d+\/fd\/\d+\/\.$/),
      `/usr/sbin/setquota -P 77 0 ${bytes / 1024} 0 0 /mnt`,
    ]);
  });

  it('are claimed once, however often they are held', async () => {
    await hold(77);
    await hold(77);
    expect(run().filter((line) => line.includes('/usr/bin/quota'))).toHaveLength(1);
  });

  it('are not taken from another volume', async () => {
    await hold(77);
    commands = [];
    await expect(hold(77, 'pvc-2')).rejects.toMatchObject({ kind: 'aborted' });
    expect(commands).toEqual([]);
    expect(await readFile(join(root, '.csi-subdir/projects/77'), 'utf8')).toBe('pvc-1');
  });

  it.each([
    ['used', [8, 0, 3]],
    ['limited', [0, 512, 0]],
    ['of empty files', [0, 0, 1]],
  ] as const)('are not taken from somebody else on the file system: %s', async (_, row) => {
    found = { 77: row };
    await expect(hold(77)).rejects.toMatchObject({ kind: 'aborted' });
    expect(await claims()).toEqual([]);
  });

  it('are given back by their owner only', async () => {
    await hold(77);
    await create().release(volume(77, 'pvc-2'));
    expect(await claims()).toEqual(['77']);
    await create().release(volume(77));
    expect(await claims()).toEqual([]);
    expect(run().at(-1)).toBe('/usr/sbin/setquota -P 77 0 0 0 0 /mnt');
    await create().release(volume(77));
  });

  it('say what is used, in bytes', async () => {
    found = { 77: [8, 1024, 3], 78: [2048, 1024, 3], 79: [4, 0, 1] };
    failure = new CommandError('/usr/bin/quota', { exitCode: 1 }, '');
    expect(await create().usages([volume(77, 'a'), volume(78, 'b'), volume(79, 'c'), volume(80, 'd')])).toEqual([
      { name: 'a', usedBytes: 8192, limitBytes: 1024 ** 2 },
      { name: 'b', usedBytes: 2 * 1024 ** 2, limitBytes: 1024 ** 2 },
      { name: 'c', usedBytes: 4096, limitBytes: undefined },
      { name: 'd', usedBytes: 0, limitBytes: undefined },
    ]);
  });

  it('are read in batches, only those asked for', async () => {
    const many = Array.from({ length: 2500 }, (_, index) => volume(index + 1, `pvc-${index}`));
    found = { 2500: [4, 0, 1] };
    const usages = await create().usages(many);
    expect(usages).toHaveLength(2500);
    expect(usages.at(-1)?.usedBytes).toBe(4096);
    expect(run()).toHaveLength(3);
  });

  it('are not taken for free when quota(1) fails', async () => {
    failure = new CommandError('/usr/bin/quota', { exitCode: 2 }, 'Cannot initialize mountpoint scan.');
    await expect(hold(77)).rejects.toBe(failure);
    expect(await claims()).toEqual([]);
  });
});
