/** Text tables with aligned columns. */

/** Rows under a header; columns as wide as their widest cell, two blanks between; numbers to the right. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly (string | number | bigint)[])[],
): string {
  const cells = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, i) => Math.max(...cells.map((row) => widthOf(row[i] ?? ""))));
  const right = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] !== "string"));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => pad(cell, widths[i] ?? 0, right[i] === true))
      .join("  ")
      .trimEnd();
  return cells.map(line).join("\n");
}

function pad(cell: string, width: number, right: boolean): string {
  const blanks = " ".repeat(Math.max(width - widthOf(cell), 0));
  return right ? blanks + cell : cell + blanks;
}

/** Columns on a terminal: code points, without escape sequences. */
function widthOf(text: string): number {
  // oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
  return Array.from(text.replaceAll(/\u001b\[[0-9;]*m/g, "")).length;
}
