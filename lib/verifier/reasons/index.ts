/**
 * Why a program is rejected: one row a reason, in tables by area. The row says the code (`R…`, stable), the sentence with
 * `{fact}` places, the remedy, and how kernels put it, so that a kernel's log becomes the same reason.
 */
import type { Reason } from "./reason.ts";
import { FLOW_REASONS } from "./flow.ts";
import { REGISTER_REASONS } from "./registers.ts";
import { MEMORY_REASONS } from "./memory.ts";
import { CALL_REASONS } from "./calls.ts";
import { KFUNC_REASONS } from "./kfuncs.ts";
import { TYPE_REASONS } from "./types.ts";
import { SCOPE_REASONS } from "./scopes.ts";

export type { Reason } from "./reason.ts";
export { fillSentence } from "./reason.ts";

export const REASONS = {
  ...FLOW_REASONS,
  ...REGISTER_REASONS,
  ...MEMORY_REASONS,
  ...CALL_REASONS,
  ...KFUNC_REASONS,
  ...TYPE_REASONS,
  ...SCOPE_REASONS,
} as const;

/** The code of a kernel's words that are none of the reasons. */
export const UNKNOWN_REASON = "R000";

/** The name of a reason, as code raises it: `uninitialised_register`. */
export type ReasonCode = keyof typeof REASONS;

/** A kernel's line as a reason, with the facts that it tells; null for words that no reason knows. */
export function reasonOfLine(
  line: string,
): { readonly name: ReasonCode; readonly facts: Readonly<Record<string, string>> } | null {
  for (const [name, row] of ROWS) {
    for (const pattern of row.kernel) {
      const match = pattern.exec(line);
      if (match !== null) return { name, facts: factsOf(match) };
    }
  }
  return null;
}

const ROWS = Object.entries(REASONS) as readonly (readonly [ReasonCode, Reason])[];

function factsOf(match: RegExpExecArray): Readonly<Record<string, string>> {
  const groups = Object.entries(match.groups ?? {}) as [string, string | undefined][];
  return Object.fromEntries(groups.filter((group): group is [string, string] => group[1] !== undefined));
}
