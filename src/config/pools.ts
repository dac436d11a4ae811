import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import { POOL_NAME } from '../domain/handle.ts';
import { isBelow } from '../domain/paths.ts';
import { describeIssue, messageOf } from './error.ts';
import { isShared, type PoolConfig, poolSchema } from './pool.ts';

export type Pools = Readonly<Record<string, PoolConfig>>;

/** What is in a pools file, or what is wrong with it, each problem with the path of its key. */
export interface PoolsReading {
  readonly pools?: Pools;
  readonly problems: readonly string[];
}

export const readPools = async (path: string): Promise<PoolsReading> => {
  try {
    return parsePools(await readFile(path, 'utf8'), path);
  } catch (thrown) {
    return { problems: [`--config: ${path} cannot be read: ${messageOf(thrown)}`] };
  }
};

/** The text of a pools file, checked. */
export const parsePools = (text: string, path: string): PoolsReading => {
  let data: unknown;
  try {
    data = parseYaml(text);
  } catch (thrown) {
    return { problems: [`${path}: not YAML: ${messageOf(thrown)}`] };
  }
  const result = fileSchema.safeParse(data ?? {});
  if (result.success) return { pools: result.data.pools, problems: [] };
  return { problems: result.error.issues.map((issue) => `${path}: ${describeIssue(issue, (key) => key)}`) };
};

const fileSchema = z.strictObject({
  pools: z
    .record(z.string(), poolSchema)
    .refine((pools) => Object.keys(pools).length > 0, 'expected at least one pool')
    .refine(
      (pools) => new Set(Object.values(pools).map(isShared)).size < 2,
      'expected either pools of one node or shared ones: they are two drivers',
    )
    .superRefine((pools, context) => {
      const complain = (path: readonly string[], message: string): void =>
        context.addIssue({ code: 'custom', path: [...path], message });
      const seen: Place[] = [];
      for (const [name, pool] of Object.entries(pools)) {
        if (!POOL_NAME.test(name)) complain([name], 'expected a DNS label as the name of a pool');
        for (const place of placesOf(name, pool)) {
          const other = seen.find(({ server, path }) => server === place.server && pathsOverlap(path, place.path));
          if (other !== undefined) complain([name, ...place.key], `overlaps the path of pool ${other.pool}`);
        }
        seen.push(...placesOf(name, pool));
      }
    }),
});

/** Where a pool lies: on this machine (no server), or on a server. */
interface Place {
  readonly pool: string;
  readonly server: string;
  readonly path: string;
  readonly key: readonly string[];
}

const placesOf = (pool: string, { hostPath, nfs }: PoolConfig): readonly Place[] => {
  const localPath = nfs?.controller.localPath;
  return [
    ...(hostPath === undefined ? [] : [{ pool, server: '', path: hostPath.path, key: ['hostPath', 'path'] }]),
    ...(nfs === undefined ? [] : [{ pool, server: nfs.server, path: nfs.export, key: ['nfs', 'export'] }]),
    ...(localPath === undefined
      ? []
      : [{ pool, server: '', path: localPath, key: ['nfs', 'controller', 'localPath'] }]),
  ];
};

const pathsOverlap = (a: string, b: string): boolean => a === b || isBelow(a, b) || isBelow(b, a);
