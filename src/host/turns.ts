/** Runs at most `limit` works at a time, in the order in which they came. */
export type InTurn = <Value>(work: () => Promise<Value>) => Promise<Value>;

export const createTurns = (limit: number): InTurn => {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running === limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};
