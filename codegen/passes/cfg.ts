/**
 * Cleans up control flow:
 *
 *  - a branch on a constant, or whose two ways meet at once with the same values, becomes a jump;
 *  - blocks that nothing reaches go;
 *  - a block with one successor that has no other predecessor takes that in;
 *  - an empty block that only jumps on is skipped, when the edges that this makes are new ones;
 *  - a jump to a block that only returns (or traps) returns itself: it costs the same space and one jump less.
 *
 * Blocks end up in reverse postorder.
 */
import { reversePostorder } from "../ir/dominators.ts";
import { removePred, removeUnreachable, renamePred, Replacements, retarget, shareRound } from "../ir/edit.ts";
import {
  successors,
  type Block,
  type IrFunction,
  type Phi,
  type SourcePlace,
  type Terminator,
  type Value,
} from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const cfg: FunctionPass = { name: "cfg", run: cleanUp };

function cleanUp(fn: IrFunction): boolean {
  let changed = false;
  for (let again = true; again; changed ||= again) {
    again = foldBranches(fn);
    again = removeUnreachable(fn) || again;
    again = mergeChains(fn) || again;
    again = skipEmpty(fn) || again;
    again = returnDirectly(fn) || again;
  }
  fn.blocks = reversePostorder(fn);
  return changed;
}

function foldBranches(fn: IrFunction): boolean {
  let changed = false;
  for (const block of fn.blocks) {
    const t = block.terminator;
    if (t.op !== "branch" || t.condition.op !== "const") continue;
    const [taken, dropped] = t.condition.value !== 0n ? [t.then, t.else] : [t.else, t.then];
    removePred(dropped, block);
    block.terminator = { op: "jump", target: taken, place: t.place };
    changed = true;
  }
  return changed;
}

function mergeChains(fn: IrFunction): boolean {
  const replaced = new Replacements();
  const gone = new Set<Block>();
  for (const block of fn.blocks) {
    if (gone.has(block)) continue;
    for (;;) {
      const t = block.terminator;
      if (t.op !== "jump" || t.target === block || t.target.preds.length !== 1) break;
      const next = t.target;
      for (const phi of next.phis) replaced.set(phi, phi.inputs.get(block) as Value);
      for (const value of next.values) value.block = block;
      block.values.push(...next.values);
      block.terminator = next.terminator;
      if (next.values.length === 0) keepReturnPlace(block.terminator, t.place);
      for (const after of successors(next)) renamePred(after, next, block);
      gone.add(next);
    }
  }
  replaced.apply(fn);
  fn.blocks = fn.blocks.filter((b) => !gone.has(b));
  return gone.size > 0;
}

/** What is returned as it comes is returned from where it comes: by the `return` of a function that was inlined. */
function keepReturnPlace(t: Terminator, from: SourcePlace | null): void {
  if (t.op === "return" || t.op === "trap") t.place = from ?? t.place;
}

function skipEmpty(fn: IrFunction): boolean {
  // Who uses the phis, until an edge changes.
  let users: ReturnType<typeof phiUsers> | null = null;
  let changed = false;
  for (const block of fn.blocks.slice(1)) {
    const t = block.terminator;
    if (t.op !== "jump" || t.target === block || block.values.length > 0) continue;
    if (block.phis.length > 0 && !onlyFeeds(block, t.target, (users ??= phiUsers(fn)))) continue;
    for (const pred of block.preds) {
      if (!skip(pred, block, t.target)) continue;
      users = null;
      changed = true;
    }
  }
  return changed;
}

/** True when the block's phis are only wanted by the target's phis, for this edge. */
function onlyFeeds(block: Block, target: Block, users: ReadonlyMap<Value, readonly (Block | null)[]>): boolean {
  return block.phis.every(
    (phi) =>
      (users.get(phi)?.every((user) => user === target) ?? true) &&
      target.phis.every((p) => usedOnlyFrom(p, phi, block)),
  );
}

/** For each phi the blocks whose phis use it; null stands for any other use. */
function phiUsers(fn: IrFunction): Map<Value, (Block | null)[]> {
  const users = new Map<Value, (Block | null)[]>();
  const note = (value: Value, user: Block | null): void => {
    if (value.op === "phi") users.set(value, [...(users.get(value) ?? []), user]);
  };
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const v of phi.inputs.values()) note(v, block);
    for (const value of block.values) value.args.forEach((v) => note(v, null));
    const t = block.terminator;
    if (t.op === "branch") note(t.condition, null);
    if (t.op === "return" && t.value !== null) note(t.value, null);
  }
  return users;
}

function usedOnlyFrom(user: Phi, value: Value, from: Block): boolean {
  return [...user.inputs].every(([pred, v]) => v !== value || pred === from);
}

/** Sends the edge pred → block to the target; false when pred goes there already with other values. */
function skip(pred: Block, block: Block, target: Block): boolean {
  const brought = (phi: Phi): Value => {
    const value = phi.inputs.get(block) as Value;
    return value.op === "phi" && value.block === block ? (value.inputs.get(pred) as Value) : value;
  };
  if (target.preds.includes(pred)) {
    if (!target.phis.every((phi) => phi.inputs.get(pred) === brought(phi))) return false;
    pred.terminator = { op: "jump", target, place: pred.terminator.place };
  } else {
    for (const phi of target.phis) phi.inputs.set(pred, brought(phi));
    target.preds.push(pred);
    retarget(pred, block, target);
    // A loop's next round may start by either jump, the outer loop's by the first.
    shareRound(target, block, pred);
    const outer = block.rounds.get(pred);
    if (outer !== undefined) target.rounds.set(pred, outer);
  }
  removePred(block, pred);
  return true;
}

function returnDirectly(fn: IrFunction): boolean {
  let changed = false;
  for (const block of fn.blocks) {
    const t = block.terminator;
    if (t.op !== "return" && t.op !== "trap") continue;
    if (block.values.length > 0 || block.preds.length < 2) continue;
    for (const pred of [...block.preds]) {
      if (pred.terminator.op !== "jump") continue;
      const place = pred.terminator.place ?? t.place;
      pred.terminator =
        t.op === "trap" ? { op: "trap", place } : { op: "return", value: returnedFrom(t.value, block, pred), place };
      removePred(block, pred);
      changed = true;
    }
  }
  return changed;
}

function returnedFrom(value: Value | null, block: Block, pred: Block): Value | null {
  return value?.op === "phi" && value.block === block ? (value.inputs.get(pred) as Value) : value;
}
