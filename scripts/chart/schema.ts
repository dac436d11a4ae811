import * as z from 'zod';
import { poolSchema } from '../../src/config/pool.ts';
import { STORAGE_CLASS_PARAMETERS } from '../../src/requests/parameters.ts';
import { LOG_LEVELS } from '../../src/system/log.ts';

// What the chart's values may be. Helm refuses anything else with the path of the key (values.schema.json); what the keys
// mean is said in values.yaml.

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Objects of Kubernetes that are passed on as they are: the API server checks them. */
const passedOn = z.record(z.string(), z.unknown());
const list = z.array(passedOn);
const strings = z.record(z.string(), z.string());
const flags = z.array(z.string().regex(/^--/));
const image = z.string().regex(/^[a-z0-9][\w.:/@-]*$/);
const port = z.int().min(1).max(65_535);
const driverName = z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/);

const sidecar = z.strictObject({ image, extraArgs: flags, resources: passedOn });

const pods = {
  nodeSelector: strings,
  tolerations: list,
  affinity: passedOn,
  priorityClassName: z.string(),
  podLabels: strings,
  podAnnotations: strings,
};

const driverContainer = {
  resources: passedOn,
  extraArgs: flags,
  extraEnv: list,
  extraVolumes: list,
  extraVolumeMounts: list,
};

const node = {
  ...pods,
  ...driverContainer,
  maxUnavailable: z.union([z.int().min(1), z.string().regex(/^\d+%$/)]),
  maxVolumes: z.int().min(0),
};

const meta = { default: z.boolean().optional(), annotations: strings.optional(), labels: strings.optional() };

const storageClass = z.strictObject({
  ...meta,
  reclaimPolicy: z.enum(['Delete', 'Retain']).optional(),
  volumeBindingMode: z.enum(['WaitForFirstConsumer', 'Immediate']).optional(),
  allowVolumeExpansion: z.boolean().optional(),
  mountOptions: z.array(z.string()).optional(),
  parameters: z.partialRecord(z.enum(Object.keys(STORAGE_CLASS_PARAMETERS)), z.string()).optional(),
});

const snapshotClass = z.strictObject({ ...meta, deletionPolicy: z.enum(['Delete', 'Retain']).optional() });

const driver = {
  enabled: z.boolean(),
  driverName,
  /** Filled in by valuesSchema, from the schema of the pools file. */
  pools: z.unknown(),
  storageClasses: z.record(z.string(), storageClass.nullable()),
  snapshotClasses: z.record(z.string(), snapshotClass.nullable()),
  volumeAttributesClasses: z.record(z.string(), strings),
  inlineVolumes: z.boolean(),
  fsGroupPolicy: z.enum(['File', 'None', 'ReadWriteOnceWithFSType']),
};

const values = z.strictObject({
  image: z.strictObject({
    repository: image,
    tag: z.string(),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
    pullSecrets: list,
  }),
  kubeletDir: z.string().regex(/^\/.*[^/]$/),
  logLevel: z.enum(LOG_LEVELS),
  httpHost: z.string().regex(/^[0-9a-f.:]*$/),
  commonLabels: strings,
  local: z.strictObject({
    ...driver,
    hostPathType: z.enum(['DirectoryOrCreate', 'Directory']),
    node: z.strictObject(node),
    resizer: z.strictObject(pods),
  }),
  shared: z.strictObject({
    ...driver,
    node: z.strictObject({ ...node, port }),
    controller: z.strictObject({
      ...pods,
      ...driverContainer,
      replicas: z.int().min(0),
      topologySpreadConstraints: list,
    }),
  }),
  dnsPolicy: z.enum(['Default', 'ClusterFirst', 'ClusterFirstWithHostNet', 'None']),
  sidecars: z.strictObject({
    provisioner: sidecar,
    resizer: sidecar,
    snapshotter: sidecar,
    registrar: sidecar.extend({ enabled: z.boolean() }),
  }),
  snapshots: z.union([z.boolean(), z.enum(['auto', 'true', 'false'])]),
  snapshotController: sidecar.extend({ install: z.boolean() }),
  monitoring: z.strictObject({
    podMonitor: z.strictObject({
      enabled: z.boolean(),
      labels: strings,
      interval: z.string().regex(/^\d+(ms|s|m|h)$/),
    }),
    prometheusRule: z.strictObject({ enabled: z.boolean(), labels: strings }),
    dashboard: z.strictObject({ enabled: z.boolean(), labels: strings }),
  }),
  networkPolicy: z.strictObject({ enabled: z.boolean() }),
  test: z.strictObject({ image }),
  /** Of a chart that has this one as a dependency. */
  global: passedOn.optional(),
});

/** Helm 3 reads draft 7 at most. */
const toJsonSchema = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { target: 'draft-7', io: 'input', unrepresentable: 'any' }) as JsonSchema;

/** The pools of a driver: those of the pools file that are its kind, and null for one that is taken away. */
const poolsSchema = (kinds: readonly JsonSchema[]): JsonSchema => {
  const { $schema: _, ...pool } = toJsonSchema(poolSchema);
  return {
    type: 'object',
    propertyNames: { pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' },
    additionalProperties: { anyOf: [{ type: 'null' }, { ...pool, anyOf: [...kinds] }] },
  };
};

const shared = (value: boolean): JsonSchema => ({ properties: { shared: { const: value } } });

const NFS: JsonSchema = { required: ['nfs'], not: { required: ['hostPath'] } };
const SHARED_PATH: JsonSchema = {
  required: ['hostPath'],
  not: { required: ['nfs'] },
  properties: { hostPath: { ...shared(true), required: ['shared'] } },
};
const LOCAL_PATH: JsonSchema = {
  required: ['hostPath'],
  not: { required: ['nfs'] },
  properties: { hostPath: shared(false) },
};

/** values.schema.json. */
export const valuesSchema = (): JsonSchema => {
  const schema = toJsonSchema(values);
  const setPools = (name: string, kinds: readonly JsonSchema[]): void => {
    const driverSchema = schema.properties?.[name];
    if (typeof driverSchema === 'object') {
      driverSchema.properties = { ...driverSchema.properties, pools: poolsSchema(kinds) };
    }
  };
  setPools('local', [LOCAL_PATH]);
  setPools('shared', [NFS, SHARED_PATH]);
  return schema;
};
