import type { TestDriver } from '../support/driver.ts';
import { lifeOf, measure } from './calls.ts';
import { median } from './table.ts';

/** Lives through volume after volume on a server that nothing is wrong with, and takes the time of every call. */
export interface Bystander {
  /** Finishes the round that runs. */
  readonly stop: () => Promise<Times>;
}

export interface Times {
  readonly rounds: number;
  readonly medianOf: (rpc: string) => number;
  readonly slowestMs: number;
  /** Calls that failed, in words. */
  readonly failures: readonly string[];
}

export const watchRounds = (driver: TestDriver, pool: string): Bystander => {
  const taken = new Map<string, number[]>();
  const failures: string[] = [];
  let rounds = 0;
  let stopped = false;
  const work = async (): Promise<void> => {
    while (!stopped) {
      for (const [rpc, send] of lifeOf(driver, pool, `${pool}-other`)) {
        const { code, details, ms } = await measure(send);
        taken.set(rpc, [...(taken.get(rpc) ?? []), ms]);
        if (code !== 'OK') failures.push(`${rpc}: ${code} ${details}`);
      }
      rounds += 1;
    }
  };
  const working = work();
  return {
    stop: async () => {
      stopped = true;
      await working;
      const slowestMs = Math.max(...[...taken.values()].flat());
      return { rounds, failures, slowestMs, medianOf: (rpc) => median(taken.get(rpc) ?? []) };
    },
  };
};
