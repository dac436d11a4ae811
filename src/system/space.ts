import { statfs } from 'node:fs/promises';
import type { Space } from '../domain/space.ts';
import type { ErrorKind } from '../errors/error-kind.ts';
import { DriverError } from '../errors/errors.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';

/** What statfs(2) says of the file system at `path`, which must not be one that can hang. */
export const spaceOf = async (path: string): Promise<Space> => {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    totalBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    totalInodes: files,
    freeInodes: ffree,
  };
};

const CHILD_DEADLINE_MS = 4_000;

/** The same for one that can: stat(1) hangs in our place. Throws unavailable, unreachable or deadline-exceeded. */
export const spaceByChild = async (exec: Exec, path: string): Promise<Space> => {
  const args = ['--file-system', '--format=%S %b %f %a %c %d', '--', path];
  const output = await exec({ binary: '/usr/bin/stat', args, deadlineMs: CHILD_DEADLINE_MS }).catch(
    (thrown: unknown) => {
      if (thrown instanceof DriverError) throw thrown;
      throw unreadable(thrown);
    },
  );
  const [bytes = 0, blocks = 0, free = 0, available = 0, inodes = 0, freeInodes = 0] = output.split(' ').map(Number);
  return {
    totalBytes: blocks * bytes,
    availableBytes: available * bytes,
    usedBytes: (blocks - free) * bytes,
    totalInodes: inodes,
    freeInodes,
  };
};

/** What stat says tells a server that does not answer from one that does not know the volume (any more). */
const unreadable = (thrown: unknown): DriverError => {
  const said = thrown instanceof CommandError ? thrown.stderr : '';
  const [, kind, message, cause] = ANSWERS.find(([pattern]) => pattern.test(said)) ?? UNKNOWN;
  return new DriverError(kind, message, { cause: cause ?? thrown });
};

type Reading = readonly [pattern: RegExp, kind: ErrorKind, message: string, cause?: string];

const UNKNOWN: Reading = [/$/, 'unavailable', 'the volume cannot be read'];
const ANSWERS: readonly Reading[] = [
  [/Stale file handle/, 'unavailable', 'the server does not know the mounted volume any more', 'ESTALE'],
  [/Input\/output error|timed out|refused|No route|unreachable/, 'unreachable', 'the server does not answer'],
];
