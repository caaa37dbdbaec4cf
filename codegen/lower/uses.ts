/** Who uses each value: the question that folding and fusing ask. */
import type { Block, IrFunction, Terminator, Value } from "../ir/ir.ts";

/**
 * One operand. `block` is where the value must be available: for a phi's input the end of that predecessor, with `into`
 * the phi's block.
 */
export interface Use {
  readonly user: Value | Terminator;
  readonly block: Block;
  readonly into: Block | null;
}

export function collectUses(fn: IrFunction): ReadonlyMap<Value, readonly Use[]> {
  const uses = new Map<Value, Use[]>();
  const add = (value: Value, use: Use): void => {
    const known = uses.get(value);
    if (known === undefined) uses.set(value, [use]);
    else known.push(use);
  };
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const [from, v] of phi.inputs) add(v, { user: phi, block: from, into: block });
    for (const value of block.values) for (const arg of value.args) add(arg, { user: value, block, into: null });
    const t = block.terminator;
    if (t.op === "branch") add(t.condition, { user: t, block, into: null });
    if (t.op === "return" && t.value !== null) add(t.value, { user: t, block, into: null });
  }
  return uses;
}
