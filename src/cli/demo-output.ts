import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { formatBytes } from '../domain/capacity.ts';

/** Tells a story on standard output: each step with its time, and what it has changed on disk. */
export interface Narrator {
  readonly step: <Value>(title: string, act: () => Promise<Value>) => Promise<Value>;
  readonly say: (text: string) => void;
}

/** Watches `folder` and the mounts below `home`, which is left out of what is printed. */
export const createNarrator = (home: string, folder: string): Narrator => {
  let before = new Set<string>();
  const say = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  return {
    say,
    step: async (title, act) => {
      const started = performance.now();
      const value = await act();
      say(`${(performance.now() - started).toFixed(1).padStart(8)} ms  ${title}`);
      const after = new Set([...(await listMounts(home)), ...(await listFolder(home, folder))]);
      for (const line of before.difference(after)) say(`             - ${line}`);
      for (const line of after.difference(before)) say(`             + ${line}`);
      before = after;
      return value;
    },
  };
};

const listMounts = async (home: string): Promise<readonly string[]> => {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table.split('\n').flatMap((line) => {
    const [, , , , mountPoint = ''] = line.split(' ');
    return mountPoint.startsWith(`${home}/`) ? [`mounted: ${relative(home, mountPoint)}`] : [];
  });
};

/** Again from the start when the purge removes something under our eyes. */
const listFolder = async (home: string, folder: string): Promise<readonly string[]> => {
  try {
    const entries = await readdir(folder, { withFileTypes: true, recursive: true });
    return await Promise.all(entries.map((entry) => describeEntry(home, entry)));
  } catch {
    return listFolder(home, folder);
  }
};

const describeEntry = async (home: string, entry: Dirent): Promise<string> => {
  const path = join(entry.parentPath, entry.name);
  if (entry.isDirectory()) return `${relative(home, path)}/`;
  return `${relative(home, path)}${entry.name.endsWith('.json') ? await describeRecord(path) : ''}`;
};

const describeRecord = async (path: string): Promise<string> => {
  const { state, capacityBytes } = JSON.parse(await readFile(path, 'utf8'));
  return state === undefined ? '' : `  (${state}, ${formatBytes(capacityBytes)})`;
};
