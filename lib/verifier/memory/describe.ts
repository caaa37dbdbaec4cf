/** Registers in words, for the facts of a rejection. */
import { FLAG, KIND_WORDS } from "../state/index.ts";
import type { Reg } from "../state/index.ts";

/** `a map's value`, `a map's value that may be null`, `read-only memory`. */
export function describe(reg: Reg): string {
  const name =
    reg.flags & FLAG.rdonly ? KIND_WORDS[reg.kind].replace(/^(an? )?/, "$1read-only ") : KIND_WORDS[reg.kind];
  return reg.flags & FLAG.maybe_null ? `${name} that may be null` : name;
}
