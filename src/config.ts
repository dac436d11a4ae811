import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import { parseQuantity } from './domain/capacity.ts';
import { POOL_NAME } from './domain/handle.ts';
import { sortMountOptions } from './domain/mount-options.ts';
import { checkTemplate, parseMode } from './domain/parameters.ts';
import { isBelow, isNormalAbsolute } from './domain/paths.ts';
import { DEFAULT_TEMPLATE } from './domain/template.ts';
import { LOG_LEVELS } from './log.ts';

/** Everything that is wrong with a configuration, each with the path of its key. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const absolutePath = z
  .string()
  .refine(isNormalAbsolute, 'expected an absolute path without "." or ".." components')
  // For the chart's schema, which cannot run code.
  .meta({ pattern: '^/' });
const socketPath = absolutePath.refine(
  (path) => Buffer.byteLength(path) < 108,
  'expected less than 108 bytes (sockaddr_un)',
);

/** The process, by flags (`--node-id`) or environment (`CSI_SUBDIR_NODE_ID`). The reference table is made from this. */
export const optionsSchema = z.strictObject({
  config: z.string().default('/etc/csi-subdir/config.yaml').describe('File that names the pools.'),
  socket: socketPath.default('/csi/csi.sock').describe('Unix socket on which the CSI services are served.'),
  mode: z.enum(['controller', 'node', 'all']).default('all').describe('Which services are served beside Identity.'),
  driverName: z
    .string()
    .regex(/^(?:|[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?)$/, 'expected a DNS name of at most 63 characters')
    .default('')
    .describe('Name of the CSI driver; empty: local.csi-subdir.dev, or shared.csi-subdir.dev by its pools.'),
  nodeId: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'expected at most 63 characters that a label may have')
    .default('localhost')
    .describe('Name of this node, as Kubernetes knows it.'),
  kubeletDir: absolutePath.default('/var/lib/kubelet').describe('Staging paths and targets lie below it.'),
  http: z
    .string()
    .regex(/^(?:|\[[0-9a-f:]+\]|[0-9A-Za-z.-]+):\d{1,5}$/, 'expected HOST:PORT')
    .refine((address) => Number(address.slice(address.lastIndexOf(':') + 1)) < 65_536, 'expected a port below 65536')
    .default(':9808')
    .describe('Address of /metrics, /healthz and /readyz.'),
  registrationDir: z
    .union([z.literal(''), absolutePath])
    .default('')
    .describe("The kubelet's plugins_registry; empty: a registrar sidecar registers the driver."),
  registrationEndpoint: z
    .union([z.literal(''), absolutePath])
    .default('')
    .describe('Path of --socket as the kubelet sees it; empty: the same.'),
  maxVolumesPerNode: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0)
    .describe('Volumes per node; 0: no limit of ours.'),
  callTimeoutMs: z.coerce
    .number()
    .int()
    .min(100)
    .max(600_000)
    .default(15_000)
    .describe('Milliseconds a caller waits at most.'),
  stageTimeoutMs: z.coerce
    .number()
    .int()
    .min(100)
    .max(600_000)
    .default(30_000)
    .describe('Milliseconds a caller of NodeStageVolume waits at most.'),
  mountDir: absolutePath.default('/run/csi-subdir').describe('Where the controller mounts the exports of its pools.'),
  stopTimeoutMs: z.coerce
    .number()
    .int()
    .min(0)
    .max(600_000)
    .default(20_000)
    .describe('Milliseconds that running calls get at a stop.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

export type Options = z.output<typeof optionsSchema>;

const quantity = z.union([z.string(), z.number().int().positive()]).transform((value, context) => {
  const bytes = parseQuantity(String(value));
  if (bytes !== undefined && bytes > 0) return bytes;
  context.addIssue({ code: 'custom', message: 'expected a quantity like 500Gi' });
  return z.NEVER;
});

const mode = z.union([z.string(), z.number()]).transform((value, context) => {
  const bits = typeof value === 'string' ? parseMode(value) : undefined;
  if (bits !== undefined) return bits;
  context.addIssue({ code: 'custom', message: 'expected an octal mode in quotes like "0770"' });
  return z.NEVER;
});

const template = z.string().superRefine((text, context) => {
  try {
    checkTemplate(text, 'template');
  } catch (thrown) {
    context.addIssue({
      code: 'custom',
      message: messageOf(thrown).replace('template: ', ''),
    });
  }
});

const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

const SERVER_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

const mountOptionList = z.array(z.string()).superRefine((options, context) => {
  try {
    sortMountOptions(options, 'nfs', 'options');
  } catch (thrown) {
    context.addIssue({ code: 'custom', message: messageOf(thrown).replace('options: ', '') });
  }
});

const hostPathSchema = z.strictObject({
  path: absolutePath.describe('Directory that volumes are made in; it must exist.'),
  shared: z
    .boolean()
    .default(false)
    .describe('True where the same network file system is mounted at this path on every node.'),
});

const nfsSchema = z.strictObject({
  server: z
    .string()
    .refine(
      (server) => isIP(server) > 0 || SERVER_NAME.test(server),
      'expected a DNS name or an address (IPv6 without brackets)',
    )
    .describe('DNS name or address of the server.'),
  export: absolutePath.describe('Path that the server exports.'),
  mountOptions: mountOptionList.default([]).describe("Options of the volumes' own mounts, on the nodes."),
  controller: z
    .strictObject({
      mountOptions: mountOptionList
        .default(['soft', 'timeo=30', 'retrans=2', 'actimeo=1'])
        .describe("Options of the controller's mount: such that give up soon."),
      localPath: absolutePath
        .optional()
        .describe("The export's directory, where the controller runs on the server itself: nothing is mounted then."),
    })
    .prefault({})
    .describe('How the controller reaches the export.'),
});

export const poolSchema = z
  .strictObject({
    hostPath: hostPathSchema.optional().describe('A pool on a path of the node.'),
    nfs: nfsSchema.optional().describe('A pool on an NFS export.'),
    capacity: quantity.optional().describe('What all volumes together may ask for, e.g. 500Gi; left out: no budget.'),
    sizes: z
      .enum(['enforce', 'budget', 'none'])
      .optional()
      .describe(
        'What a size means: enforce (a volume is held to it), budget (only capacity counts) or none; left out: enforce where the file system can, else budget.',
      ),
    directory: template.default(DEFAULT_TEMPLATE).describe('Template of the volume directory.'),
    mode: mode.default(0o777).describe('Permission bits of a volume directory.'),
    uid: id.optional().describe('Owner of a volume directory; left out: root, or whom the server squashes root to.'),
    gid: id.optional().describe('Group of a volume directory; left out: in the same way.'),
    onDelete: z
      .enum(['delete', 'retain', 'archive'])
      .default('delete')
      .describe('What DeleteVolume does with the directory.'),
    existing: z.enum(['fail', 'adopt']).default('fail').describe('What happens where the directory exists already.'),
  })
  .refine(({ hostPath, nfs }) => (hostPath === undefined) !== (nfs === undefined), 'expected either hostPath or nfs')
  .refine(({ sizes, capacity }) => sizes !== 'none' || capacity === undefined, {
    path: ['capacity'],
    message: 'has no meaning with sizes: none',
  });

export type PoolConfig = z.output<typeof poolSchema>;

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

/** True for a pool that every node reaches. */
export const isShared = ({ nfs, hostPath }: PoolConfig): boolean => nfs !== undefined || hostPath?.shared === true;

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

export type Pools = Readonly<Record<string, PoolConfig>>;

export interface Config {
  readonly options: Options;
  readonly pools: Pools;
}

/** Flags win over the environment. Throws ConfigError with every problem, of the flags and of the file. */
export const loadConfig = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Config> => {
  const options = optionsSchema.safeParse({ ...fromEnvironment(env), ...fromFlags(args) });
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

/** The text of a pools file, checked. */
export const parsePools = (
  text: string,
  path: string,
): { readonly pools?: Pools; readonly problems: readonly string[] } => {
  let data: unknown;
  try {
    data = parseYaml(text);
  } catch (thrown) {
    return { problems: [`${path}: not YAML: ${thrown instanceof Error ? thrown.message : String(thrown)}`] };
  }
  const result = fileSchema.safeParse(data ?? {});
  if (result.success) return { pools: result.data.pools, problems: [] };
  return { problems: result.error.issues.map((issue) => `${path}: ${describeIssue(issue, (key) => key)}`) };
};

/** `nodeId` as it is written on the command line. */
export const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export const environmentName = (key: string): string => `CSI_SUBDIR_${kebab(key).replaceAll('-', '_').toUpperCase()}`;

const OPTION_KEYS = Object.keys(optionsSchema.shape);

/** The flags of the process: `node-id`, … */
export const OPTION_FLAGS: readonly string[] = OPTION_KEYS.map(kebab);

const fromEnvironment = (env: NodeJS.ProcessEnv): Readonly<Record<string, string>> =>
  Object.fromEntries(
    OPTION_KEYS.flatMap((key) => {
      const value = env[environmentName(key)];
      return value === undefined ? [] : [[key, value]];
    }),
  );

const fromFlags = (args: readonly string[]): Readonly<Record<string, unknown>> => {
  const flags = Object.fromEntries(OPTION_KEYS.map((key) => [kebab(key), { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...args], options: flags, strict: true, allowPositionals: false });
    return Object.fromEntries(
      OPTION_KEYS.flatMap((key) => (values[kebab(key)] === undefined ? [] : [[key, values[kebab(key)]]])),
    );
  } catch (thrown) {
    throw new ConfigError([thrown instanceof Error ? thrown.message : String(thrown)]);
  }
};

const readPools = async (path: string) => {
  try {
    return parsePools(await readFile(path, 'utf8'), path);
  } catch (thrown) {
    return {
      problems: [`--config: ${path} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`],
    };
  }
};

const describeIssue = (issue: z.core.$ZodIssue, nameFirst: (key: string) => string): string => {
  const [first, ...rest] = issue.path.map(String);
  const path = first === undefined ? '' : [nameFirst(first), ...rest].join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
};
