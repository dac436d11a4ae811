import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A driver in a process of its own. */
export interface ServeProcess {
  /** Ends it with SIGTERM and waits; again: nothing more. */
  readonly stop: () => Promise<void>;
}

/** Runs this program's `serve` and waits until it says that it serves. Throws what it wrote when it ends instead. */
export const startServe = async (flags: readonly string[]): Promise<ServeProcess> => {
  const [node, program] = process.argv;
  // A process group of its own: Ctrl-C is for us, and we end it in order.
  const child = spawn(node ?? 'node', [program ?? '', 'serve', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout });
  const serving = new Promise<void>((resolve) => {
    lines.on('line', (line) => line.includes('"msg":"serving"') && resolve());
  });
  const failed = ended.then(() => {
    throw new Error('the driver has ended before it served');
  });
  await Promise.race([serving, failed]);
  failed.catch(() => {});
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
};
