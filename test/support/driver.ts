import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type CsiClient, connectCsi } from '../../src/rpc/client.ts';

/** A driver process of a test's own: the bundle that ships, on a socket, a root and a kubelet folder below `home`. */
export interface TestDriver extends CsiClient {
  readonly home: string;
  readonly root: string;
  readonly kubeletDir: string;
  readonly socket: string;
  readonly pid: number;
  readonly httpPort: number;
  /** Everything it has written so far. */
  readonly output: () => string;
  /** Resolves with its exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly stop: () => Promise<void>;
}

export interface DriverOptions {
  /** Keep the folder of an earlier driver: a restart. */
  readonly home?: string;
  /** The root of the pool `main`; left out: one of its own. */
  readonly root?: string;
  /** More keys of the pool `main`. */
  readonly pool?: Readonly<Record<string, unknown>>;
  /** The pool `main` is one that every node reaches. */
  readonly shared?: boolean;
  /** More pools. */
  readonly pools?: Readonly<Record<string, unknown>>;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than the bundle: one with fault points. */
  readonly entry?: string;
  /** A command that becomes the driver: it is given the driver's command as its last arguments. */
  readonly through?: readonly string[];
}

export const BUNDLE = resolve(import.meta.dirname, '../../dist/csi-subdir.cjs');
export const isRoot = process.getuid?.() === 0;

export const makeHome = (): Promise<string> => mkdtemp(join(tmpdir(), 'csi-subdir-test-'));

export const startDriver = async (options: DriverOptions = {}): Promise<TestDriver> => {
  const home = options.home ?? (await makeHome());
  const paths = {
    root: options.root ?? join(home, 'root'),
    kubeletDir: join(home, 'kubelet'),
    socket: join(home, 'csi.sock'),
  };
  await mkdir(paths.root, { recursive: true });
  await mkdir(paths.kubeletDir, { recursive: true });
  await writeFile(
    join(home, 'config.yaml'),
    stringify({
      pools: {
        main: {
          hostPath: { path: paths.root, shared: options.shared ?? false },
          inlineCapacity: '100Gi',
          ...options.pool,
        },
        ...options.pools,
      },
    }),
  );

  const args = [
    // As the image runs it.
    '--max-semi-space-size=4',
    options.entry ?? BUNDLE,
    'serve',
    ...['--config', join(home, 'config.yaml')],
    ...['--socket', paths.socket],
    ...['--kubelet-dir', paths.kubeletDir],
    ...['--node-id', 'node-1'],
    ...['--http', '127.0.0.1:0'],
    ...['--log-level', 'trace'],
    ...(options.flags ?? []),
  ];
  const [binary = '', ...rest] = [...(options.through ?? []), process.execPath, ...args];
  const child = spawn(binary, rest, {
    env: { ...process.env, MALLOC_ARENA_MAX: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collect(child);
  const ended = new Promise<number | NodeJS.Signals>((done) => {
    child.once('close', (code, signal) => done(code ?? signal ?? 'SIGKILL'));
  });
  const httpPort = await listening(output, ended);
  const client = connectCsi(paths.socket);
  const stop = async (): Promise<void> => {
    client.close();
    child.kill('SIGTERM');
    await ended;
  };
  return { ...client, ...paths, home, pid: child.pid ?? 0, httpPort, output, ended, stop };
};

/** Removes a test's folder. Fails when something is still mounted below it: that is a leak. */
export const removeHome = async (home: string): Promise<void> => {
  const mounts = await mountsBelow(home);
  if (mounts.length > 0) throw new Error(`left mounted: ${mounts.join(', ')}`);
  await rm(home, { recursive: true, force: true });
};

/** Mount points below a folder, in the order of the mount table. */
export const mountsBelow = async (folder: string): Promise<readonly string[]> => {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table.split('\n').flatMap((line) => {
    const mountPoint = line.split(' ')[4] ?? '';
    return mountPoint.startsWith(`${folder}/`) ? [mountPoint] : [];
  });
};

const collect = (child: ChildProcess): (() => string) => {
  const chunks: string[] = [];
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  return () => chunks.join('');
};

const listening = async (output: () => string, ended: Promise<unknown>): Promise<number> => {
  let gone = false;
  void ended.then(() => {
    gone = true;
  });
  for (;;) {
    const port = /"httpPort":(\d+).*"msg":"serving"/.exec(output())?.[1];
    if (port !== undefined) return Number(port);
    if (gone) throw new Error(`the driver has ended: ${output()}`);
    await new Promise((next) => setTimeout(next, 20));
  }
};
