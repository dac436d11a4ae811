/** Rows of text under a head, in columns. */
export const printTable = (rows: readonly (readonly string[])[]): void => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.info(`        ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`);
};

/** Seconds, as a cell. */
export const inSeconds = (ms: number): string => (ms / 1000).toFixed(2);

export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
