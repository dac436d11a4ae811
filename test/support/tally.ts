/** Counts how calls ended, by RPC. */
export interface Tally {
  readonly count: (rpc: string, code: string) => void;
  readonly total: (code: string, rpc?: string) => number;
  /** A table for people: RPC, calls, codes. */
  readonly format: (title: string) => string;
}

export const createTally = (): Tally => {
  const rows = new Map<string, Map<string, number>>();
  const totalOf = (codes: ReadonlyMap<string, number> | undefined): number =>
    [...(codes?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  return {
    count: (rpc, code) => {
      const codes = rows.get(rpc) ?? new Map<string, number>();
      rows.set(rpc, codes.set(code, (codes.get(code) ?? 0) + 1));
    },
    total: (code, rpc) =>
      [...rows].reduce(
        (sum, [name, codes]) => sum + (rpc === undefined || rpc === name ? (codes.get(code) ?? 0) : 0),
        0,
      ),
    format: (title) =>
      [
        `${title}: ${[...rows.values()].reduce((sum, codes) => sum + totalOf(codes), 0)} calls`,
        ...[...rows].map(([rpc, codes]) => {
          const ends = [...codes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, count]) => `${code} ${count}`);
          return `  ${rpc.padEnd(28)} ${String(totalOf(codes)).padStart(5)}  ${ends.join(', ')}`;
        }),
      ].join('\n'),
  };
};
