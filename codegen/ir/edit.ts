/** Small edits of a function that keep its invariants: operands, edges, blocks. */
import { reversePostorder } from "./dominators.ts";
import { successors, type Block, type IrFunction, type Phi, type Terminator, type Value } from "./ir.ts";

/** A value without what `makeValue` fills in. */
export type Draft<T extends Value = Value> = T extends Value ? Omit<T, "id" | "block" | "place"> : never;

/** Adds a value where a pass is writing. */
export type Emit = (draft: Draft<Exclude<Value, Phi>>) => Value;

/** A new value of a block, at the source place of `at`; the caller puts it where it belongs. */
export function makeValue<T extends Value = Value>(
  fn: IrFunction,
  block: Block,
  at: { place: Value["place"] },
  draft: Draft<T>,
): T {
  return { ...draft, id: fn.nextId++, block, place: at.place } as unknown as T;
}

/** Calls `visit` for each operand in the function; what it returns takes the operand's place. */
export function mapOperands(fn: IrFunction, visit: (operand: Value) => Value): void {
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const [from, v] of phi.inputs) phi.inputs.set(from, visit(v));
    for (const value of block.values) mapArgs(value, visit);
    mapTerminator(block.terminator, visit);
  }
}

/** The same for the operands of one value that is no phi. */
export function mapArgs(value: Value, visit: (operand: Value) => Value): void {
  const args = value.args as Value[];
  for (let i = 0; i < args.length; i++) args[i] = visit(args[i] as Value);
}

export function mapTerminator(t: Terminator, visit: (operand: Value) => Value): void {
  if (t.op === "branch") t.condition = visit(t.condition);
  else if (t.op === "return" && t.value !== null) t.value = visit(t.value);
}

/** Collects which value stands for which, and rewrites all operands at the end. */
export class Replacements {
  private readonly map = new Map<Value, Value>();

  get size(): number {
    return this.map.size;
  }

  set(from: Value, to: Value): void {
    this.map.set(from, to);
  }

  /** What stands for `value` in the end. */
  of(value: Value): Value {
    let found = value;
    for (let next = this.map.get(found); next !== undefined; next = this.map.get(found)) found = next;
    // The next question is answered in one step.
    if (found !== value) this.map.set(value, found);
    return found;
  }

  apply(fn: IrFunction): void {
    if (this.map.size > 0) mapOperands(fn, (v) => this.of(v));
  }
}

/** Lets `from` go to `to` where it went to `old`; predecessors and phis are the caller's business. */
export function retarget(from: Block, old: Block, to: Block): void {
  const t = from.terminator;
  if (t.op === "jump" && t.target === old) t.target = to;
  if (t.op !== "branch") return;
  if (t.then === old) t.then = to;
  if (t.else === old) t.else = to;
}

/** Forgets that `from` goes to `block`, in its predecessors and phis. */
export function removePred(block: Block, from: Block): void {
  block.preds = block.preds.filter((p) => p !== from);
  block.rounds.delete(from);
  for (const phi of block.phis) phi.inputs.delete(from);
}

/** The edge from `to` starts a loop's next round if that from `from` does. */
export function shareRound(block: Block, from: Block, to: Block): void {
  const loop = block.rounds.get(from);
  if (loop !== undefined) block.rounds.set(to, loop);
}

/** `block` is now reached from `to` where it was from `from`, with the same values. */
export function renamePred(block: Block, from: Block, to: Block): void {
  block.preds = block.preds.map((p) => (p === from ? to : p));
  shareRound(block, from, to);
  block.rounds.delete(from);
  for (const phi of block.phis) {
    const input = phi.inputs.get(from);
    if (input === undefined) continue;
    phi.inputs.delete(from);
    phi.inputs.set(to, input);
  }
}

/** Drops blocks that nothing reaches, with their edges into phis. */
export function removeUnreachable(fn: IrFunction): boolean {
  const reached = new Set(reversePostorder(fn));
  if (reached.size === fn.blocks.length) return false;
  for (const block of fn.blocks) {
    if (reached.has(block)) continue;
    for (const next of successors(block)) if (reached.has(next)) removePred(next, block);
  }
  fn.blocks = fn.blocks.filter((b) => reached.has(b));
  return true;
}

/** How many operands name each value. */
export function countUses(fn: IrFunction): Map<Value, number> {
  const counts = new Map<Value, number>();
  mapOperands(fn, (v) => {
    counts.set(v, (counts.get(v) ?? 0) + 1);
    return v;
  });
  return counts;
}
