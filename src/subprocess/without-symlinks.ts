import type { Command } from './exec.ts';

/**
 * A subprocess that works in a directory (the path of an open one), on names that whoever owns it may replace by links
 * at the same time. There the kernel follows no link, even for a program that looks first and opens then, and shows
 * nothing that is mounted inside. Fails where the kernel cannot (before Linux 5.10).
 */
export const withoutSymlinks = (directory: string, { binary, args, ...rest }: Command): Command => ({
  ...rest,
  binary: '/usr/bin/unshare',
  args: ['--mount', '--propagation', 'private', '--', '/bin/sh', '-euc', SCRIPT, 'linkless', binary, ...args],
  cwd: directory,
});

/** No pool lies below /sys. A kernel that does not know an option ignores it: whether it holds is looked at. */
const SCRIPT = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount --no-canonicalize --bind . /sys
mount -o remount,bind,nosuid,nodev,noexec,nosymfollow /sys
if ! grep -q '^[^ ]* [^ ]* [^ ]* [^ ]* /sys [^ ]*nosymfollow' /proc/self/mountinfo; then
  echo "this kernel cannot be told to follow no links (nosymfollow, Linux 5.10)" >&2
  exit 1
fi
cd /sys
exec "$@"
`;
