import type { TestDriver } from '../test/support/driver.ts';

/** How late the event loop was, in milliseconds, since it was last read. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What the driver tells of itself. Its clock ticks every 10 ms and counts the tick: an idle loop has 10. */
export const readLoopDelay = async ({ httpPort }: TestDriver): Promise<LoopDelay> => {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const read = (which: string): number =>
    1000 * Number(new RegExp(`^nodejs_eventloop_lag_${which}_seconds (\\S+)$`, 'm').exec(text)?.[1]);
  return { p50: read('p50'), p99: read('p99'), max: read('max') };
};
