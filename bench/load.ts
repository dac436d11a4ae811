/** Times one row: a call per item. Answers what the calls answered. */
export type Measure = <Item, Result>(
  row: string,
  items: readonly Item[],
  call: (item: Item) => Promise<Result>,
) => Promise<readonly Result[]>;

/** What a number of callers has met: milliseconds and answer of each call, in the order of the items. */
export interface Run<Result> {
  readonly ms: readonly number[];
  readonly results: readonly Result[];
}

/** Each caller takes the next item when its last call is answered. The first failure is thrown, when all have ended. */
export const load = async <Item, Result>(
  callers: number,
  items: readonly Item[],
  call: (item: Item) => Promise<Result>,
  interrupted: AbortSignal,
): Promise<Run<Result>> => {
  const ms: number[] = [];
  const results: Result[] = [];
  const queue = items.entries();
  const caller = async (): Promise<void> => {
    for (const [index, item] of queue) {
      interrupted.throwIfAborted();
      const started = performance.now();
      results[index] = await call(item);
      ms[index] = performance.now() - started;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: callers }, caller));
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { ms, results };
};
