import { DriverError, quote } from '../errors/errors.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';
import { withLowPriority } from '../subprocess/low-priority.ts';
import { readMessages } from './copy-messages.ts';
import { watchProgress } from './progress.ts';
import { inSandbox, type SandboxView } from './sandbox.ts';

/**
 * Copies everything in one open directory into another, in place of what is in that, and gives it the owner, the mode
 * and the times of the first: with links, hard links, holes, special files and extended attributes, by reflinks where the
 * file system has them. The source may be in use. When this returns, the copy is complete: see ADR 31. Throws no-space,
 * unavailable, unreachable, aborted, deadline-exceeded when nothing is copied for `patienceMs`, failed-precondition for
 * what cannot be stored, or the reason of `signal`.
 */
export const copyTree = async (
  exec: Exec,
  view: SandboxView,
  signal: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<void> => {
  const isCrossing = (await view.source.stat()).dev !== (await view.target.stat()).dev;
  const mode = isCrossing ? 'crossing' : 'same';
  const passes: readonly Mode[] = [...(isCrossing ? ['trial' as const] : []), ...Array(MAX_PASSES).fill(mode)];
  for (const [index, each] of passes.entries()) {
    const result = await runPass(exec, view, { mode: each, isFirst: index === 0, signal, patienceMs });
    if (result === 'complete' && each !== 'trial') return;
  }
  throw new DriverError('aborted', 'the volume is changing too fast');
};

const PATIENCE_MS = 60_000;
const MAX_PASSES = 3;

/** To another file system, everything but the data is copied first: it may not be able to store it. */
type Mode = 'same' | 'trial' | 'crossing';

interface Pass {
  readonly mode: Mode;
  readonly isFirst: boolean;
  readonly signal: AbortSignal;
  readonly patienceMs: number;
}

const runPass = async (
  exec: Exec,
  view: SandboxView,
  { mode, isFirst, signal, patienceMs }: Pass,
): Promise<'complete' | 'changed'> => {
  const command = await inSandbox(view, [
    '/bin/sh',
    '-euc',
    SCRIPT,
    'copy',
    TOO_LONG,
    mode,
    isFirst ? 'first' : 'again',
  ]);
  const messages = readMessages();
  const progress = watchProgress(patienceMs);
  const stop = AbortSignal.any([signal, messages.fault, progress.stalled]);
  try {
    await exec({ ...withLowPriority(command), signal: stop, onOutput: progress.read, onError: messages.read });
    return 'complete';
  } catch (thrown) {
    requireHarmless(thrown, messages.areHarmless());
    return messages.haveReplaced() ? 'changed' : 'complete';
  } finally {
    progress.end();
  }
};

/** A path that cp cannot pass to the kernel: PATH_MAX is 4096 bytes, with the NUL at its end. */
const TOO_LONG = `${'?'.repeat(4_096)}*`;

/**
 * A pass starts with an empty target, so that nothing of an earlier one is in it. What cannot be copied is found before
 * any data is copied, so that a repeated call fails as fast.
 *
 * Labels of SELinux belong to the node, and those of EVM to the kernel; what describes a file system of another type is
 * skipped too. cp prints names and find line breaks, for the progress.
 */
const SCRIPT = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
too_long=$1 mode=$2 pass=$3
set -- --recursive --no-dereference --preserve=mode,ownership,timestamps,links,xattr --reflink=auto --sparse=auto
refuse_found() {
  [ ! -s /found ] || { cat /found >&2; exit "$1"; }
}
[ $pass = first ] || find /target -mindepth 1 -printf '\\n' -delete
find /source/. -path "$too_long" -fprint /found -quit -o -printf '\\n' 2>/unread || :
refuse_found 3
printf '%s skip\\n' security.selinux security.evm >/etc/xattr.conf
if [ $mode != same ] && [ "$(stat -fc %T /source)" != "$(stat -fc %T /target)" ]; then
  printf '%s skip\\n' 'btrfs.*' 'system.nfs4*' 'system.cifs*' 'trusted.SGI_*' 'trusted.glusterfs*' >>/etc/xattr.conf
fi
if [ $mode = trial ]; then
  find /source/. -type f -size +1048575M ! -exec truncate --reference={} /target/size ';' -fprint /found -quit \\
    2>/unread || :
  refuse_found 4
  rm -f /target/size
  set -- "$@" --attributes-only
fi
exec /bin/cp "$@" --verbose -- /source/. /target
`;

/** Throws unless cp has met nothing but changes that somebody has made while it was reading. */
const requireHarmless = (thrown: unknown, areHarmless: boolean): void => {
  if (!(thrown instanceof CommandError)) throw thrown;
  const { exitCode, stderr } = thrown;
  const path = quote(stderr.replace('/source/./', ''));
  if (exitCode === 3) throw notStored(`a path of more than 4095 bytes cannot be copied: ${path}`);
  if (exitCode === 4) throw notStored(`the file is too large for the target's file system: ${path}`);
  if (isKilled(thrown))
    throw new DriverError('unavailable', 'the copy was killed, perhaps for want of memory', { cause: thrown });
  if (exitCode !== 1 || !areHarmless) throw new DriverError('internal', 'the copy has failed', { cause: thrown });
};

/**
 * A shell reports a signal as 128 and its number. unshare passes it on by the same signal; before version 2.39 it fails
 * to do so for SIGKILL, and says that.
 */
const isKilled = ({ exitCode = 0, signal, stderr }: CommandError): boolean =>
  signal !== undefined || exitCode > 128 || /^unshare: (?:sigprocmask|child exit)/m.test(stderr);

const notStored = (message: string): DriverError => new DriverError('failed-precondition', message);
