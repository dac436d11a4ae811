/** A table as kubectl prints them: columns of texts, each as wide as its widest cell. */
export const formatTable = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const table = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const format = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ');
  return table.map((row) => `${format(row).trimEnd()}\n`).join('');
};
