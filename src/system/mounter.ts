import type { ErrorKind } from '../errors/error-kind.ts';
import { DriverError } from '../errors/errors.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';
import type { MountEntry, MountTable, ReadMounts } from './mountinfo.ts';

/** Changes the mount table. Every call is a subprocess with a deadline; what holds afterwards is read from mountinfo. */
export interface Mounter {
  /** Binds `source` at `target` with options of its own (`ro`, `nosuid`, …). `source` is taken as it is, links and all. */
  readonly bind: (source: string, target: string, options: readonly string[]) => Promise<void>;
  /**
   * Mounts `server:/path` at `target`. Throws unavailable where the server says no, unreachable or deadline-exceeded
   * where it says nothing.
   */
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
    const mount = [
      '/bin/mount',
      '--no-canonicalize',
      '-t',
      'nfs',
      ...optionArgs([ONCE, ...options]),
      '--',
      source,
      target,
    ];
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
      const table = await readMounts();
      const top = table.at(target);
      if (top === undefined) return;
      await unmountTop(exec, readMounts, top, ladderFor(top, table));
    }
    throw new DriverError('internal', `${target} has more than ${MAX_STACKED} mounts on top of each other`);
  },
});

const unmountTop = async (
  exec: Exec,
  readMounts: ReadMounts,
  { mountPoint: target }: MountEntry,
  ladder: readonly (readonly string[])[],
): Promise<void> => {
  let failure: unknown;
  for (const step of ladder) {
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

/**
 * From polite to certain. A lazy unmount detaches the path even while processes still use it. Force ends what waits
 * for the server on the whole file system: with EIO, where those who see it elsewhere could have waited. So it is for
 * the last mount alone.
 */
const ladderFor = ({ fileSystem, device }: MountEntry, table: MountTable): readonly (readonly string[])[] => [
  LOCAL_FILE_SYSTEMS.has(fileSystem) ? ['--internal-only'] : UNASKED,
  ...(table.onDevice(device).length > 1 ? [] : [[...UNASKED, '--force']]),
  [...UNASKED, '--lazy'],
];

const optionArgs = (options: readonly string[]): readonly string[] =>
  options.length === 0 ? [] : ['-o', options.join(',')];

/** mount.nfs would go on for two minutes; who calls us comes again. An option of the pool's wins: it comes later. */
const ONCE = 'retry=0';

/** What mount.nfs says tells a server that says no from one that does not answer. */
const unreachable = (source: string, thrown: unknown): DriverError => {
  const mounting = `${source} cannot be mounted`;
  if (thrown instanceof DriverError) {
    if (thrown.kind !== 'deadline-exceeded') return thrown;
    return new DriverError('deadline-exceeded', `${mounting} in time: ${thrown.message}`, { cause: thrown });
  }
  const said = thrown instanceof CommandError ? thrown.stderr : '';
  const [, kind, reason] = NFS_REASONS.find(([pattern]) => pattern.test(said)) ?? [];
  if (kind !== undefined) return new DriverError(kind, `${mounting}: ${reason}`, { cause: thrown });
  return new DriverError('unavailable', `${mounting}: ${DriverError.from(thrown).message}`, { cause: thrown });
};

/**
 * In this order: the first one that is found. mount.nfs names neither options nor credentials. When no name server
 * responds (EAI_AGAIN), it prints the text of EAGAIN.
 */
const NFS_REASONS: readonly (readonly [pattern: RegExp, kind: ErrorKind, reason: string])[] = [
  [
    /Failed to resolve server|Name or service not known|Resource temporarily unavailable/i,
    'unreachable',
    'the name of the server cannot be resolved',
  ],
  [/Connection refused/i, 'unreachable', 'the server refuses connections'],
  [/timed out/i, 'unreachable', 'the server does not answer'],
  [/No route to host|Network is unreachable/i, 'unreachable', 'there is no route to the server'],
  [/Host is down|reset by peer|Network is down/i, 'unreachable', 'the server is down'],
  [/Input\/output error|Remote I\/O error/i, 'unreachable', 'the server reports an input/output error'],
  [/access denied/i, 'unavailable', 'access denied: the server does not export the path to this node'],
  [/No such file or directory/i, 'unavailable', 'no such file or directory: the server does not have the path'],
  [/Stale file handle/i, 'unavailable', 'stale file handle: the server has replaced the directory'],
  [/Permission denied/i, 'unavailable', 'permission denied by the server'],
  [
    /Operation not permitted/i,
    'unavailable',
    'operation not permitted: the server wants another port or security (resvport, sec=)',
  ],
  [
    /version or transport protocol is not supported|Protocol not supported/i,
    'unavailable',
    'protocol not supported: the server does not have this version or transport of NFS',
  ],
  [
    /rpc\.statd is not running|statd/i,
    'failed-precondition',
    'NFSv3 with locks needs rpc.statd on the node: use NFSv4, or the option nolock',
  ],
  [
    /helper program|unknown filesystem type|No such device/i,
    'failed-precondition',
    'the node has no NFS client: its kernel module or mount.nfs is missing',
  ],
  [
    /incorrect mount option|Invalid argument|bad option/i,
    'failed-precondition',
    'the kernel or the server does not support one of the mount options',
  ],
];

const failed = (what: string, target: string, thrown: unknown): DriverError => {
  if (thrown instanceof DriverError) return thrown;
  const { kind, message } = DriverError.from(thrown);
  return new DriverError(kind, `${what} at ${target} failed: ${message}`, { cause: thrown });
};
