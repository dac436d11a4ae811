import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
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
  /** Every mount of a file system, or of a part of it. */
  readonly onDevice: (device: string) => readonly MountEntry[];
  /** The file system that holds a path. */
  readonly holding: (path: string) => MountEntry | undefined;
  /** How a path would be shown, were it mounted by itself with the options of the mount that holds it. */
  readonly identify: (path: string) => MountEntry | undefined;
}

export type ReadMounts = () => Promise<MountTable>;

/**
 * Reads the table; callers that come while a read runs share the next one, so that a hundred of them cost two reads
 * and none sees a table older than its call.
 */
export const createReadMounts = (path = '/proc/self/mountinfo'): ReadMounts => {
  let running: Promise<MountTable> | undefined;
  let next: Promise<MountTable> | undefined;
  const read = async () => createMountTable(await readFile(path, 'utf8'));
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

/** Looks things up in the text itself: with a thousand mounts, reading every line of it would cost more than a mount. */
export const createMountTable = (text: string): MountTable => {
  /** The lines that contain a field, read; from the last one backwards. */
  const linesWith = function* (field: string): Generator<MountEntry> {
    const needle = ` ${field} `;
    for (let at = text.lastIndexOf(needle); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(needle, at - 1)) {
      const entry = parseLine(text.slice(text.lastIndexOf('\n', at) + 1, endOfLine(text, at)));
      if (entry !== undefined) yield entry;
    }
  };
  const at = (path: string): MountEntry | undefined =>
    linesWith(encodeOctal(path)).find((entry) => entry.mountPoint === path);
  const holding = (path: string): MountEntry | undefined => {
    for (let folder = path; ; folder = dirname(folder)) {
      const entry = at(folder);
      if (entry !== undefined || folder === '/') return entry;
    }
  };
  return {
    at,
    onDevice: (device) => [...linesWith(device)].filter((entry) => entry.device === device),
    holding,
    mountsOf: (identity) =>
      [...linesWith(`${identity.device} ${encodeOctal(identity.root)}`)].filter((entry) =>
        sameDirectory(entry, identity),
      ),
    identify: (path) => {
      const entry = holding(path);
      if (entry === undefined) return undefined;
      const inside = entry.mountPoint === '/' ? path : path.slice(entry.mountPoint.length);
      if (isNfs(entry)) return { ...entry, source: append(entry.source, inside) };
      return { ...entry, root: append(entry.root, inside) };
    },
  };
};

/** What is mounted may be `/`, or `server:/`: then the slash is there already. */
const append = (mounted: string, inside: string): string =>
  inside !== '' && mounted.endsWith('/') ? `${mounted}${inside.slice(1)}` : `${mounted}${inside}`;

const endOfLine = (text: string, at: number): number => {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end;
};

const parseLine = (line: string): MountEntry | undefined => {
  const [left, right] = line.split(' - ', 2);
  const [, , device, root, mountPoint, options] = (left ?? '').split(' ');
  const [fileSystem, source, superOptions] = (right ?? '').split(' ');
  if (device === undefined || root === undefined || mountPoint === undefined || fileSystem === undefined)
    return undefined;
  return {
    device,
    root: decodeOctal(root),
    mountPoint: decodeOctal(mountPoint),
    options: (options ?? '').split(','),
    fileSystem,
    source: decodeOctal(source ?? ''),
    superOptions: (superOptions ?? '').split(','),
  };
};

export const isNfs = ({ fileSystem }: MountEntry): boolean => fileSystem === 'nfs' || fileSystem === 'nfs4';

/** True for a file system that was mounted to be written to, and is read-only now, as the kernel makes it after errors. */
export const hasBecomeReadOnly = ({ options, superOptions }: MountEntry): boolean =>
  // ext4 has had a word of its own for that since Linux 6.14.
  superOptions.includes('emergency_ro') || (superOptions.includes('ro') && !options.includes('ro'));

/** True when a mount is of a directory somewhere below another. */
export const isWithin = (outer: MountEntry, entry: MountEntry): boolean =>
  entry.device === outer.device &&
  (isNfs(outer) ? isBelow(outer.source, entry.source) : isBelow(outer.root, entry.root));

export const sameDirectory = (a: Identity, b: Identity): boolean =>
  a.device === b.device && a.root === b.root && a.source === b.source;

/** The kernel writes space, tab, newline and backslash as three octal digits, by bytes. */
const decodeOctal = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : text;

/** As the kernel writes paths; in names of devices it escapes a # too, so those are never searched for. */
const encodeOctal = (text: string): string =>
  text.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
