import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { type GeneratedFile, writeOrCheck } from '../generated.ts';
import { valuesSchema } from './schema.ts';
import { valuesTable } from './values-table.ts';

// Writes what is made from the chart and its values: the schema, the README's table, the plain manifests of deploy/.
// With --check says what is not current.

const PROJECT = resolve(import.meta.dirname, '../..');
const CHART = 'charts/csi-driver-subdir';

const read = (path: string): Promise<string> => readFile(resolve(PROJECT, path), 'utf8');

const schema = (): GeneratedFile => ({
  path: `${CHART}/values.schema.json`,
  text: `${JSON.stringify(valuesSchema(), null, 2)}\n`,
});

const MARK = '<!-- values: made from values.yaml, npm run generate -->';

const readme = async (): Promise<GeneratedFile> => {
  const path = `${CHART}/README.md`;
  const [before = ''] = (await read(path)).split(MARK);
  return { path, text: `${before}${MARK}\n\n${valuesTable(await read(`${CHART}/values.yaml`))}\n` };
};

/** Without Helm's own labels: the manifests are for people who do not use it. */
const HELM_LABELS = /^ +(?:helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm;
const SOURCE = /^# Source: .*\n/gm;

const manifest = async (name: string, head: string, values: readonly string[]): Promise<GeneratedFile> => {
  const bin = await run(resolve(PROJECT, 'test/e2e/ground/build'), ['helm']);
  const args = [
    'template',
    'csi-subdir',
    CHART,
    '--namespace=csi-subdir',
    '--skip-tests',
    '--skip-schema-validation',
    ...values,
  ];
  const rendered = (await run(resolve(bin.trim(), 'helm'), args))
    .replace(SOURCE, '')
    .replace(HELM_LABELS, '')
    .replace(/\n\s*\n/g, '\n');
  return { path: `deploy/${name}.yaml`, text: `${head}${NAMESPACE}${rendered}` };
};

const run = async (program: string, args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(program, [...args], { cwd: PROJECT, maxBuffer: 2 ** 24 })).stdout;

const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: csi-subdir
  labels:
    # The driver mounts on the host: it is privileged and uses hostPath.
    pod-security.kubernetes.io/enforce: privileged
`;

const LOCAL = `# The local driver: directories below /var/lib/csi-subdir of the node a pod runs on.
#
#   kubectl apply -f deploy/local.yaml
#
# Made from the chart by npm run generate: do not edit.
`;

const SHARED = `# The shared driver: directories on an NFS export. Write your server and export where it says nas.example.com, twice.
#
#   kubectl apply -f deploy/shared.yaml
#
# Made from the chart by npm run generate: do not edit.
`;

const NFS = ['server=nas.example.com', 'export=/export/volumes'].map((set) => `--set=shared.pools.nas.nfs.${set}`);

process.exit(
  await writeOrCheck([
    schema(),
    await readme(),
    await manifest('local', LOCAL, []),
    await manifest('shared', SHARED, ['--set=local.enabled=false,shared.enabled=true', ...NFS]),
  ]),
);
