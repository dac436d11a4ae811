import { parseArgs } from 'node:util';
import * as z from 'zod';
import { LOG_LEVELS } from '../system/log.ts';
import { ConfigError, messageOf } from './error.ts';
import { absolutePath } from './values.ts';

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
    .regex(/^[!-~]{1,256}$/, 'expected at most 256 printable characters without spaces')
    .default('localhost')
    .describe(
      'Name of this node, as Kubernetes knows it; for the local driver one that the value of a label may have.',
    ),
  kubeletDir: absolutePath.default('/var/lib/kubelet').describe('Staging paths and targets lie below it.'),
  http: z
    .string()
    .regex(/^(?:|\[[0-9a-f:]+\]|[0-9a-f:]+|[0-9A-Za-z.-]+):\d{1,5}$/, 'expected HOST:PORT')
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
  deadlineFactor: z.coerce
    .number()
    .min(1)
    .max(20)
    .default(1)
    .describe('Subprocesses, mounts and workers get so many times as long, for nodes that are slow.'),
  stateDir: z
    .union([z.literal(''), absolutePath])
    .default('')
    .describe('Where this node remembers which pools exist; empty: plugins/<driver name>/pools below --kubelet-dir.'),
  mountDir: absolutePath.default('/run/csi-subdir').describe('Where the controller mounts the exports of its pools.'),
  stopTimeoutMs: z.coerce
    .number()
    .int()
    .min(0)
    .max(600_000)
    .default(20_000)
    .describe('Milliseconds that running calls get at a stop.'),
  takeoverMs: z.coerce
    .number()
    .int()
    .min(100)
    .max(600_000)
    .default(60_000)
    .describe('Milliseconds without progress after which a controller takes over work that another one has begun.'),
  auditIntervalMs: z.coerce
    .number()
    .int()
    .min(100)
    .max(86_400_000)
    .default(30_000)
    .describe(
      'Milliseconds between two looks, in one volume of a pool each, for files that do not count against its size.',
    ),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

export type Options = z.output<typeof optionsSchema>;

/** What is said of the process; flags win over the environment. Throws ConfigError for a flag that nobody knows. */
export const readOptions = (args: readonly string[], env: NodeJS.ProcessEnv): Readonly<Record<string, unknown>> => ({
  ...fromEnvironment(env),
  ...fromFlags(args),
});

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
    throw new ConfigError([messageOf(thrown)]);
  }
};
