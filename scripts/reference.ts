import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { status } from '@grpc/grpc-js';
import * as z from 'zod';
import { describeOptions } from '../src/cli/help.ts';
import { optionsSchema, poolSchema } from '../src/config.ts';
import { DriverError, type ErrorKind } from '../src/domain/errors.ts';
import { MUTABLE_PARAMETERS, STORAGE_CLASS_PARAMETERS } from '../src/domain/parameters.ts';
import { createMetrics } from '../src/metrics.ts';
import { toStatus } from '../src/rpc/status.ts';

// Writes docs/reference/ from the code that defines what it describes; with --check says what is not current.

const FOLDER = resolve(import.meta.dirname, '../docs/reference');
const NOTICE = '<!-- Made by scripts/reference.ts from the code. Do not edit: npm run generate -->';

interface Page {
  readonly file: string;
  readonly title: string;
  readonly body: string;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

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
  body: `A YAML file, read once at start: \`pools\` maps the name of each pool (a DNS label) to the keys below. Unknown keys
are refused, and all problems are reported at once. How to write one: [a guide](../guides/write-a-pool-config.md).

${table(['key', 'value', 'default', 'meaning'], describeKeys(poolSchema, ''))}`,
});

const describeKeys = ({ shape }: z.ZodObject, prefix: string): readonly (readonly string[])[] =>
  Object.entries(shape).flatMap(([key, field]) => {
    const path = `${prefix}${key}`;
    const { description = '' } = z.globalRegistry.get(field) ?? {};
    const inner = field instanceof z.ZodObject ? describeKeys(field, `${path}.`) : [];
    return [
      [code(path), inner.length > 0 ? '' : describeValue(field), describeDefault(key, field), description],
      ...inner,
    ];
  });

/** What a key may be: as its own complaint says it, else as its JSON Schema does. */
const describeValue = (field: z.core.$ZodType | undefined): string => {
  if (field === undefined) return '';
  const expected = z.safeParse(field, '?').error?.issues[0]?.message.match(/^expected (.*?)(?:, got .*)?$/)?.[1];
  if (expected !== undefined) return expected;
  const schema = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' });
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  return String(schema.type ?? '');
};

/** As it is written in the file: the schema's own default is what it has become. */
const describeDefault = (key: string, field: z.core.$ZodType): string => {
  const { success, data } = z.safeParse(field, undefined);
  if (!success) return 'required';
  if (data === undefined) return '';
  return code(key === 'mode' ? `"0${Number(data).toString(8)}"` : String(data));
};

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
  'not-found': 'No such volume, pool or directory.',
  'already-exists': 'The name is taken by a volume that differs, or something else is mounted at the path.',
  'out-of-range': 'A size that cannot be: negative, 2^53 or more, or below what the volume has.',
  'failed-precondition': 'Something must be changed first: a directory, a link, a permission, a read-only file system.',
  'no-space': "The pool's capacity or its disk is used up, or the volume is wanted on another node.",
  aborted: 'Another call works at the same volume, or the page token is not one.',
  'deadline-exceeded': 'No answer in time. The work may still go on; the same call again meets it.',
  unavailable: 'The pool is not open yet, the driver is stopping, or the disk reports errors.',
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
CreateVolume: *final* means that it takes nothing to be going on any more, not that it stops trying; what it means is
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

const render = ({ title, body }: Page): string => `${NOTICE}\n\n# ${title}\n\n${body}\n`;

const check = async (pages: readonly Page[]): Promise<number> => {
  let stale = 0;
  for (const page of pages) {
    const there = await readFile(resolve(FOLDER, page.file), 'utf8').catch(() => undefined);
    if (there === render(page)) continue;
    stale += 1;
    process.stderr.write(`check: docs/reference/${page.file} is not current: npm run generate\n`);
  }
  return stale === 0 ? 0 : 1;
};

const write = async (pages: readonly Page[]): Promise<number> => {
  await mkdir(FOLDER, { recursive: true });
  for (const page of pages) await writeFile(resolve(FOLDER, page.file), render(page));
  return 0;
};

const pages = [options(), poolConfig(), storageClass(), metrics(), errors()];
// The metrics keep timers of their own.
process.exit(await (process.argv.includes('--check') ? check(pages) : write(pages)));
