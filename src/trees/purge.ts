import { randomBytes } from 'node:crypto';
import { opendir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OWN_FOLDER } from '../domain/paths.ts';
import { DriverError, errnoOf } from '../errors/errors.ts';
import { deleteSubvolumes, isBtrfs } from '../quotas/btrfs.ts';
import type { SizeEngine } from '../quotas/sizes.ts';
import type { OwnFolder } from '../store/own-folder.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';
import { withLowPriority } from '../subprocess/low-priority.ts';
import { withoutSymlinks } from '../subprocess/without-symlinks.ts';
import type { Step } from '../system/step.ts';
import { projectOf } from './trash-entry.ts';

export interface PurgeTools {
  readonly folder: OwnFolder;
  readonly exec: Exec;
  readonly step: Step;
  /** Takes back what held a volume. */
  readonly release: SizeEngine['release'];
}

/** Enough for a volume of millions of files; what is left then goes on at the next purge. */
export const PURGE_DEADLINE_MS = 600_000;

/**
 * Deletes an entry of the trash for good. May be repeated, by any number of processes; continues where it was ended.
 * Throws failed-precondition with the first path that cannot be removed.
 *
 * It works in a mount namespace of its own, on a bind mount of the trash that shows nothing of what is mounted inside:
 * rm cannot leave the file system, not even into a bind mount of the same one. The mount point itself remains, and
 * makes the purge fail until it is unmounted (docs/adr/0033-the-purge-sees-no-other-mounts.md).
 */
export const purgeEntry = async (entry: string, { folder, exec, step, release }: PurgeTools): Promise<void> => {
  const path = await folder.path();
  // For all of it: whoever waits for the purge waits no longer.
  const end = performance.now() + PURGE_DEADLINE_MS;
  const run = async (
    binary: '/bin/rm' | '/usr/bin/find',
    args: readonly string[],
  ): Promise<CommandError | undefined> => {
    const deadlineMs = Math.max(1, Math.round(end - performance.now()));
    return exec(withLowPriority(withoutSymlinks(path, { binary, args, deadlineMs }))).then(ignore, asFailure);
  };
  const remove = async (binary: '/bin/rm' | '/usr/bin/find', args: readonly string[]): Promise<void> => {
    if ((await run(binary, args)) === undefined) return;
    await run('/usr/bin/find', [`./${entry}`, ...allowOwner((await stat(path)).uid)]);
    const failure = await run(binary, args);
    if (failure !== undefined) throw remains(entry, failure);
  };
  // rm would empty a subvolume file by file, and stop at one inside.
  if (await isBtrfs(path)) {
    const handle = join(path, `purge-${randomBytes(4).toString('hex')}`);
    await deleteSubvolumes(exec, handle, (place) => isIn(entry, place), step);
  }
  const project = projectOf(entry);
  if (project !== undefined) {
    // The entry itself stays until then: its name is all that is known of the project.
    if (!(await isEmpty(join(path, entry))))
      await remove('/usr/bin/find', [`./${entry}`, '-xdev', '-mindepth', '1', '-delete']);
    step('trash emptied');
    await release(project);
  }
  if (await removeEmpty(join(path, entry))) return;
  await remove('/bin/rm', ['-rf', '--one-file-system', '--', `./${entry}`]);
};

/** True where there is nothing to delete inside. What cannot be read is not known to be empty. */
const isEmpty = async (path: string): Promise<boolean> => {
  try {
    const directory = await opendir(path);
    const first = await directory.read().finally(() => directory.close());
    return first === null;
  } catch (thrown) {
    return errnoOf(thrown) === 'ENOENT';
  }
};

/** Needs no subprocess, and nothing else can be removed that way. False for what is not an empty directory. */
const removeEmpty = (path: string): Promise<boolean> =>
  rmdir(path).then(
    () => true,
    (thrown: unknown) => errnoOf(thrown) === 'ENOENT',
  );

/** An entry has a nonce: the folder's own path on the file system does not matter. */
const isIn = (entry: string, place: string): boolean => `${place}/`.includes(`/${OWN_FOLDER}/trash/${entry}/`);

/**
 * Lets the owner change what is in its directories, as find's expression. Root needs no such permission, but a
 * controller that the server squashes does, and a pod can take it away from the same user. Those that cannot be listed
 * are changed one by one, before find enters them.
 */
const allowOwner = (uid: number): readonly string[] => [
  ...['-xdev', '-type', 'd', '-uid', String(uid), '!', '-perm', '-700'],
  ...['(', '-perm', '-500', '-exec', ...CHMOD, '+', '-o', '-exec', ...CHMOD, ';', ')'],
];

const CHMOD = ['/bin/chmod', 'u+rwx', '--', '{}'];

const ignore = (): undefined => undefined;

/** What rm and find complain about is a value here; anything else is thrown. */
const asFailure = (thrown: unknown): CommandError => {
  if (thrown instanceof CommandError) return thrown;
  throw thrown;
};

/** The first complaint of rm or find, which names the path below the trash. */
const remains = (entry: string, failure: CommandError): DriverError => {
  const [first = ''] = failure.stderr.split('\n', 1);
  const reason = first.slice(0, MAX_REASON) || failure.message;
  return new DriverError('failed-precondition', `${entry} cannot be removed: ${reason}`);
};

const MAX_REASON = 500;
