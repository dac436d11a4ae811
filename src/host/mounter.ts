import { DriverError } from '../domain/errors.ts';
import { CommandError, type Exec } from './exec.ts';
import type { MountEntry, ReadMounts } from './mountinfo.ts';

/** Changes the mount table. Every call is a child with a deadline; what holds afterwards is read from mountinfo. */
export interface Mounter {
  /** Binds `source` at `target` with options of its own (`ro`, `nosuid`, …). `source` is taken as it is, links and all. */
  readonly bind: (source: string, target: string, options: readonly string[]) => Promise<void>;
  /** Mounts `server:/path` at `target`. Throws unavailable where the server refuses, deadline-exceeded where it is silent. */
  readonly mountNfs: (source: string, target: string, options: readonly string[], deadlineMs: number) => Promise<void>;
  /** Detaches what is at `target` without asking anybody. */
  readonly detach: (target: string) => Promise<void>;
  /** Takes away everything that is mounted at `target`; nothing there is fine. */
  readonly unmount: (target: string) => Promise<void>;
}

/** Without helpers, and by the path as it is: both would ask a server that may be dead. */
const UNASKED = ['--internal-only', '--no-canonicalize'];
/** umount(8) may look at a path on one of these. That spares it the whole mount table, which costs with every mount. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<string> = new Set(['ext4', 'xfs', 'btrfs', 'tmpfs', 'overlay', 'zfs', 'f2fs']);
/** Three steps of the ladder fit into the bound of a call. */
const UMOUNT_DEADLINE_MS = 4_000;
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
  mountNfs: async (source, target, options, deadlineMs) => {
    const mount = ['/bin/mount', '--no-canonicalize', '-t', 'nfs', ...optionArgs(options), '--', source, target];
    // mount.nfs prepares for as many open files as it may have: at a million that is tens of megabytes.
    const args = ['--nofile=1024:1024', '--', ...mount];
    await exec({ binary: '/usr/bin/prlimit', args, deadlineMs }).catch((thrown: unknown) => {
      throw unreachable(source, thrown);
    });
  },
  detach: async (target) => {
    await exec({ binary: '/bin/umount', args: [...UNASKED, '--lazy', '--', target], deadlineMs: UMOUNT_DEADLINE_MS });
  },
  unmount: async (target) => {
    for (let left = MAX_STACKED; left > 0; left -= 1) {
      const top = (await readMounts()).at(target);
      if (top === undefined) return;
      await unmountTop(exec, readMounts, top);
    }
    throw new DriverError('internal', `${target} has more than ${MAX_STACKED} mounts on top of each other`);
  },
});

const unmountTop = async (exec: Exec, readMounts: ReadMounts, { mountPoint: target, fileSystem }: MountEntry) => {
  let failure: unknown;
  for (const step of ladderFor(fileSystem)) {
    try {
      await exec({ binary: '/bin/umount', args: [...step, '--', target], deadlineMs: UMOUNT_DEADLINE_MS });
      return;
    } catch (thrown) {
      failure = thrown;
      if ((await readMounts()).at(target) === undefined) return;
    }
  }
  throw failed('umount', target, failure);
};

/** From polite to certain. A lazy unmount detaches the path even while processes still use it. */
const ladderFor = (fileSystem: string): readonly (readonly string[])[] => [
  LOCAL_FILE_SYSTEMS.has(fileSystem) ? ['--internal-only'] : UNASKED,
  [...UNASKED, '--force'],
  [...UNASKED, '--lazy'],
];

const optionArgs = (options: readonly string[]): readonly string[] =>
  options.length === 0 ? [] : ['-o', options.join(',')];

/** What mount.nfs says tells a server that refuses from a directory that is not there. */
const unreachable = (source: string, thrown: unknown): DriverError => {
  if (thrown instanceof DriverError) return thrown;
  const said = thrown instanceof CommandError ? thrown.stderr : '';
  if (/No such file or directory/.test(said))
    return new DriverError('not-found', `${source} does not exist`, { cause: thrown });
  return new DriverError('unavailable', `${source} cannot be mounted: ${explain(said)}`, { cause: thrown });
};

/** The last words of mount.nfs, which name neither options nor credentials. */
const explain = (said: string): string =>
  /(Connection refused|Connection timed out|access denied|No route to host|Protocol not supported|Permission denied|Stale file handle)/i
    .exec(said)?.[1]
    ?.toLowerCase() ?? 'see the log';

const failed = (what: string, target: string, thrown: unknown): DriverError => {
  if (thrown instanceof DriverError) return thrown;
  const reason = thrown instanceof CommandError ? thrown.message : 'it could not be started';
  return new DriverError('internal', `${what} at ${target} failed: ${reason}`, { cause: thrown });
};
