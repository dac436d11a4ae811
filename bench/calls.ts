import type { TestDriver } from '../test/support/driver.ts';
import { askController, deleteVolumes, makeVolumes } from './controller.ts';
import { type LoopDelay, readLoopDelay } from './event-loop.ts';
import { measureFloors } from './floor.ts';
import { withDriver } from './home.ts';
import { load, type Measure } from './load.ts';
import { type Memory, readMemory, rest } from './memory.ts';
import { useOnNode } from './node.ts';
import type { Level, Plan } from './plan.ts';
import { createTally, type Tally } from './tally.ts';

export interface CallsReport {
  /** Times by row and number of callers. */
  readonly rows: ReturnType<Tally['rows']>;
  /** How late the driver's event loop was, by what it did meanwhile. */
  readonly loops: readonly { readonly during: string; readonly delay: LoopDelay }[];
  /** Of the driver, after all of it. */
  readonly memory: Memory;
}

/** Volumes that are always there, so that a page of 100 is a full one. */
const RESIDENTS = 100;

/** Every call at every level, and in turns with it what this machine takes for the bare work. */
export const measureCalls = (plan: Plan, home: string, interrupted: AbortSignal): Promise<CallsReport> =>
  withDriver(home, async (driver) => {
    const tally = createTally();
    const loops: { during: string; delay: LoopDelay }[] = [];
    const watch = async (during: string, work: () => Promise<unknown>): Promise<void> => {
      await readLoopDelay(driver);
      await work();
      loops.push({ during, delay: await readLoopDelay(driver) });
    };

    await makeVolumes(driver, RESIDENTS, measureInto(createTally(), plan.warmUp, interrupted));
    await playLevel(driver, plan.warmUp, measureInto(createTally(), plan.warmUp, interrupted));
    await watch('idle', () => rest(plan.restMs));
    for (const level of plan.levels) {
      const measure = measureInto(tally, level, interrupted);
      await measureFloors(home, level.callers, level.volumes, tally);
      await watch(`${level.callers} callers`, () => playLevel(driver, level, measure));
      await measureFloors(home, level.callers, level.volumes, tally);
    }
    await rest(plan.restMs);
    return { rows: tally.rows(), loops, memory: await readMemory(driver.pid) };
  });

const playLevel = async (driver: TestDriver, { volumes, rounds }: Level, measure: Measure): Promise<void> => {
  for (let round = 0; round < rounds; round += 1) {
    const made = await makeVolumes(driver, volumes, measure);
    await askController(driver, made, measure);
    await useOnNode(driver, made, measure);
    await deleteVolumes(driver, made, measure);
  }
};

const measureInto =
  (tally: Tally, { callers }: Level, interrupted: AbortSignal): Measure =>
  async (row, items, call) => {
    const { ms, results } = await load(callers, items, call, interrupted).catch((thrown: unknown) => {
      throw new Error(`${row} with ${callers} callers: ${String(thrown)}`, { cause: thrown });
    });
    tally.add(row, callers, ms);
    return results;
  };
