import { execFile } from 'node:child_process';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countStrays, labelTree } from '../../src/quotas/labels.ts';
import { createExec, noObserver } from '../../src/subprocess/exec.ts';
import { openDirectory, using } from '../../src/system/directory.ts';
import { makeHome, removeHome } from '../support/driver.ts';
import { canMount, mountImage } from '../support/loop.ts';
import { startSwapping } from '../support/swapping.ts';

const run = promisify(execFile);
const PROJECT = 1_193_046_471;

/** XFS has labels without quotas, too, so this needs no special kernel. */
describe.runIf(canMount('xfs'))('labels of a tree', () => {
  let home: string;
  let disk: string;
  let unmount: () => Promise<void>;
  beforeAll(async () => {
    home = await makeHome();
    disk = join(home, 'disk');
    unmount = await mountImage('xfs', disk, 320);
  });
  afterAll(async () => {
    await unmount();
    await removeHome(home);
  });

  const label = async (path: string): Promise<void> =>
    using(await openDirectory(path), (directory) => labelTree(createExec(noObserver), directory, PROJECT));

  /** The projects of all files and directories below a path, and how many have each. */
  const projectsBelow = async (path: string): Promise<Readonly<Record<string, number>>> => {
    const labelled = ['(', '-type', 'f', '-o', '-type', 'd', ')'];
    const { stdout } = await run('find', [
      path,
      '-mindepth',
      '1',
      ...labelled,
      '-exec',
      'lsattr',
      '-p',
      '-d',
      '{}',
      '+',
    ]);
    const counts: Record<string, number> = {};
    for (const [, project = ''] of stdout.matchAll(/^ *(\d+) /gm)) counts[project] = (counts[project] ?? 0) + 1;
    return counts;
  };

  it('are on every file and directory, and on nothing that a link points at', async () => {
    const [tree, outside] = [join(disk, 'tree'), join(disk, 'outside')];
    const deep = join(tree, ...Array.from({ length: 40 }, (_, depth) => `level-${depth}`));
    await mkdir(deep, { recursive: true });
    await mkdir(outside);
    await writeFile(join(outside, 'file'), 'x');
    const names = [
      '-R',
      '--',
      'a b',
      '\u{1f5c3}',
      '.hidden',
      ...Array.from({ length: 600 }, (_, index) => `file-${index}`),
    ];
    for (const name of names) await writeFile(join(deep, name), 'x');
    await link(join(deep, 'file-0'), join(tree, 'hard'));
    await symlink(outside, join(tree, 'to-directory'));
    await symlink(join(outside, 'file'), join(deep, 'to-file'));
    await run('mkfifo', [join(deep, 'fifo')]);
    await label(tree);
    expect(await projectsBelow(tree)).toEqual({ [PROJECT]: 40 + names.length + 1 });
    expect(await projectsBelow(outside)).toEqual({ 0: 1 });
    await writeFile(join(deep, 'later'), 'x');
    expect(await projectsBelow(deep)).toEqual({ [PROJECT]: names.length + 1 });
  });

  it('never go through a link that takes the place of a directory or a file', async () => {
    const [tree, canary] = [join(disk, 'hostile'), join(disk, 'canary')];
    for (const path of [tree, canary]) {
      await mkdir(join(path, 'inner/deep'), { recursive: true });
      for (const name of ['file', 'inner/file', 'inner/deep/file']) await writeFile(join(path, name), 'x');
    }
    await mkdir(join(home, 'nothing'));
    const swaps = ['inner', 'file', 'inner/deep', 'inner/file'].map((name) => ({
      path: join(tree, name),
      decoy: join(canary, name),
    }));
    const swapping = startSwapping({ swaps, trash: join(home, 'nothing'), decoy: canary });
    const end = Date.now() + 6_000;
    let through = 0;
    while (Date.now() < end) {
      await label(tree).then(
        () => {
          through += 1;
        },
        () => {},
      );
    }
    await swapping.stop();
    expect([swapping.count() > 100, through > 0]).toEqual([true, true]);
    expect(await projectsBelow(canary)).toEqual({ 0: 5 });
    await label(tree);
    expect(await projectsBelow(tree)).toEqual({ [PROJECT]: 5 });
  });

  it('that somebody has changed are counted, with the path of one', async () => {
    const tree = join(disk, 'audited');
    await mkdir(join(tree, 'deep/er'), { recursive: true });
    for (const name of ['a', 'b', 'deep/c', 'deep/er/d']) await writeFile(join(tree, name), 'x');
    await symlink('/etc/passwd', join(tree, 'link'));
    await run('mkfifo', [join(tree, 'deep/pipe')]);
    await label(tree);
    const count = async () =>
      using(await openDirectory(tree), (directory) => countStrays(createExec(noObserver), directory, PROJECT));
    expect(await count()).toEqual({ count: 0, example: '' });
    await run('chattr', ['-p', '0', join(tree, 'deep/er/d')]);
    expect(await count()).toEqual({ count: 1, example: 'deep/er/d' });
    await run('chattr', ['-p', '77', join(tree, 'b'), join(tree, 'deep')]);
    expect((await count()).count).toBe(3);
  });
});
