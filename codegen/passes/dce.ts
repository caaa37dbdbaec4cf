/**
 * Removes what nothing needs: from effects and terminators backwards, everything that is not reached goes. So do phis
 * that only feed each other, and loads.
 */
import type { FunctionPass } from "../ir/pass.ts";
import { hasEffect, type IrFunction, type Value } from "../ir/ir.ts";

export const dce: FunctionPass = { name: "dce", run: removeDead };

function removeDead(fn: IrFunction): boolean {
  const needed = findNeeded(fn);
  let changed = false;
  const keep = (value: Value): boolean => {
    const kept = needed.has(value);
    if (!kept) changed = true;
    return kept;
  };
  for (const block of fn.blocks) {
    block.phis = block.phis.filter(keep);
    block.values = block.values.filter(keep);
  }
  return changed;
}

function findNeeded(fn: IrFunction): Set<Value> {
  const needed = new Set<Value>(fn.params);
  const work: Value[] = [];
  const need = (value: Value): void => {
    if (needed.has(value)) return;
    needed.add(value);
    work.push(value);
  };
  for (const block of fn.blocks) {
    for (const value of block.values) if (hasEffect(value)) need(value);
    const t = block.terminator;
    if (t.op === "branch") need(t.condition);
    if (t.op === "return" && t.value !== null) need(t.value);
  }
  for (let value = work.pop(); value !== undefined; value = work.pop()) {
    if (value.op === "phi") for (const input of value.inputs.values()) need(input);
    else for (const arg of value.args) need(arg);
  }
  return needed;
}
