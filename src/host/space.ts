import { statfs } from 'node:fs/promises';
import { DriverError } from '../domain/errors.ts';
import type { Space } from '../domain/space.ts';
import { CommandError, type Exec } from './exec.ts';

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

/**
 * The same for one that can: stat(1) hangs in our place. Throws deadline-exceeded or unavailable where nobody answers,
 * failed-precondition where the server answers that it does not know this mount any more (ESTALE).
 */
export const spaceByChild = async (exec: Exec, path: string): Promise<Space> => {
  const args = ['--file-system', '--format=%S %b %f %a %c %d', '--', path];
  const command = { binary: '/usr/bin/stat', args, deadlineMs: CHILD_DEADLINE_MS } as const;
  const output = await exec(command).catch((thrown: unknown) => {
    throw unreadable(thrown);
  });
  const [bytes = 0, blocks = 0, free = 0, available = 0, inodes = 0, freeInodes = 0] = output.split(' ').map(Number);
  return {
    totalBytes: blocks * bytes,
    availableBytes: available * bytes,
    usedBytes: (blocks - free) * bytes,
    totalInodes: inodes,
    freeInodes,
  };
};

const unreadable = (thrown: unknown): DriverError => {
  if (thrown instanceof DriverError) return thrown;
  const isStale = thrown instanceof CommandError && thrown.stderr.includes('Stale file handle');
  return isStale
    ? new DriverError('failed-precondition', 'the mount is stale: the server has come back as another', {
        cause: thrown,
      })
    : new DriverError('unavailable', 'the volume cannot be read', { cause: thrown });
};
