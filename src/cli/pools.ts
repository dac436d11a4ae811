import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { DriverError } from '../errors/errors.ts';
import { readRecords } from '../index/enter.ts';
import { describeClosed, type PoolIndex } from '../index/pool-index.ts';
import { assemble } from '../server/assemble.ts';
import type { Unreadable } from '../store/records.ts';
import { CommandError, noObserver } from '../subprocess/exec.ts';
import { createLog } from '../system/log.ts';
import { noStep } from '../system/step.ts';
import type { Context } from '../volumes/context.ts';

/**
 * Works with the pools of a configuration for one command, and lets go of them. Exports are mounted in a folder of the
 * command's own: a driver that runs beside it keeps its mounts.
 */
export const withPools = async <Value>(
  { options, pools }: Config,
  work: (context: Context) => Promise<Value>,
  step = noStep,
): Promise<Value> => {
  const mountDir = join(options.mountDir, `command-${process.pid}`);
  const context = assemble({ options: { ...options, mountDir }, pools }, createLog('silent'), noObserver, step);
  try {
    return await work(context);
  } finally {
    await Promise.all([...context.indexes.values()].map(({ pool }) => pool.close()));
    await rmdir(mountDir).catch(() => {
      // Never made, or not empty because a server holds on to its mount.
    });
  }
};

/** Opens a pool for a command. Returns the records that cannot be read; undefined for a pool that is not open. */
export const openPool = async (index: PoolIndex, mayCreate = false): Promise<readonly Unreadable[] | undefined> => {
  try {
    await index.pool.open({ mayCreate, remembers: false });
    return await readRecords(index);
  } catch (thrown) {
    index.openness.closed(explain(DriverError.from(thrown)));
    process.stderr.write(`csi-subdir: ${describeClosed(index)}\n`);
    return undefined;
  }
};

/** A command has no log: what a subprocess has printed is part of the message. */
export const explain = ({ message, kind, cause }: DriverError): string => {
  if (cause instanceof CommandError) return `${message}: ${cause.stderr.trim()}`;
  return kind === 'internal' && cause instanceof Error ? `${message}: ${cause.message}` : message;
};
