import type { TestDriver } from '../test/support/driver.ts';
import { deleteVolumes, makeVolume, nameVolumes } from './controller.ts';
import { withDriver } from './home.ts';
import { load } from './load.ts';
import { type Memory, readMemory, rest } from './memory.ts';
import type { Plan } from './plan.ts';
import { type Quantiles, quantiles } from './tally.ts';

export interface ScaleReport {
  readonly idle: Memory;
  readonly steps: readonly ScaleStep[];
}

/** What it is like with a number of volumes. */
export interface ScaleStep {
  readonly volumes: number;
  readonly memory: Memory;
  /** CreateVolume, one caller. */
  readonly create: Quantiles;
}

/** Fills the pool and looks, at each population, what one more volume costs. Leaves the volumes where they are. */
export const measureScale = (plan: Plan, home: string, interrupted: AbortSignal): Promise<ScaleReport> =>
  withDriver(home, async (driver) => {
    await rest(plan.restMs);
    const idle = await readMemory(driver.pid);
    const steps: ScaleStep[] = [];
    let made = 0;
    const make = async (callers: number, count: number): Promise<readonly number[]> => {
      made += count;
      return (await load(callers, nameVolumes(count), (name) => makeVolume(driver, name), interrupted)).ms;
    };

    await warmUp(driver, plan, interrupted);
    for (const volumes of plan.populations) {
      await make(plan.warmUp.callers, volumes - made);
      await rest(plan.restMs);
      const memory = await readMemory(driver.pid);
      steps.push({ volumes, memory, create: quantiles(await make(1, plan.creations)) });
    }
    return { idle, steps };
  });

/** The first calls of a process are slow: its code is still being compiled. */
const warmUp = async (driver: TestDriver, { warmUp: { callers, volumes } }: Plan, interrupted: AbortSignal) => {
  const { results } = await load(callers, nameVolumes(volumes), (name) => makeVolume(driver, name), interrupted);
  await deleteVolumes(driver, results, async (_row, items, call) => Promise.all(items.map(call)));
};
