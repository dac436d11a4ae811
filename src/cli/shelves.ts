import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assemble } from '../assemble.ts';
import type { Config } from '../config/config.ts';
import { noObserver } from '../host/exec.ts';
import { noStep } from '../host/step.ts';
import { createLog } from '../log.ts';
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
    await Promise.all([...context.shelves.values()].map(({ pool }) => pool.close()));
    await rmdir(mountDir).catch(() => {
      // Never made, or not empty because a server holds on to its mount.
    });
  }
};
