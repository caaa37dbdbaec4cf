/**
 * Removes phis that join one value: `p = phi a, a` and, around a loop, `p = phi a, p` are `a`. What another phi loses may
 * make it trivial in turn, so the list is gone through until nothing changes.
 */
import { Replacements } from "../ir/edit.ts";
import type { IrFunction, Phi, Value } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const phis: FunctionPass = { name: "phis", run: removeTrivialPhis };

function removeTrivialPhis(fn: IrFunction): boolean {
  const replaced = new Replacements();
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks) {
      block.phis = block.phis.filter((phi) => {
        const only = onlyInput(phi, replaced);
        if (only === null) return true;
        replaced.set(phi, only);
        changed = true;
        return false;
      });
    }
  }
  replaced.apply(fn);
  return replaced.size > 0;
}

/** The value that all inputs are, but for the phi itself. */
function onlyInput(phi: Phi, replaced: Replacements): Value | null {
  let only: Value | null = null;
  for (const input of phi.inputs.values()) {
    const value = replaced.of(input);
    if (value === phi || value === only) continue;
    if (only !== null) return null;
    only = value;
  }
  return only;
}
