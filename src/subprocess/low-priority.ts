import type { Command } from './exec.ts';

/**
 * A long subprocess that makes way for others: low priority for the processor and the disk. It ends with the process that
 * has started it, even when that one is killed; each of these programs becomes the next, so it is one process.
 */
export const withLowPriority = ({ binary, args, ...rest }: Command): Command => ({
  ...rest,
  binary: '/usr/bin/setpriv',
  args: ['--pdeathsig', 'KILL', '--', '/usr/bin/nice', '-n', '10', '/usr/bin/ionice', ...IO, '--', binary, ...args],
});

/** Best effort, the lowest level; where it may not be set it is left. */
const IO = ['--ignore', '--class', '2', '--classdata', '7'];
