import { ConfigError, describeIssue } from './error.ts';
import { kebab, type Options, optionsSchema, readOptions } from './options.ts';
import { isShared } from './pool.ts';
import { type Pools, readPools } from './pools.ts';

export interface Config {
  readonly options: Options;
  readonly pools: Pools;
}

/** Flags win over the environment. Throws ConfigError with every problem, of the flags and of the file. */
export const loadConfig = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Config> => {
  const options = optionsSchema.safeParse(readOptions(args, env));
  const path = options.success ? options.data.config : undefined;
  const pools = path === undefined ? undefined : await readPools(path);
  const problems = [
    ...(options.success ? [] : options.error.issues.map((issue) => describeIssue(issue, (key) => `--${kebab(key)}`))),
    ...(pools?.problems ?? []),
  ];
  if (!options.success || pools?.pools === undefined || problems.length > 0) throw new ConfigError(problems);
  const shared = Object.values(pools.pools).some(isShared);
  const driverName = options.data.driverName || (shared ? 'shared.csi-subdir.dev' : 'local.csi-subdir.dev');
  return { options: { ...options.data, driverName }, pools: pools.pools };
};
