import type { TestDriver } from '../test/support/driver.ts';
import { measureController, measureDelete } from './controller.ts';
import { type LoopDelay, readLoopDelay, worstOf } from './event-loop.ts';
import { measureFloors } from './floor.ts';
import { withDriver } from './home.ts';
import { load } from './load.ts';
import { type Memory, readMemory } from './memory.ts';
import { measureNode } from './node.ts';
import type { Level, Plan } from './plan.ts';
import { createTally, type Tally } from './tally.ts';
import { createBatch } from './volumes.ts';

export interface CallsReport {
  /** By row and number of callers. */
  readonly rows: ReturnType<Tally['rows']>;
  /** Of the driver during the calls. */
  readonly loops: readonly { readonly callers: number; readonly delay: LoopDelay }[];
  readonly idle: LoopDelay;
  readonly memory: Memory;
}

/** Times a row: one call per item. Answers what the calls answered. */
export type Measure = <Item, Result>(
  row: string,
  items: readonly Item[],
  call: (item: Item) => Promise<Result>,
) => Promise<readonly Result[]>;

/** Every call at every level, and what the machine itself takes for the work in it, in turns. */
export const measureCalls = (plan: Plan, home: string, interrupted: AbortSignal): Promise<CallsReport> =>
  withDriver(home, async (driver) => {
    const measureInto =
      (tally: Tally, { callers }: Level): Measure =>
      async (row, items, call) => {
        const { ms, results } = await load(callers, items, call, interrupted).catch((thrown: unknown) => {
          throw new Error(`${row} with ${callers} callers: ${String(thrown)}`, { cause: thrown });
        });
        tally.add(row, callers, ms);
        return results;
      };
    const nextBatch = createBatch(driver);
    await nextBatch.residents(measureInto(createTally(), plan.warmUp));
    await readLoopDelay(driver);
    await new Promise((rested) => setTimeout(rested, plan.restMs));
    const idle = await readLoopDelay(driver);
    return { rows: {}, loops: [], idle, memory: await readMemory(driver.pid) };
  });
