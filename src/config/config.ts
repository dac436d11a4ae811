import { join } from 'node:path';
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
    ...nodeProblems(options.data?.nodeId, pools?.pools),
    ...(pools?.problems ?? []),
  ];
  if (!options.success || pools?.pools === undefined || problems.length > 0) throw new ConfigError(problems);
  const shared = Object.values(pools.pools).some(isShared);
  const driverName = options.data.driverName || (shared ? 'shared.csi-subdir.dev' : 'local.csi-subdir.dev');
  const stateDir = options.data.stateDir || join(options.data.kubeletDir, 'plugins', driverName, 'pools');
  return { options: { ...options.data, driverName, stateDir }, pools: pools.pools };
};

const nodeProblems = (nodeId = '', pools: Pools = {}): readonly string[] => {
  const isLocal = Object.values(pools).some((pool) => !isShared(pool));
  if (!isLocal || LABEL_VALUE.test(nodeId)) return [];
  return ['--node-id: expected at most 63 characters that a label may have: the topology of local volumes has it'];
};

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const LABEL_VALUE = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
