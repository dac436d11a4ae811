export type Cell = string | number | undefined;

/** Prints a title and rows in columns: texts to the left, numbers to the right with two digits, nothing as a dash. */
export const printTable = (title: string, header: readonly string[], rows: readonly (readonly Cell[])[]): void => {
  const texts = rows.map((row) => row.map(format));
  const widths = header.map((head, column) => Math.max(head.length, ...texts.map((row) => row[column]?.length ?? 0)));
  const isText = header.map((_, column) => rows.every((row) => typeof row[column] === 'string'));
  const lines = [header, ...texts].map((row) =>
    row
      .map((cell, column) => (isText[column] ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  process.stdout.write(`\n${title}\n\n${lines.join('\n')}\n`);
};

const format = (cell: Cell): string => {
  if (cell === undefined) return '-';
  if (typeof cell === 'string') return cell;
  return Number.isInteger(cell) ? String(cell) : cell.toFixed(2);
};
