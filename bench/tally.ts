/** Milliseconds: the middle and the worst of a hundred. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

/** Collects the times of each row at each number of callers. */
export interface Tally {
  readonly add: (row: string, callers: number, ms: readonly number[]) => void;
  readonly rows: () => Readonly<Record<string, Readonly<Record<number, Quantiles>>>>;
}

export const createTally = (): Tally => {
  const all = new Map<string, Map<number, number[]>>();
  return {
    add: (row, callers, ms) => {
      const byCallers = all.get(row) ?? new Map<number, number[]>();
      all.set(row, byCallers.set(callers, [...(byCallers.get(callers) ?? []), ...ms]));
    },
    rows: () =>
      Object.fromEntries(
        [...all].map(([row, byCallers]) => [
          row,
          Object.fromEntries([...byCallers].map(([callers, ms]) => [callers, quantiles(ms)])),
        ]),
      ),
  };
};

export const quantiles = (ms: readonly number[]): Quantiles => {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), count: sorted.length };
};

export const median = (values: readonly number[]): number => quantiles(values).p50;
