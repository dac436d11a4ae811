import { DriverError } from '../domain/errors.ts';
import { CommandError, type Exec } from './exec.ts';
import type { ReadMounts } from './mountinfo.ts';

/** Changes the mount table. Every call is a child with a deadline; what holds afterwards is read from mountinfo. */
export interface Mounter {
  /** Binds `source` at `target` with options of its own (`ro`, `nosuid`, …). `source` is taken as it is, links and all. */
  readonly bind: (source: string, target: string, options: readonly string[]) => Promise<void>;
  /** Takes away everything that is mounted at `target`; nothing there is fine. */
  readonly unmount: (target: string) => Promise<void>;
}

/** From polite to certain. A lazy unmount detaches the path even while processes still use it. */
const LADDER: readonly (readonly string[])[] = [[], ['--force'], ['--lazy']];
/** Mounts that may lie on top of each other at one path before we call it hopeless. */
const MAX_STACKED = 16;

export const createMounter = (exec: Exec, readMounts: ReadMounts): Mounter => ({
  bind: async (source, target, options) => {
    // Not canonicalized: mount(8) would follow /proc/PID/fd/N to a path, and a path can be swapped.
    const args = ['--no-canonicalize', '-o', ['bind', ...options].join(','), '--', source, target];
    await exec({ binary: '/bin/mount', args }).catch((thrown: unknown) => {
      throw failed('mount', target, thrown);
    });
  },
  unmount: async (target) => {
    for (let left = MAX_STACKED; left > 0; left -= 1) {
      if ((await readMounts()).at(target) === undefined) return;
      await unmountTop(exec, readMounts, target);
    }
    throw new DriverError('internal', `${target} has more than ${MAX_STACKED} mounts on top of each other`);
  },
});

const unmountTop = async (exec: Exec, readMounts: ReadMounts, target: string): Promise<void> => {
  let failure: unknown;
  for (const step of LADDER) {
    try {
      await exec({ binary: '/bin/umount', args: ['--no-canonicalize', ...step, '--', target] });
      return;
    } catch (thrown) {
      failure = thrown;
      if ((await readMounts()).at(target) === undefined) return;
    }
  }
  throw failed('umount', target, failure);
};

const failed = (what: string, target: string, thrown: unknown): DriverError => {
  if (thrown instanceof DriverError) return thrown;
  const reason = thrown instanceof CommandError ? thrown.message : 'it could not be started';
  return new DriverError('internal', `${what} at ${target} failed: ${reason}`, { cause: thrown });
};
