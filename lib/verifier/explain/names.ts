/** What the author calls a value: the variable that the source line where it was made declares or sets. */
import type { SourceLine } from "../../object/index.ts";
import type { Known } from "./known.ts";
import type { Origin } from "./lineage.ts";
import type { Subject } from "./subject.ts";
import { lineAt } from "./subject.ts";
import type { Trail } from "./trail.ts";

const DECLARED = /(?:^|[\s(;{])(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*(?::[^=]+)?=(?!=)/;
const ASSIGNED = /^\s*([A-Za-z_$][\w$]*)\s*[+\-*&|^]?=(?!=)/;

/** The variable that a line of source gives a value; null where it gives none. */
export function variableOf(text: string): string | null {
  // a function's own line: what follows is computed in it
  if (/=>\s*\{?\s*$/.test(text)) return null;
  return DECLARED.exec(text)?.[1] ?? ASSIGNED.exec(text)?.[1] ?? null;
}

/**
 * The name of the value that a lineage ends with: of the last step on a line that names a variable. Not on the line where it is
 * used: that names what is made of it.
 */
export function nameOf(subject: Subject, trail: Trail, lineage: readonly Origin[], known: Known | null): string | null {
  const lineOf = (step: number): SourceLine | null => lineAt(subject.lines, trail.steps[step]?.slot ?? -1);
  const used = lineOf(trail.steps.length - 1);
  const wasLost = lineage.some(({ role }) => role === "lost");
  for (const { step, role, known: then } of lineage.toReversed()) {
    if (role !== "made" && role !== "computed") continue;
    // a pointer and the number that moves it are both in the lineage
    if (!wasLost && known !== null && then !== null && known.kind !== then.kind) continue;
    const line = lineOf(step);
    if (line === null || (line.line === used?.line && line.file === used.file)) continue;
    const name = variableOf(line.text);
    if (name !== null) return name;
  }
  return null;
}
