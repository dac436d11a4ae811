import { DriverError } from '../domain/errors.ts';
import type { Space } from '../domain/space.ts';
import type { Exec } from './exec.ts';

const DEADLINE_MS = 4_000;

/** Bytes and inodes of the file system at a path that may hang: stat(1) hangs in our place. */
export const measureByChild = async (exec: Exec, path: string): Promise<Space> => {
  const format = '--format=%S %b %f %a %c %d';
  const output = await exec({
    binary: '/usr/bin/stat',
    args: ['--file-system', format, '--', path],
    deadlineMs: DEADLINE_MS,
  }).catch((thrown: unknown) => {
    if (thrown instanceof DriverError) throw thrown;
    throw new DriverError('unavailable', 'the volume cannot be read', { cause: thrown });
  });
  const [blockBytes = 0, blocks = 0, free = 0, available = 0, inodes = 0, freeInodes = 0] = output
    .split(' ')
    .map(Number);
  return {
    totalBytes: blocks * blockBytes,
    availableBytes: available * blockBytes,
    usedBytes: (blocks - free) * blockBytes,
    totalInodes: inodes,
    freeInodes,
  };
};
