import { readFile } from 'node:fs/promises';
import { isBelow } from '../domain/paths.ts';

/** A line of /proc/self/mountinfo, https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html */
export interface MountEntry {
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The directory of the file system that is mounted here. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly fileSystem: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/**
 * A directory by where it lies on its file system: the same for every mount that shows it. The source belongs to it
 * because of NFS, where every directory of a server has the same device and the root `/`.
 */
export type Identity = Pick<MountEntry, 'device' | 'root' | 'source'>;

/** What is mounted at one moment. Plain kernel memory: reading it cannot hang, whatever a server does. */
export interface MountTable {
  /** What is seen at exactly this path: the topmost mount there. */
  readonly at: (path: string) => MountEntry | undefined;
  /** Every mount of the same directory. */
  readonly mountsOf: (identity: Identity) => readonly MountEntry[];
  /** The file system that holds a path. */
  readonly holding: (path: string) => MountEntry | undefined;
  /** Where a path lies on its file system. */
  readonly identify: (path: string) => Identity | undefined;
}

export type ReadMounts = () => Promise<MountTable>;

/**
 * Reads the table; callers that come while a read runs share the next one, so that a hundred of them cost two reads
 * and none sees a table older than its call.
 */
export const createReadMounts = (path = '/proc/self/mountinfo'): ReadMounts => {
  let running: Promise<MountTable> | undefined;
  let next: Promise<MountTable> | undefined;
  const read = async () => createMountTable(parseMountInfo(await readFile(path, 'utf8')));
  const start = (): Promise<MountTable> => {
    next = undefined;
    const started = read().finally(() => {
      if (running === started) running = undefined;
    });
    running = started;
    return started;
  };
  return () => {
    if (running === undefined) return start();
    next ??= running.then(start, start);
    return next;
  };
};

export const createMountTable = (entries: readonly MountEntry[]): MountTable => {
  const holding = (path: string) =>
    entries.reduce<MountEntry | undefined>(
      (best, entry) => (holds(entry, path) && entry.mountPoint.length >= (best?.mountPoint.length ?? 0) ? entry : best),
      undefined,
    );
  return {
    at: (path) => entries.findLast((entry) => entry.mountPoint === path),
    mountsOf: (identity) => entries.filter((entry) => sameDirectory(entry, identity)),
    holding,
    identify: (path) => {
      const entry = holding(path);
      if (entry === undefined) return undefined;
      const inside = entry.mountPoint === '/' ? path : path.slice(entry.mountPoint.length);
      return {
        device: entry.device,
        source: entry.source,
        root: `${entry.root === '/' ? '' : entry.root}${inside}` || '/',
      };
    },
  };
};

export const parseMountInfo = (text: string): readonly MountEntry[] =>
  text.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ', 2);
    const [, , device, root, mountPoint, options] = (left ?? '').split(' ');
    const [fileSystem, source, superOptions] = (right ?? '').split(' ');
    if (device === undefined || root === undefined || mountPoint === undefined || fileSystem === undefined) return [];
    return {
      device,
      root: decodeOctal(root),
      mountPoint: decodeOctal(mountPoint),
      options: (options ?? '').split(','),
      fileSystem,
      source: decodeOctal(source ?? ''),
      superOptions: (superOptions ?? '').split(','),
    };
  });

export const sameDirectory = (a: Identity, b: Identity): boolean =>
  a.device === b.device && a.root === b.root && a.source === b.source;

const holds = (entry: MountEntry, path: string): boolean =>
  entry.mountPoint === path || isBelow(entry.mountPoint, path);

/** The kernel writes space, tab, newline and backslash as three octal digits, by bytes. */
const decodeOctal = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : text;
