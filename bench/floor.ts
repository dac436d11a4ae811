import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { FloorName } from './rows.ts';
import type { Tally } from './tally.ts';

/** Milliseconds of each piece of bare work. */
export type FloorTimes = Partial<Record<FloorName, readonly number[]>>;

/** What this machine takes for the bare work that a call cannot do without: no driver, no gRPC, no checks. */
export const measureFloors = async (home: string, callers: number, count: number, tally: Tally): Promise<void> => {
  const program = fileURLToPath(import.meta.resolve('./floor-process.ts'));
  const args = [program, join(home, 'floor'), String(callers), String(count)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e8 });
  const times: FloorTimes = JSON.parse(stdout);
  for (const [name, ms] of Object.entries(times)) tally.add(name, callers, ms);
};
