/** A row of the reasons' tables, and how its sentences are filled with facts. */

export interface Reason {
  /** Stable: `R101`. Hundreds by area; never given to another reason. */
  readonly code: string;
  /**
   * One sentence for the author of a TypeScript program. `{name}` is a fact that whoever raises it gives; `[...]` is left out
   * where a fact in it is not known (a kernel's log tells less than the walk).
   */
  readonly says: string;
  /** What to do about it, in terms of the source. Facts as in `says`. */
  readonly remedy: string;
  /** How the kernels' logs put it: a line that matches is this reason. Named groups become facts. */
  readonly kernel: readonly RegExp[];
}

/** Rows keep their names as literal types. */
export function reasons<const T extends Readonly<Record<string, Reason>>>(rows: T): T {
  return rows;
}

const OPTIONAL = /\[([^[\]]*)\]/g;
const FACT = /\{(\w+)\}/g;

/** A sentence with its facts; a fact that is missing outside of brackets reads "?". Registers are written r0 to r10. */
export function fillSentence(sentence: string, facts: Readonly<Record<string, string | number | bigint>>): string {
  const print = (name: string): string | null => {
    const fact = facts[name];
    if (fact === undefined) return null;
    return name === "register" && /^\d+$/.test(String(fact)) ? `r${fact}` : String(fact);
  };
  return sentence
    .replace(OPTIONAL, (_, part: string) =>
      [...part.matchAll(FACT)].every(([, name = ""]) => print(name) !== null) ? part : "",
    )
    .replace(FACT, (_, name: string) => print(name) ?? "?");
}
