/** What a number of callers has met. */
export interface Run<Result> {
  /** Milliseconds of each call, in the order of the items. */
  readonly ms: readonly number[];
  readonly results: readonly Result[];
}

/** Calls once per item. Each caller takes the next item when its last call is answered. The first failure is thrown. */
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
  await Promise.all(Array.from({ length: callers }, caller));
  return { ms, results };
};
