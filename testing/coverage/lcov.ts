/** Coverage as an lcov tracefile, what genhtml, editors and coverage services read. Format: geninfo(1). */
import type { FileCoverage } from "./coverage.ts";

export function formatLcov(files: readonly FileCoverage[]): string {
  return files.map(formatFile).join("");
}

function formatFile({ path, lines, branches, functions }: FileCoverage): string {
  const hit = (counts: readonly number[]): number => counts.filter((count) => count > 0).length;
  const sides = branches.flatMap(({ counts }) => counts);
  const records = [
    "TN:",
    `SF:${path}`,
    ...functions.map(({ line, name }) => `FN:${line},${name}`),
    ...functions.map(({ count, name }) => `FNDA:${count},${name}`),
    `FNF:${functions.length}`,
    `FNH:${hit(functions.map(({ count }) => count))}`,
    ...branches.flatMap(({ line, counts }, block) =>
      counts.map((count, side) => `BRDA:${line},${block},${side},${reached(counts) ? count : "-"}`),
    ),
    `BRF:${sides.length}`,
    `BRH:${hit(sides)}`,
    ...[...lines].map(([line, count]) => `DA:${line},${count}`),
    `LF:${lines.size}`,
    `LH:${hit([...lines.values()])}`,
    "end_of_record",
    "",
  ];
  return records.join("\n");
}

/** Was the condition come to at all? */
function reached([held, not]: readonly [number, number]): boolean {
  return held + not > 0;
}
