import type { Exec } from '../subprocess/exec.ts';

/** The inode number of what is at a path that may hang: stat(1) hangs in our place. */
export const inodeByChild = async (exec: Exec, path: string): Promise<string> =>
  (await exec({ binary: '/usr/bin/stat', args: ['--format=%i', '--', path], deadlineMs: DEADLINE_MS })).trim();

const DEADLINE_MS = 4_000;
