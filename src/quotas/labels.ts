import { type FileHandle, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError, ignoreMissing, quote } from '../errors/errors.ts';
import { type Command, CommandError, type Exec } from '../subprocess/exec.ts';
import { withLowPriority } from '../subprocess/low-priority.ts';
import { withoutSymlinks } from '../subprocess/without-symlinks.ts';
import { kindOf, openDirectory, pathOf, using } from '../system/directory.ts';
import type { Strays } from './sizes.ts';

/** Puts an open directory into a project, with all that will be made in it. */
export const labelDirectory = async (exec: Exec, directory: FileHandle, project: number): Promise<void> => {
  // chattr(1) takes no link; with a dot behind it the path is that of the directory itself.
  await exec(chattr(project, '+P', '--', `${pathOf(directory)}/.`));
};

/**
 * Puts a directory and everything in it into a project, while it is in use: each directory first, so that what is made
 * in it meanwhile belongs to the project by itself. No link is followed, no other file system entered. What is neither
 * file nor directory takes no room, and stays as it is.
 */
export const labelTree = async (exec: Exec, directory: FileHandle, project: number): Promise<void> => {
  await labelDirectory(exec, directory, project);
  const entries = await readdir(pathOf(directory), { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  for (let start = 0; start < files.length; start += BATCH)
    await labelFiles(exec, directory, project, files.slice(start, start + BATCH));
  const { dev } = await directory.stat();
  for (const entry of entries.filter((each) => each.isDirectory())) {
    const inner = await openDirectory(join(pathOf(directory), entry.name)).catch(ignoreMissing);
    if (inner === undefined) continue;
    await using(inner, async () => {
      if ((await inner.stat()).dev === dev) await labelTree(exec, inner, project);
    });
  }
};

/** Files given to one subprocess. */
const BATCH = 256;

const labelFiles = async (
  exec: Exec,
  directory: FileHandle,
  project: number,
  names: readonly string[],
): Promise<void> => {
  try {
    await exec(withoutSymlinks(pathOf(directory), chattr(project, '--', ...names)));
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    const [name = '', ...others] = names;
    if (others.length === 0) return unlessFileGone(directory, name, thrown);
    // One of them has gone, or cannot be labelled: which, is found out one by one.
    for (const each of names) await labelFiles(exec, directory, project, [each]);
  }
};

const unlessFileGone = async (directory: FileHandle, name: string, failure: CommandError): Promise<void> => {
  if ((await kindOf(join(pathOf(directory), name))) === 'missing') return;
  throw new DriverError('internal', `${quote(name)} gets no project: ${failure.stderr}`, { cause: failure });
};

/**
 * Counts what is in another project than its directory should be. Whoever owns the files may change them at the same time:
 * nothing is concluded from it but a report.
 */
export const countStrays = async (exec: Exec, directory: FileHandle, project: number): Promise<Strays> => {
  const enough = new AbortController();
  const signal = AbortSignal.any([enough.signal, AbortSignal.timeout(AUDIT_MS)]);
  let [count, seen, example, rest] = [0, 0, '', ''];
  const onOutput = (text: string): void => {
    const lines = `${rest}${text}`.split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    seen += lines.length;
    for (const path of lines.flatMap((line) => strayIn(line, project))) {
      count += 1;
      example ||= path;
    }
    if (seen > MAX_AUDITED) enough.abort();
  };
  const list: Command = { binary: '/usr/bin/lsattr', args: ['-R', '-a', '-p', '.'], signal, onOutput };
  await exec(withLowPriority(withoutSymlinks(pathOf(directory), list))).catch((thrown: unknown) => {
    // It complains about what has gone in the meantime, and about what has no project: links, pipes, sockets.
    if (!(thrown instanceof CommandError) && !signal.aborted) throw thrown;
  });
  return { count, example };
};

/** A line of lsattr: the project, the flags, the path. Each directory lists itself and its parent, too. */
const strayIn = (line: string, project: number): readonly string[] => {
  const [, id, path = ''] = /^ *(\d+) \S+ \.\/(.*)$/.exec(line) ?? [];
  return id === undefined || Number(id) === project || /(?:^|\/)\.\.?$/.test(path) ? [] : [path];
};

const MAX_AUDITED = 1_000_000;
const MAX_LINE = 8_192;
/** Within the deadline of a worker. */
const AUDIT_MS = 8_000;

const chattr = (project: number, ...args: readonly string[]): Command => ({
  binary: '/usr/bin/chattr',
  args: ['-p', String(project), ...args],
});
