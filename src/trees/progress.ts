import { constants } from 'node:fs';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { DriverError, quote } from '../errors/errors.ts';
import { using } from '../system/directory.ts';

/** Watches a copy in a sandbox for standing still: in open(2) of a named pipe, for one, which ends by nothing. */
export interface Progress {
  /** Standard output of the sandbox: its process id, then whatever tells that it goes on. */
  readonly read: (text: string) => void;
  /** Aborted with deadline-exceeded, which names the file. */
  readonly stalled: AbortSignal;
  readonly end: () => void;
}

/**
 * Output is progress, and so is what the process has read and written. Nothing else is: whoever owns the files can
 * wake it up, or make it use time, without letting it go on. An open file takes its time, as one call may copy
 * gigabytes: on a server, or by sharing extents.
 */
export const watchProgress = (patienceMs: number): Progress => {
  const stalled = new AbortController();
  let first = '';
  let length = 0;
  let before = '';
  let idle = 0;

  const check = async (): Promise<void> => {
    const pid = Number.parseInt(first, 10);
    const now = `${length} ${await bytesOf(pid)}`;
    idle = now === before ? idle + 1 : 0;
    before = now;
    if (idle < CHECKS) return;
    const file = await findOpenFile(pid);
    if (file !== undefined && idle < CHECKS * FILE_FACTOR) return;
    const seconds = (idle * patienceMs) / CHECKS / 1_000;
    const place = placeOf((await readPath(pid)) ?? file);
    stalled.abort(new DriverError('deadline-exceeded', `the copy made no progress for ${seconds} s${place}`));
  };

  /** One check at a time: on a busy machine one may take longer than the interval, and each is to count once. */
  let checking = false;
  const tick = async (): Promise<void> => {
    if (checking) return;
    checking = true;
    await check();
    checking = false;
  };

  const timer = setInterval(() => void tick(), patienceMs / CHECKS);
  timer.unref();
  return {
    read: (text) => {
      if (!first.includes('\n')) first += text.slice(0, FIRST_LENGTH);
      length += text.length;
    },
    stalled: stalled.signal,
    end: () => clearInterval(timer),
  };
};

/** Counted, not measured, so that a driver that was stopped does not take its own sleep for that of the copy. */
const CHECKS = 12;
/** How much longer a process may stand still that has a file open. */
const FILE_FACTOR = 10;
const FIRST_LENGTH = 32;

const bytesOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/io`, 'utf8').catch(() => '');

/** Reads what the kernel says of descriptors, not the files themselves: their storage may not answer. */
const findOpenFile = async (pid: number): Promise<string | undefined> => {
  const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  const copied = [...mounts.matchAll(/^(\d+) \d+ \S+ \S+ \/(?:source|target) /gm)].map(([, id]) => id);
  for (const descriptor of await readdir(`/proc/${pid}/fdinfo`).catch(() => [])) {
    const info = await readFile(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8').catch(() => '');
    const [, flags = '', mount] = /^flags:\s*([0-7]+)$\s*^mnt_id:\s*(\d+)$/m.exec(info) ?? [];
    if (!copied.includes(mount) || (Number.parseInt(flags, 8) & constants.O_DIRECTORY) !== 0) continue;
    return readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => undefined);
  }
  return undefined;
};

/** The path in the source that a blocked system call was given: whichever of its arguments points at one. */
const readPath = async (pid: number): Promise<string | undefined> => {
  const [, ...call] = (await readFile(`/proc/${pid}/syscall`, 'utf8').catch(() => '')).split(' ');
  const memory = await open(`/proc/${pid}/mem`).catch(() => undefined);
  if (memory === undefined) return undefined;
  return using(memory, async () => {
    for (const address of call) {
      const text = await memory.read(Buffer.alloc(PATH_MAX), 0, PATH_MAX, BigInt(address)).catch(() => undefined);
      const [path = ''] = text?.buffer.toString('utf8').split('\0', 1) ?? [];
      if (path.startsWith('/source/')) return path;
    }
    return undefined;
  });
};

const PATH_MAX = 4_096;

const placeOf = (path: string | undefined): string =>
  path === undefined ? '' : `, at ${quote(path.replace(/^\/source\/(?:\.\/)?/, ''))}`;
