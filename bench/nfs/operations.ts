import { readFile } from 'node:fs/promises';

/** Requests that the kernel has sent for the file system of an NFS mount, by their names: /proc/self/mountstats. */
export type Operations = ReadonlyMap<string, number>;

export const readOperations = async (mountPoint: string): Promise<Operations> => {
  const text = await readFile('/proc/self/mountstats', 'utf8');
  const section = text.split(/^device /m).find((part) => part.includes(` mounted on ${mountPoint} `)) ?? '';
  return new Map(
    [...section.matchAll(/^\s+(\w+): (\d+) \d+ \d+ \d+ \d+/gm)].map(([, name = '', count]) => [name, Number(count)]),
  );
};

/** What was sent between two looks, each name with its count, the most frequent first. */
export const difference = (before: Operations, after: Operations): readonly (readonly [string, number])[] =>
  [...after]
    .map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
    .filter(([, count]) => count > 0)
    .toSorted(([, a], [, b]) => b - a);
