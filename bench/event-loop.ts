import type { TestDriver } from '../test/support/driver.ts';

/** Milliseconds between ticks of the event loop's clock since it was last read: how late it was, and the clock. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What the driver tells of itself: the time from one tick of a clock to the next, so an idle loop has the clock's. */
export const readLoopDelay = async ({ httpPort }: TestDriver): Promise<LoopDelay> => {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const read = (which: string): number =>
    1000 * Number(new RegExp(`^nodejs_eventloop_lag_${which}_seconds (\\S+)$`, 'm').exec(text)?.[1]);
  return { p50: read('p50'), p99: read('p99'), max: read('max') };
};
