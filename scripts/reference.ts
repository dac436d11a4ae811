import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { status } from '@grpc/grpc-js';
import * as z from 'zod';
import { describeOptions } from '../src/cli/help.ts';
import { optionsSchema } from '../src/config/options.ts';
import { poolSchema } from '../src/config/pool.ts';
import type { ErrorKind } from '../src/errors/error-kind.ts';
import { DriverError } from '../src/errors/errors.ts';
import { INLINE_ATTRIBUTES } from '../src/requests/inline.ts';
import {
  ALTERNATIVES,
  BIND_OPTIONS,
  NFS_OPTIONS,
  type NfsOption,
  SYNONYMS,
  WITHOUT_EFFECT,
} from '../src/requests/mount-options.ts';
import { MUTABLE_PARAMETERS, STORAGE_CLASS_PARAMETERS } from '../src/requests/parameters.ts';
import { toStatus } from '../src/rpc/status.ts';
import { createMetrics } from '../src/server/metrics.ts';
import { type Proof, requirementsOf } from '../test/spec/requirements.ts';
import { writeOrCheck } from './generated.ts';
import { code, table } from './table.ts';

// Writes docs/reference/ from the code that defines what it describes; with --check says what is not current.

const NOTICE = '<!-- Made by scripts/reference.ts from the code. Do not edit: npm run generate -->';

interface Page {
  readonly file: string;
  readonly title: string;
  readonly body: string;
}

const options = (): Page => ({
  file: 'options.md',
  title: 'Options of the process',
  body: `Of \`csi-subdir serve\`; \`check\` and \`volumes list\` take the same. A flag wins over the environment. Pools are not
options: they are in the file that \`--config\` names, see [pool-config.md](pool-config.md).

${table(
  ['flag', 'environment', 'value', 'default', 'meaning'],
  describeOptions().map(({ flag, variable, fallback, text }, index) => {
    const value = describeValue(Object.values(optionsSchema.shape)[index]);
    return [code(flag), code(variable), value, code(fallback), text];
  }),
)}`,
});

const poolConfig = (): Page => ({
  file: 'pool-config.md',
  title: 'Pools file',
  body: `A YAML file, read once at start: \`pools\` maps the name of each pool (a DNS label) to the keys below. A dot stands
for a level: \`nfs.server\` is \`server\` below \`nfs\`. Unknown keys are refused, and all problems are reported at once.
How to write one: [a guide](../guides/write-a-pool-config.md).

${table(['key', 'value', 'default', 'meaning'], describeKeys(poolSchema, ''))}

- A pool has either \`hostPath\` or \`nfs\`.
- Pools of one node (\`hostPath\`) and shared ones (\`nfs\`, \`hostPath\` with \`shared: true\`) belong to two drivers: one
  file has one sort.
- The path of one \`hostPath\` pool must not be that of another, nor lie inside it.
- What a list of mount options may contain: [mount-options.md](mount-options.md).`,
});

const describeKeys = ({ shape }: z.ZodObject, prefix: string): readonly (readonly string[])[] =>
  Object.entries(shape).flatMap(([key, field]) => {
    const path = `${prefix}${key}`;
    const { description = '' } = z.globalRegistry.get(field) ?? {};
    const folder = unwrap(field);
    if (folder instanceof z.ZodObject) return [[code(path), '', '', description], ...describeKeys(folder, `${path}.`)];
    return [[code(path), describeValue(field), describeDefault(key, field), description]];
  });

/** A schema without what makes it optional. */
const unwrap = (field: z.core.$ZodType): z.core.$ZodType =>
  field instanceof z.ZodOptional || field instanceof z.ZodPrefault || field instanceof z.ZodDefault
    ? unwrap(field.unwrap())
    : field;

/** What a key may be: as its own complaint says it, else as its JSON Schema does. */
const describeValue = (field: z.core.$ZodType | undefined): string => {
  if (field === undefined) return '';
  const expected = z.safeParse(field, '?').error?.issues[0]?.message.match(/^expected (.*?)(?:, got .*)?$/)?.[1];
  if (expected !== undefined) return expected;
  const schema = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' });
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'array') return 'a list of mount options';
  return String(schema.type ?? '');
};

/** As it is written in the file: the schema's own default is what it has become. */
const describeDefault = (key: string, field: z.core.$ZodType): string => {
  const { success, data } = z.safeParse(field, undefined);
  if (!success) return 'required';
  if (data === undefined) return '';
  if (Array.isArray(data)) return code(`[${data.join(', ')}]`);
  return code(key === 'mode' ? `"0${Number(data).toString(8)}"` : String(data));
};

const mountOptions = (): Page => ({
  file: 'mount-options.md',
  title: 'Mount options',
  body: `What \`mountOptions\` of a StorageClass or a PV may contain, and \`nfs.mountOptions\` and
\`nfs.controller.mountOptions\` of a pool. Any other option is refused, by its key alone: its value may be a credential.
One entry may hold several, with commas between them.

## Of every mount

${BIND_OPTIONS.map(code).join(', ')}.

A volume is bound to each pod with those of its StorageClass or PV. A restriction (\`ro\`, \`nosuid\`, \`nodev\`,
\`noexec\`) that the mount below has is kept; \`rw\`, \`suid\`, \`dev\` and \`exec\` lift none. In the lists of a pool they
are options of its NFS mounts, so they hold for all its volumes.

## Of NFS mounts

Those of nfs(5), for volumes of \`nfs\` pools. They are used when the volume is staged, after those of the pool. A node
stages a volume once, for all its pods there.

${table(['option', 'value'], NFS_OPTIONS.map(describeMountOption))}

${Object.entries(SYNONYMS)
  .map(([written, meant]) => `${code(written)} means ${code(meant)}`)
  .join(', ')}.

## Without effect

${WITHOUT_EFFECT.map(code).join(', ')}, and those that begin with ${code('x-systemd.')}: accepted, because classes and
/etc/fstab have them, and left out.

## Refused, with an alternative

${table(
  ['option', 'instead'],
  Object.entries(ALTERNATIVES).map(([key, text]) => [code(key), text]),
)}`,
});

const describeMountOption = ({ keys, values = [], digits }: NfsOption): readonly string[] => [
  keys.map(code).join(', '),
  digits === undefined ? values.map(code).join(', ') : `a number of at most ${digits} digits`,
];

const storageClass = (): Page => ({
  file: 'storage-class.md',
  title: 'StorageClass parameters',
  body: `All are optional, but \`pool\` where the driver has several. What is left out has the pool's value
([pool-config.md](pool-config.md)). Unknown keys are refused, those of Kubernetes (\`csi.storage.k8s.io/…\`) excepted. The
mutable ones are those of a VolumeAttributesClass too: CreateVolume takes them from it, and ControllerModifyVolume
changes them later.

${table(
  ['parameter', 'mutable', 'meaning'],
  Object.entries(STORAGE_CLASS_PARAMETERS).map(([key, text]) => [code(key), isMutable(key) ? 'yes' : 'no', text]),
)}

## Inline volumes

What \`volumeAttributes\` of a volume may say that is written into a pod (\`volumes[].csi\`, driver
\`local.csi-subdir.dev\`, or \`shared.csi-subdir.dev\` where the chart has \`shared.inlineVolumes\`). Whoever may make a
pod writes them, so they say little: owner and mode are the pool's, and the directory goes with the pod, whatever the
pool's \`onDelete\` says. Its size counts against the pool's \`capacity\`.

${table(
  ['attribute', 'meaning'],
  Object.entries(INLINE_ATTRIBUTES).map(([key, text]) => [code(key), text]),
)}`,
});

const isMutable = (key: string): boolean => (MUTABLE_PARAMETERS as readonly string[]).includes(key);

const metrics = (): Page => {
  const { registry } = createMetrics('', '');
  const rows = registry.getMetricsAsArray().map((metric) => {
    const { labelNames = [] } = metric as { readonly labelNames?: readonly string[] };
    return [code(metric.name), String(metric.type), labelNames.map(code).join(', '), metric.help];
  });
  const head = ['metric', 'type', 'labels', 'meaning'];
  const isOurs = ([name = '']: readonly string[]): boolean => name.startsWith('`csi_');
  return {
    file: 'metrics.md',
    title: 'Metrics',
    body: `At \`/metrics\` of the address that \`--http\` names, in the Prometheus text format. The metrics of pools are taken
afresh at every scrape.

${table(head, rows.filter(isOurs))}

Those of the process come with the Prometheus client:

${table(
  head,
  rows.filter((row) => !isOurs(row)),
)}`,
  };
};

/** When a kind is used. A kind without a line here does not compile. */
const KINDS: Readonly<Record<ErrorKind, string>> = {
  'invalid-argument': 'A field is not what it must be. The message names the field and what was expected.',
  'not-found': 'No such volume, pool, directory or export, or nothing is mounted at the path.',
  'already-exists': 'The name is taken by a volume that differs, or something else is mounted at the path.',
  'out-of-range': 'A size that cannot be: negative, 2^53 or more, or below what the volume has.',
  'failed-precondition':
    'Something must be changed first: a directory, a link, a permission, a mount that pods still use.',
  'no-space': "The pool's capacity or its disk is used up, or the volume is wanted on another node.",
  conflict: 'Another controller has changed the same volume in the meantime.',
  aborted:
    'Another call works at the same volume, it changes too fast for a copy, its copy was cancelled, or the page token is not one.',
  'deadline-exceeded':
    'No answer in time, or a copy makes no progress. The work may still go on; the same call again meets it.',
  unavailable: 'The pool is not open yet, its server says no, or the driver is stopping.',
  unreachable:
    'The storage cannot be talked to: the server is silent or refuses connections, or the disk reports errors.',
  internal: "A fault. The message has the id of the request; its cause is in the driver's log.",
};

/** https://github.com/kubernetes-csi/external-provisioner, checkError */
const isGoingOn = (answer: status): boolean =>
  [status.CANCELLED, status.DEADLINE_EXCEEDED, status.UNAVAILABLE, status.ABORTED].includes(answer);

const readBySidecar = (answer: status): string => {
  if (answer === status.RESOURCE_EXHAUSTED) return 'final, or another node is tried';
  return isGoingOn(answer) ? 'may still be going on' : 'final';
};

const errors = (): Page => ({
  file: 'errors.md',
  title: 'Errors',
  body: `Every error has a kind, and every kind one gRPC status. The last column is what external-provisioner makes of it in
CreateVolume: _final_ means that it takes nothing to be going on any more, not that it stops trying; what it means is
in [errors and sidecars](../explanation/errors.md).

${table(
  ['kind', 'gRPC status', 'when', 'external-provisioner'],
  Object.entries(KINDS).map(([kind, text]) => {
    const answer = toStatus(new DriverError(kind as ErrorKind, ''), '').code;
    return [code(kind), code(status[answer]), text, readBySidecar(answer)];
  }),
)}

A method that is not served answers \`UNIMPLEMENTED\`.`,
});

const requirements = async (): Promise<string> => {
  const page = await readFile(resolve(import.meta.dirname, '../docs/reference/csi.md'), 'utf8');
  const [byHand = ''] = page.split('\n### every RPC\n', 1);
  const rows = Map.groupBy(requirementsOf(), ({ rpc }) => rpc);
  const tables = [...rows].map(([rpc, all]) => {
    const cells = all.map(({ strength, text, proofs }) => [strength, text, proofs.map(describeProof).join('; ')]);
    return `### ${rpc}\n\n${table(['', 'requirement', 'proof'], cells)}\n`;
  });
  return [`${byHand.trimEnd()}\n`, ...tables].join('\n');
};

const describeProof = (proof: Proof): string =>
  proof.by === 'csi-sanity' ? `csi-sanity: ${proof.title}` : `${basename(proof.file, '.test.ts')}: ${proof.title}`;

const render = ({ title, body }: Page): string => `${NOTICE}\n\n# ${title}\n\n${body}\n`;

const pages = [options(), poolConfig(), mountOptions(), storageClass(), metrics(), errors()];
// The metrics keep timers of their own.
process.exit(
  await writeOrCheck([
    ...pages.map((page) => ({ path: `docs/reference/${page.file}`, text: render(page) })),
    { path: 'docs/reference/csi.md', text: await requirements() },
  ]),
);
