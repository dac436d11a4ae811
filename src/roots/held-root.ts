import { lstat, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Expectation } from '../domain/identity.ts';
import { DriverError, errnoOf, isCausedBy } from '../errors/errors.ts';
import { identifyRoot, notOpen, refuse } from '../store/layout.ts';
import type { HeldRoot } from '../store/own-folder.ts';
import {
  closeDescriptor,
  openDescriptor,
  pathOfDescriptor,
  statDescriptor,
  syncDescriptor,
} from '../system/descriptor.ts';
import type { ReadMounts } from '../system/mountinfo.ts';
import { createRootWork, type Root, type RootTools } from './root.ts';
import { createInvokedRoot, type Invoke, invokeOn } from './root-methods.ts';

export interface HeldRootTools extends RootTools {
  /** What happens where the path leads to something else than it did when the root was opened. */
  readonly whenChanged: 'reopen' | ((reason: string) => void);
  /** The path must be a mount point. */
  readonly mounted?: boolean;
}

/**
 * A root that is opened and identified once, and held. Everything goes through the open directory, so that records and
 * data always lie in the same pool, whatever is mounted at the path meanwhile. Before anything is read or changed, the
 * path must still lead there: nothing is reported as missing because another disk, or none, is there now.
 */
export const createRoot = (path: string, tools: HeldRootTools): Root => {
  let current: Opening | undefined;
  let expected: Expectation | undefined;

  const prepare = async (expectation: Expectation): Promise<string | undefined> => {
    const opening = await openRoot(path, expectation, tools);
    expected = { ...expectation, known: { ...expectation.known, id: opening.id }, mayCreate: false };
    replaceBy(opening);
    return opening.id;
  };

  const replaceBy = (opening: Opening | undefined): void => {
    current?.retire();
    current = opening;
  };

  /** Returns what the caller is told. */
  const lose = (opening: Opening, reason: string): DriverError => {
    if (current === opening) replaceBy(undefined);
    if (tools.whenChanged === 'reopen') return refuse(reason);
    tools.whenChanged(reason);
    return notOpen(expected?.pool ?? '', reason);
  };

  const requireOpening = async (): Promise<void> => {
    if (current !== undefined) return;
    if (tools.whenChanged !== 'reopen' || expected === undefined) throw refuse(`its root ${path} is not open`);
    await prepare(expected);
  };

  /** Undefined where the path leads to something else than the opening; then nothing was done. */
  const attempt = (opening: Opening, work: () => Promise<unknown>): Promise<{ readonly value: unknown } | undefined> =>
    opening.use(async () => {
      if (!(await opening.isAt(path))) return undefined;
      try {
        return { value: await work() };
      } catch (thrown) {
        await findDamage(opening, thrown);
        throw thrown;
      }
    });

  /** What is missing, or stale, may be a folder that is held: then there is no way to tell what is in the pool. */
  const findDamage = async (opening: Opening, thrown: unknown): Promise<void> => {
    if (!isCausedBy(thrown, 'ENOENT', 'ESTALE') || !(await opening.hasLostFolder())) return;
    throw lose(opening, `a folder of the driver below ${path} was removed`);
  };

  const invoke: Invoke = async (method, args) => {
    await requireOpening();
    const opening = current;
    if (opening === undefined) return invoke(method, args);
    const done = await attempt(opening, () => opening.invoke(method, args));
    if (done !== undefined) return done.value;
    const changed = lose(opening, `its root ${path} has changed: is another disk mounted there, or none?`);
    if (tools.whenChanged !== 'reopen') throw changed;
    return invoke(method, args);
  };

  return createInvokedRoot(path, prepare, invoke);
};

/** One opening of a root. */
interface Opening {
  readonly id: string | undefined;
  readonly invoke: Invoke;
  /** True while this root is what the path leads to. */
  readonly isAt: (path: string) => Promise<boolean>;
  /** True when a folder that is held does not exist any more. */
  readonly hasLostFolder: () => Promise<boolean>;
  readonly use: <Value>(work: () => Promise<Value>) => Promise<Value>;
  /** Closes everything as soon as nobody uses it any more: the file system may be waiting to be unmounted. */
  readonly retire: () => void;
}

const openRoot = async (path: string, expectation: Expectation, tools: HeldRootTools): Promise<Opening> => {
  await requireRealPath(path);
  if (expectation.requireMount) await requireMounted(path, tools.readMounts);
  const directory = await openDescriptor(path);
  const descriptors = [directory];
  const closeAll = async (): Promise<void> => {
    await Promise.allSettled(descriptors.map((descriptor) => closeDescriptor(descriptor)));
  };
  try {
    if (tools.mounted === true) await requireMountPoint(directory, path);
    const root: HeldRoot = {
      // Without the dot, O_NOFOLLOW would refuse the link in /proc.
      path: `${pathOfDescriptor(directory)}/.`,
      shownAs: path,
      sync: () => syncDescriptor(directory),
      keep: (descriptor) => descriptors.push(descriptor),
    };
    const id = await identifyRoot(root, expectation, tools.step);
    const identity = await identityOf(root.path);
    return {
      id,
      invoke: invokeOn(createRootWork(root, tools)),
      isAt: async (place) => (await identityOf(place)) === identity,
      hasLostFolder: async () => (await Promise.all(descriptors.map(isRemoved))).includes(true),
      ...countUsers(() => void closeAll()),
    };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
};

const isRemoved = async (descriptor: number): Promise<boolean> => {
  try {
    return (await statDescriptor(descriptor)).nlink === 0;
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ESTALE') throw thrown;
    return true;
  }
};

/** Device and inode; undefined where there is nothing. */
const identityOf = async (path: string): Promise<string | undefined> => {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    return undefined;
  }
};

const countUsers = (end: () => void): Pick<Opening, 'use' | 'retire'> => {
  let users = 0;
  let isRetired = false;
  const endWhenUnused = (): void => {
    if (isRetired && users === 0) end();
  };
  return {
    use: async (work) => {
      users += 1;
      try {
        return await work();
      } finally {
        users -= 1;
        endWhenUnused();
      }
    },
    retire: () => {
      isRetired = true;
      endWhenUnused();
    },
  };
};

/** The mount table knows real paths only, and what a link points at can be changed at any time. */
const requireRealPath = async (path: string): Promise<void> => {
  const real = await realpath(path).catch((thrown: unknown) => {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    throw refuse(`its root ${path} does not exist: create it, or mount its disk`);
  });
  if (real === resolve(path)) return;
  throw new DriverError('failed-precondition', `its root ${path} is reached through a link: configure ${real}`);
};

/**
 * A pod sees a path of its node as a mount of its own. So what counts is where the file system has the directory: at
 * the end of its own path lies the whole path only where the file system is the one of `/`.
 */
const requireMounted = async (path: string, readMounts: ReadMounts): Promise<void> => {
  const place = (await readMounts()).identify(path);
  if (place !== undefined && !place.root.endsWith(path)) return;
  throw refuse(`nothing is mounted at ${path}, or above it (requireMount): mount its disk`);
};

const requireMountPoint = async (directory: number, path: string): Promise<void> => {
  // join() would take the two dots away.
  const [here, above] = await Promise.all([statDescriptor(directory), lstat(`${pathOfDescriptor(directory)}/..`)]);
  if (here.dev === above.dev) throw new DriverError('unavailable', `${path} is not mounted`, { cause: 'ESTALE' });
};
