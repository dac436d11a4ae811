import { readFile } from 'node:fs/promises';

/** Of a process, in bytes. */
export interface Memory {
  readonly rss: number;
  /** What no other process shares and no file backs: RssAnon. */
  readonly privateBytes: number;
}

export const readMemory = async (pid: number): Promise<Memory> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytesOf = (key: string): number => 1024 * Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { rss: bytesOf('VmRSS'), privateBytes: bytesOf('RssAnon') };
};

export const rest = (ms: number): Promise<void> => new Promise((rested) => setTimeout(rested, ms));
