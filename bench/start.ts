import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withDriver } from './home.ts';
import { type Memory, readMemory, rest } from './memory.ts';
import type { Plan } from './plan.ts';
import { median } from './tally.ts';

export interface StartReport {
  readonly volumes: number;
  /** Milliseconds from the spawn to the line that says it serves: the middle of some starts. */
  readonly ms: number;
  readonly memory: Memory;
}

/** Starts the driver over what is in the pool already. */
export const measureStarts = async (plan: Plan, home: string, interrupted: AbortSignal): Promise<StartReport> => {
  const starts: { ms: number; memory: Memory }[] = [];
  for (let start = 0; start < plan.starts; start += 1) {
    interrupted.throwIfAborted();
    const spawned = Date.now();
    starts.push(
      await withDriver(home, async ({ output, pid }) => {
        const ms = servingSince(output()) - spawned;
        await rest(plan.restMs);
        return { ms, memory: await readMemory(pid) };
      }),
    );
  }
  return {
    volumes: (await readdir(join(home, 'root/.csi-subdir/volumes'))).length,
    ms: median(starts.map(({ ms }) => ms)),
    memory: {
      rss: median(starts.map(({ memory }) => memory.rss)),
      privateBytes: median(starts.map(({ memory }) => memory.privateBytes)),
    },
  };
};

const servingSince = (output: string): number =>
  Date.parse(/"time":"([^"]+)".*"msg":"serving"/.exec(output)?.[1] ?? '');
