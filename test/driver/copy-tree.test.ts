import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Command, createExec, type Exec, noObserver } from '../../src/subprocess/exec.ts';
import { openDirectory } from '../../src/system/directory.ts';
import { copyTree } from '../../src/trees/copy-tree.ts';
import { isRoot, makeHome, removeHome } from '../support/driver.ts';
import { canMount, mountImage } from '../support/loop.ts';

const run = promisify(execFile);
const python = (script: string, ...args: readonly string[]) =>
  run('python3', [resolve(import.meta.dirname, '../support', script), ...args]);

/** The ids of the processes of this name below this one. */
const listOwn = (program: 'cp' | 'unshare'): readonly number[] => {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' }).trim().split('\n');
  const processes = rows.map((row) => row.trim().split(/ +/));
  const parents = new Map(processes.map(([pid, parent]) => [pid, parent]));
  const isOwn = (pid: string | undefined): boolean =>
    pid !== undefined && (pid === String(process.pid) || isOwn(parents.get(pid)));
  return processes.flatMap(([pid, , name]) => (name === program && isOwn(pid) ? [Number(pid)] : []));
};

describe.runIf(isRoot)('a copy of a tree', () => {
  let home = '';
  const cleanups: (() => unknown)[] = [];
  beforeEach(async () => {
    home = await makeHome();
  });
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
    await removeHome(home);
  });
  const mount = async (kind: 'ext4' | 'xfs' | 'ramfs', mebibytes = 512): Promise<string> => {
    const at = join(home, kind);
    if (kind !== 'ramfs') cleanups.push(await mountImage(kind, at, mebibytes));
    else {
      await mkdir(at);
      await run('mount', ['-t', 'ramfs', 'none', at]);
      cleanups.push(() => run('umount', [at]));
    }
    return at;
  };
  const folder = async (...path: readonly string[]): Promise<string> => {
    const at = join(home, ...path);
    await mkdir(at, { recursive: true });
    return at;
  };
  const copy = async (source: string, target: string, { patienceMs = 60_000, exec = createExec(noObserver) } = {}) => {
    const handles: FileHandle[] = [await openDirectory(source), await openDirectory(target)];
    const [from, to] = handles;
    if (from === undefined || to === undefined) throw new Error('not open');
    try {
      await copyTree(exec, { source: from, target: to }, new AbortController().signal, patienceMs);
    } finally {
      for (const handle of handles) await handle.close();
    }
  };
  const failureOf = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );

  it('fails when it stands still at a pipe that was put in the place of a file, and names it', async () => {
    const [source, target] = [await folder('source'), await folder('target')];
    await python('pipes.py', 'plant', source, '500');
    const swapper = spawn('python3', [resolve(import.meta.dirname, '../support/pipes.py'), 'swap', source, '500']);
    cleanups.push(async () => {
      swapper.kill('SIGKILL');
      await once(swapper, 'exit');
    });
    let failure: unknown;
    while (failure === undefined || (failure as Error).message.includes('changing too fast')) {
      failure = await failureOf(copy(source, target, { patienceMs: 600 }));
      await run('find', [target, '-mindepth', '1', '-delete']);
    }
    expect(failure).toMatchObject({
      kind: 'deadline-exceeded',
      message: expect.stringMatching(/^the copy made no progress for 0\.6 s, at "(?:pipe-)?\d+"$/),
    });
    expect(listOwn('cp')).toEqual([]);
  });

  it('is complete or fails, whichever of its processes is killed', async () => {
    const source = await folder('source');
    await run('sh', ['-c', 'cd "$1" && seq 20000 | xargs touch', 'sh', source]);
    // On another file system it begins with a trial, whose process is not the last one of its shell.
    const targets = [await folder('target'), await mount('ramfs')];
    for (const target of targets) {
      for (const victim of ['cp', 'unshare'] as const) {
        const failing = failureOf(copy(source, target));
        await expect.poll(() => listOwn('cp'), { timeout: 30_000, interval: 1 }).toHaveLength(1);
        for (const pid of listOwn(victim)) process.kill(pid, 'SIGKILL');
        const killed = expect.stringMatching(/^the copy was killed/);
        expect(await failing).toMatchObject({ kind: 'unavailable', message: killed });
        await expect.poll(() => listOwn('cp')).toEqual([]);
        await run('find', [target, '-mindepth', '1', '-delete']);
      }
    }
  });

  it('fails when it runs out of memory', async () => {
    await mount('ramfs');
    const [source, target] = [await folder('ramfs', 'source'), await folder('ramfs', 'target')];
    const touch = 'cd "$1" && seq -f "$(printf "%0220d" 0)%05g" 40000 | xargs touch';
    await run('sh', ['-c', touch, 'sh', source]);
    const real = createExec(noObserver);
    const exec: Exec = ({ binary, args, ...rest }: Command) =>
      real({ ...rest, binary: '/usr/bin/prlimit', args: [`--as=${16 << 20}`, '--', binary, ...args] });
    expect(await failureOf(copy(source, target, { exec }))).toMatchObject({ kind: 'unavailable' });
  });

  it.each(['ext4', 'xfs'] as const)('takes the longest path there is on %s, and refuses a longer one', async (kind) => {
    if (kind === 'xfs' && !canMount('xfs')) return;
    const at = await mount(kind);
    const [source, target] = [await folder(kind, 'source'), await folder(kind, 'target')];
    // cp calls it /source/./…
    await python('deep.py', source, String(4_095 - '/source/./'.length));
    await writeFile(join(source, 'file'), 'data');
    await copy(source, target);
    const list = async (where: string) => (await run('find', ['.', '-printf', '%p %s\n'], { cwd: where })).stdout;
    expect((await list(target)).split('\n').sort()).toEqual((await list(source)).split('\n').sort());

    const [deep, empty] = [await folder(kind, 'deep'), await folder(kind, 'empty')];
    await python('deep.py', deep, String(40 * 201));
    await writeFile(join(deep, 'file'), 'data');
    const tooLong = {
      kind: 'failed-precondition',
      message: expect.stringMatching(/^a path of more than 4095 bytes .*"ddd/),
    };
    expect(await failureOf(copy(deep, empty))).toMatchObject(tooLong);
    expect(await readdir(empty)).toEqual([]);
    await run('rm', ['-rf', join(at, 'deep')]);
  });

  it('refuses what another file system cannot store before it copies any data', async () => {
    const source = await folder('source');
    await writeFile(join(source, 'big'), Buffer.alloc(1 << 20, 'x'));
    await writeFile(join(source, 'labelled'), 'data');
    await run('python3', ['-c', 'import os; os.setxattr("labelled", "user.key", b"value")'], { cwd: source });
    const target = await mount('ramfs');
    const failure = await failureOf(copy(source, target));
    expect(failure).toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/^cannot be copied: .*'labelled'.*: Operation not supported$/),
    });
    expect(await bytesIn(target)).toBe(0);
    await run('python3', ['-c', 'import os; os.removexattr("labelled", "user.key")'], { cwd: source });
    await run('find', [target, '-mindepth', '1', '-delete']);
    await copy(source, target);
    expect(await bytesIn(target)).toBe((1 << 20) + 4);
  });

  it.runIf(canMount('xfs'))('refuses a file that is too large, or has too many links, for the other one', async () => {
    await mount('xfs');
    await mount('ext4');
    const [source, target] = [await folder('xfs', 'source'), await folder('ext4', 'target')];
    await writeFile(join(source, 'small'), 'data');
    await run('truncate', ['-s', '20T', join(source, 'huge')]);
    expect(await failureOf(copy(source, target))).toMatchObject({
      kind: 'failed-precondition',
      message: `the file is too large for the target's file system: "huge"`,
    });
    expect(await bytesIn(target)).toBe(0);
    const same = await folder('xfs', 'same');
    await copy(source, same);
    expect((await stat(join(same, 'huge'))).size).toBe(20 * 1024 ** 4);
    await run('rm', [join(source, 'huge')]);
    await run('python3', ['-c', 'import os, sys\nfor n in range(65001): os.link("small", str(n))'], { cwd: source });
    expect(await failureOf(copy(source, target))).toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/^cannot be copied: cannot create hard link .*: Too many links$/),
    });
    expect(await bytesIn(target)).toBe(0);
  });
});

const bytesIn = async (at: string): Promise<number> => {
  const { stdout } = await run('find', [at, '-type', 'f', '-printf', '%s\n'], { maxBuffer: 64 << 20 });
  return stdout.split('\n').reduce((sum, size) => sum + Number(size), 0);
};
