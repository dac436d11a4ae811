import { writeFile } from 'node:fs/promises';
import { isRoot } from '../test/support/driver.ts';
import { measureCalls } from './calls.ts';
import { withHome } from './home.ts';
import { describeMachine } from './machine.ts';
import { type Options, parseOptions } from './options.ts';
import { showCalls, showLoops, showMachine, showMemory, showScale, showStarts } from './report.ts';
import { measureScale } from './scale.ts';
import { measureStarts } from './start.ts';

/** What the driver costs on this machine. Judges no time, but fails on any error. */
const run = async ({ plan, json }: Options, interrupted: AbortSignal): Promise<void> => {
  if (!isRoot) throw new Error('root is needed: volumes are mounted');
  const machine = await describeMachine();
  showMachine(machine);

  const calls = await withHome((home) => measureCalls(plan, home, interrupted));
  showCalls(calls);
  showLoops(calls);

  const { scale, starts } = await withHome(async (home) => {
    const empty = await measureStarts(plan, home, interrupted);
    const filled = await measureScale(plan, home, interrupted);
    return { scale: filled, starts: [empty, await measureStarts(plan, home, interrupted)] };
  });
  showScale(scale);
  showStarts(starts);
  showMemory(calls, scale, starts);

  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, calls, scale, starts }, null, 2)}\n`);
};

/** Ends at the next call, so that everything is taken down on the way out. */
const interruption = (): AbortSignal => {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(new Error(`interrupted by ${signal}`)));
  }
  return controller.signal;
};

try {
  await run(parseOptions(process.argv.slice(2)), interruption());
} catch (thrown) {
  process.stderr.write(`bench: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 1;
}
