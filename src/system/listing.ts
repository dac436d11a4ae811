import { type FileHandle, opendir } from 'node:fs/promises';
import { type Directory, OWN_FOLDER } from '../domain/paths.ts';
import { CommandError, type Exec } from '../subprocess/exec.ts';
import { withLowPriority } from '../subprocess/low-priority.ts';
import { openBelow, openDirectory, pathOf, using } from './directory.ts';

/** What an admin wants to know of a root, and no volume needs. */
export interface Listing {
  /** Names of the directories in the root (`.`), or in one below, without the driver's own; sorted, a million at most. */
  readonly listDirectories: (parent: Directory | '.') => Promise<readonly string[]>;
  /** Bytes that everything in a directory takes; undefined where that cannot be found out in some seconds. */
  readonly measure: (directory: Directory) => Promise<number | undefined>;
}

export const createListing = (root: string, exec: Exec): Listing => ({
  listDirectories: async (parent) => {
    if (parent !== '.') return using(await openBelow(root, parent), readDirectories);
    const names = await using(await openDirectory(root), readDirectories);
    return names.filter((name) => !SYSTEM.includes(name));
  },
  measure: async (directory) =>
    using(await openBelow(root, directory), async (handle) => {
      const args = ['--summarize', '--block-size=1', '--one-file-system', '.'];
      let output = '';
      const onOutput = (text: string): void => {
        output += text;
      };
      const command = { binary: '/usr/bin/du', args, cwd: pathOf(handle), deadlineMs: MEASURE_MS, onOutput } as const;
      // du ends with 1 where a file has gone in the meantime, and has counted the rest.
      const isOver = await exec(withLowPriority(command)).then(
        () => true,
        (thrown: unknown) => thrown instanceof CommandError,
      );
      const bytes = Number.parseInt(output, 10);
      return isOver && Number.isFinite(bytes) ? bytes : undefined;
    }),
});

const readDirectories = async (folder: FileHandle): Promise<readonly string[]> => {
  const names: string[] = [];
  for await (const entry of await opendir(pathOf(folder))) {
    if (entry.isDirectory() && names.length < MAX_NAMES) names.push(entry.name);
  }
  return names.sort();
};

const MAX_NAMES = 1_000_000;
/** Within the deadline of a worker. */
const MEASURE_MS = 8_000;
/** The second one is ext4's own. */
const SYSTEM: readonly string[] = [OWN_FOLDER, 'lost+found'];
