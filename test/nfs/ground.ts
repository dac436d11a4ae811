import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { codeOf } from '../support/volume.ts';

/** One of the two NFS servers that `guest` runs beside us. */
export interface Server {
  readonly name: 'a' | 'b';
  readonly address: string;
  /** What it exports, as it sees it itself. */
  readonly directory: string;
}

/** What befalls a server, and what ends it: see inside/srv. */
export type Fault = 'drop' | 'stop' | 'unplug' | 'hide' | 'close' | 'reboot';
export type Remedy = 'heal' | 'start' | 'plug' | 'show';
/** Is root on a client root on the server? */
export type Setting = 'squash' | 'trust' | 'root' | 'unroot';

export const variable = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`$${name} is not set: this runs in test/nfs/guest`);
  return value;
};

export const EXPORT = variable('NFS_EXPORT');
export const A: Server = { name: 'a', address: variable('NFS_A'), directory: variable('NFS_A_DIR') };
export const B: Server = { name: 'b', address: variable('NFS_B'), directory: variable('NFS_B_DIR') };
export const A_BY_IPV6: Server = { ...A, address: variable('NFS_A_V6') };

export const srv = async (what: Fault | Remedy | Setting, { name }: Server): Promise<void> => {
  await promisify(execFile)('srv', [what, name]);
};

/** Runs a command as the server does, with its mounts; returns what it prints. */
export const execOn = async ({ name }: Server, ...command: readonly string[]): Promise<string> =>
  (await promisify(execFile)('srv', ['exec', name, ...command])).stdout;

/** Takes everything from an export, as an admin would on the server. */
export const clear = async ({ directory }: Server): Promise<void> => {
  for (const entry of await readdir(directory)) await rm(join(directory, entry), { recursive: true });
};

/** Awaits a truth that comes by itself. */
export const until = async (what: string, ms: number, isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  const end = Date.now() + ms;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await setTimeout(200);
  }
};

/** What was deleted is purged in the background, one entry after the other: many of them take minutes here. */
export const trashIsEmpty = (root: string): Promise<void> =>
  until('the trash is empty', 600_000, async () => (await readdir(join(root, '.csi-subdir/trash'))).length === 0);

/** As the sidecars do: what may still be in progress is asked for again. */
export const persist = (send: () => Promise<unknown>): Promise<void> => {
  let last = '';
  return until('a call succeeds', 300_000, async () => {
    last = await codeOf(send());
    assert.ok(['OK', 'UNAVAILABLE', 'ABORTED', 'DEADLINE_EXCEEDED'].includes(last), last);
    return last === 'OK';
  });
};
