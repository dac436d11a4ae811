import type { FileHandle } from 'node:fs/promises';
import { readlink } from 'node:fs/promises';
import type { Command } from '../subprocess/exec.ts';
import { pathOf } from '../system/directory.ts';

/** Two open directories, as the program in the sandbox finds them. */
export interface SandboxView {
  /** Read-only at /source. */
  readonly source: FileHandle;
  /** At /target. */
  readonly target: FileHandle;
}

/**
 * Runs a program that walks by path where whoever owns the tree may put links at the same time. It sees the two
 * directories, the system's programs and itself as a process, in namespaces of its own, and nothing else: a link leads
 * nowhere. The kernel takes all of it down when the program ends. The first line of output is the program's process id.
 */
export const inSandbox = async ({ source, target }: SandboxView, program: readonly string[]): Promise<Command> => {
  const { dev, ino } = await target.stat({ bigint: true });
  const paths = [await readlink(pathOf(target)), `${dev}:${ino}`];
  return {
    binary: '/usr/bin/unshare',
    args: [...NAMESPACES, '--', '/bin/sh', '-euc', SCRIPT, 'sandbox', ...paths, ...program],
    // A held directory of another mount namespace cannot be bound; the working directory moves into the new one.
    cwd: pathOf(source),
  };
};

const NAMESPACES = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child=KILL'];

/**
 * No pool lies below /sys, so nothing that is needed is covered. The target goes by its path, and is looked at then.
 * libc changes some modes through /proc/self/fd; nothing else of /proc is shown.
 */
const SCRIPT = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
box=/sys target=$1 identity=$2
shift 2
# As the driver sees it: this is still the /proc of the driver.
read -r pid _ </proc/self/stat
echo "$pid"
mount -t tmpfs -o size=1m,mode=0700 none $box
mkdir $box/source $box/target $box/usr $box/proc $box/etc
mount --no-canonicalize --bind . $box/source
mount -o remount,bind,ro,nosuid,nodev,noexec $box/source
mount --bind -- "$target" $box/target
if [ "$(stat -c %d:%i $box/target)" != "$identity" ]; then
  echo "the folder of copies was moved" >&2
  exit 1
fi
for folder in bin lib lib64; do
  if [ -L /$folder ]; then
    ln -s "$(readlink /$folder)" $box/$folder
  elif [ -d /$folder ]; then
    mkdir $box/$folder
    mount --bind /$folder $box/$folder
    mount -o remount,bind,ro,nosuid,nodev $box/$folder
  fi
done
mount -t proc -o ro,nosuid,nodev,noexec,subset=pid none $box/proc
mount --bind /usr $box/usr
mount -o remount,bind,ro,nosuid,nodev $box/usr
exec chroot $box "$@"
`;
