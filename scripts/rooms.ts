import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { writeOrCheck } from './generated.ts';
import { code, table } from './table.ts';

// Writes docs/explanation/rooms.md, its picture and the linter's rules about imports; with --check says what is not
// current.

const SOURCE = resolve(import.meta.dirname, '../src');

/** The rooms from top to bottom. A room imports only rooms below it. */
const ROOMS: Readonly<Record<string, string>> = {
  cli: 'The commands of csi-subdir, a file for each.',
  server: 'Builds the driver from its configuration, starts and stops it, and serves probes and metrics.',
  config: 'Reads and checks flags, environment and the pools file.',
  rpc: 'The gRPC services: decode a request, call an operation, encode its result or its error.',
  node: 'Stages and publishes volumes on a node, and reports their usage.',
  background: 'Opens pools, empties the trash, and completes what others left unfinished.',
  snapshots: 'Creates, deletes and lists snapshots and groups of them.',
  volumes: 'Creates, deletes, expands, modifies, validates and lists volumes.',
  copies: 'Queues copies, and populates a volume from its source.',
  index: 'What is known of a pool in memory: records, budget, locks, pages of a list.',
  pools: 'What a pool is: a host path, a shared path or an NFS export.',
  worker: 'Runs file work of shared pools in a process that can be killed.',
  roots: 'Everything that can be done below the root of a pool, on an open directory.',
  trees: 'Copies whole trees, and deletes them.',
  quotas: 'Enforces sizes: project quotas, and quota groups and subvolumes of btrfs.',
  store: "The driver's own files on a pool: layout, records, compare-and-swap.",
  system: 'The operating system: mounts, the mount table, directories without symbolic links, sockets.',
  subprocess: 'Starts subprocesses with a deadline, low priority or a mount namespace.',
  requests: 'The texts of a request: parameters, mount options, templates, volume attributes.',
  domain: 'Data and rules without any effect: volumes, snapshots, records, sizes, paths.',
  errors: 'The one error class, its kinds, and what an errno means.',
};

interface Room {
  readonly name: string;
  readonly sentence: string;
  readonly files: readonly string[];
  readonly imports: readonly string[];
}

const readRoom = async (name: string): Promise<Room> => {
  const files = (await readdir(resolve(SOURCE, name))).filter((file) => !file.endsWith('.test.ts')).sort();
  const texts = await Promise.all(files.map((file) => readFile(resolve(SOURCE, name, file), 'utf8')));
  const found = new Set(texts.flatMap((text) => [...text.matchAll(/'\.\.\/([a-z]+)\//g)].map(([, room]) => room)));
  return {
    name,
    sentence: ROOMS[name] ?? '',
    files,
    imports: [...Object.keys(ROOMS), 'gen'].filter((room) => found.has(room)),
  };
};

const requireComplete = async (): Promise<void> => {
  const folders = (await readdir(SOURCE, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const unknown = folders.map(({ name }) => name).filter((name) => name !== 'gen' && !(name in ROOMS));
  if (unknown.length > 0) throw new Error(`scripts/rooms.ts: not described: ${unknown.join(', ')}`);
};

const page = (rooms: readonly Room[]): string => `<!-- Made by scripts/rooms.ts. Do not edit: npm run generate -->

# The rooms of src/

Each folder of \`src/\` is a room with one concern. A room imports only rooms below it in this table; Biome enforces that
(\`noRestrictedImports\`), with rules that are generated in the same order. Only the rooms from \`subprocess\` to
\`worker\` touch files and start processes, only \`rpc\` uses gRPC. \`main.ts\` starts the command, \`gen/\` is made from \`proto/\`.
[ADR 47](../adr/0047-a-room-for-each-concern.md) says why.

![The rooms, from the commands at the top to the errors at the bottom](rooms.svg)

${table(
  ['room', 'what it does', 'imports', 'files'],
  rooms.map(({ name, sentence, imports, files }) => [
    code(`${name}/`),
    sentence,
    imports.join(', '),
    files.map((file) => file.replace('.ts', '')).join(', '),
  ]),
)}
`;

const ROW = 34;
const WIDTH = 860;

const picture = (rooms: readonly Room[]): string => {
  const height = rooms.length * ROW + 10;
  const rows = rooms.map(({ name, sentence }, index) => {
    const y = index * ROW + 5;
    return [
      `  <rect x="5" y="${y}" width="${WIDTH - 10}" height="${ROW - 6}" rx="4" fill="${colourOf(name)}" stroke="#57606a"/>`,
      `  <text x="16" y="${y + 19}" font-weight="bold">${name}/</text>`,
      `  <text x="140" y="${y + 19}">${sentence.replaceAll('&', '&amp;')}</text>`,
    ].join('\n');
  });
  return `<!-- Made by scripts/rooms.ts. Do not edit: npm run generate -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="14" fill="#1f2328" role="img">
<title>The rooms of src/, from the commands at the top to the errors at the bottom</title>
${rows.join('\n')}
</svg>
`;
};

/** What touches files and starts subprocesses. */
const TOUCHES_SYSTEM = ['worker', 'roots', 'trees', 'quotas', 'store', 'system', 'subprocess'];
/** What has no effect at all. */
const PURE = ['requests', 'domain', 'errors'];

const colourOf = (room: string): string => {
  if (TOUCHES_SYSTEM.includes(room)) return '#fff1e5';
  return PURE.includes(room) ? '#dafbe1' : '#ddf4ff';
};

const SYSTEM = ['node:fs', 'node:fs/**', 'node:child_process', 'execa'];
const NETWORK = ['@grpc/**', 'prom-client'];

/** The packages that a room must not import, and why. */
const restrictionOf = (room: string): { readonly group: readonly string[]; readonly message: string } | undefined => {
  if (['cli', 'server', 'config'].includes(room)) return undefined;
  if (room === 'rpc') return { group: [...SYSTEM, 'prom-client'], message: 'rpc/ touches nothing but the protocol.' };
  if (TOUCHES_SYSTEM.includes(room)) return { group: NETWORK, message: 'Only rpc/ uses gRPC, only server/ metrics.' };
  if (PURE.includes(room))
    return {
      group: [...SYSTEM, ...NETWORK, 'pino'],
      message: `${room}/ is pure: no files, no subprocesses, no network.`,
    };
  return {
    group: [...SYSTEM, ...NETWORK],
    message: 'Only the rooms from worker/ down touch the system, only rpc/ uses gRPC.',
  };
};

/** See https://biomejs.dev/linter/rules/no-restricted-imports. Tests may import anything. */
const rules = (names: readonly string[]): string => {
  const overrides = names.map((room, index) => {
    const above = {
      group: [...names.slice(0, index).map((other) => `../${other}/**`), '../*.ts'],
      message: `${room}/ may import only the rooms below it in docs/explanation/rooms.md.`,
    };
    const packages = restrictionOf(room);
    const patterns = packages === undefined ? [above] : [above, packages];
    return {
      includes: [`src/${room}/**`, '!**/*.test.ts'],
      linter: { rules: { style: { noRestrictedImports: { level: 'error', options: { patterns } } } } },
    };
  });
  return `${JSON.stringify({ overrides }, undefined, 2)}\n`;
};

await requireComplete();
const rooms = await Promise.all(Object.keys(ROOMS).map(readRoom));
process.exitCode = await writeOrCheck([
  { path: 'docs/explanation/rooms.md', text: page(rooms) },
  { path: 'docs/explanation/rooms.svg', text: picture(rooms) },
  { path: 'scripts/rooms.biome.json', text: rules(Object.keys(ROOMS)) },
]);
