/**
 * Lets stack objects that are never alive at the same time share memory. Every inlined map lookup makes a slot for its
 * key, so without this the 512 bytes of stack would be gone after a few of them.
 *
 * A slot's bytes matter only while something can still use a pointer to it: from its `stack_slot` to the last use of a
 * value derived from it (sums, phis, selects). That is liveness of SSA values. Two slots conflict when one is alive where
 * the other begins; slots that do not conflict are put into one, the biggest first, which then lives in the entry block.
 */
import { makeValue, Replacements } from "../ir/edit.ts";
import type { Block, IrFunction, StackSlot, Value } from "../ir/ir.ts";
import { successors } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const shareSlots: FunctionPass = { name: "share-slots", run };

type Slots = ReadonlySet<StackSlot>;

function run(fn: IrFunction): boolean {
  const slots = fn.blocks.flatMap((b) => b.values).filter((v): v is StackSlot => v.op === "stack_slot");
  if (slots.length < 2) return false;
  const derived = findDerived(fn);
  const conflicts = findConflicts(fn, slots, derived);
  const groups = groupSlots(slots, conflicts).filter((g) => g.length > 1);
  const replacements = new Replacements();
  const entry = fn.blocks[0] as Block;
  for (const group of groups) {
    const biggest = group[0] as StackSlot;
    const shared = makeValue<StackSlot>(fn, entry, biggest, {
      op: "stack_slot",
      type: biggest.type,
      size: biggest.size,
      args: [],
      ...(biggest.origin && { origin: biggest.origin }),
    });
    entry.values.splice(fn.params.length, 0, shared);
    for (const slot of group) {
      slot.block.values.splice(slot.block.values.indexOf(slot), 1);
      replacements.set(slot, shared);
    }
  }
  replacements.apply(fn);
  return groups.length > 0;
}

/** For every value that may point into slots: which. */
function findDerived(fn: IrFunction): Map<Value, Set<StackSlot>> {
  const derived = new Map<Value, Set<StackSlot>>();
  const include = (value: Value, from: Value): boolean => {
    const add = derived.get(from);
    if (add === undefined || value === from) return false;
    const known = derived.get(value) ?? new Set();
    const before = known.size;
    for (const slot of add) known.add(slot);
    derived.set(value, known);
    return known.size > before;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks) {
      for (const phi of block.phis) for (const input of phi.inputs.values()) changed = include(phi, input) || changed;
      for (const value of block.values) {
        if (value.op === "stack_slot" && !derived.has(value)) derived.set(value, new Set([value]));
        const passes = value.op === "select" || (value.op === "binary" && value.type === "ptr");
        if (passes) for (const arg of value.args) changed = include(value, arg) || changed;
      }
    }
  }
  return derived;
}

/** Slot pairs of which one is alive where the other begins. */
function findConflicts(
  fn: IrFunction,
  slots: readonly StackSlot[],
  derived: ReadonlyMap<Value, Slots>,
): Map<StackSlot, Set<StackSlot>> {
  const conflicts = new Map(slots.map((s) => [s, new Set<StackSlot>()]));
  const liveOut = solveLiveness(fn, derived);
  for (const block of fn.blocks) {
    const live = new Set(liveOut.get(block));
    visitBackwards(block, derived, live, (slot) => {
      for (const value of live) {
        for (const other of derived.get(value) ?? []) {
          if (other === slot) continue;
          conflicts.get(slot)?.add(other);
          conflicts.get(other)?.add(slot);
        }
      }
    });
  }
  return conflicts;
}

/** Derived pointers alive at the end of each block. */
function solveLiveness(fn: IrFunction, derived: ReadonlyMap<Value, Slots>): Map<Block, Set<Value>> {
  const liveIn = new Map<Block, Set<Value>>(fn.blocks.map((b) => [b, new Set()]));
  const liveOut = new Map<Block, Set<Value>>(fn.blocks.map((b) => [b, new Set()]));
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks.toReversed()) {
      const out = new Set<Value>();
      for (const next of successors(block)) {
        for (const value of liveIn.get(next) ?? []) out.add(value);
        for (const phi of next.phis) {
          const input = phi.inputs.get(block);
          if (input !== undefined && derived.has(input)) out.add(input);
        }
      }
      liveOut.set(block, out);
      const live = new Set(out);
      visitBackwards(block, derived, live, () => {});
      const before = liveIn.get(block)?.size ?? 0;
      liveIn.set(block, live);
      // Sets only grow from round to round.
      if (live.size !== before) changed = true;
    }
  }
  return liveOut;
}

/** Turns what is alive at the end of a block into what is at its start; tells where slots begin. */
function visitBackwards(
  block: Block,
  derived: ReadonlyMap<Value, Slots>,
  live: Set<Value>,
  begins: (slot: StackSlot) => void,
): void {
  const use = (value: Value | null): void => {
    if (value !== null && derived.has(value)) live.add(value);
  };
  const t = block.terminator;
  if (t.op === "branch") use(t.condition);
  if (t.op === "return") use(t.value);
  for (const value of block.values.toReversed()) {
    live.delete(value);
    if (value.op === "stack_slot") begins(value);
    value.args.forEach(use);
  }
  for (const phi of block.phis) live.delete(phi);
}

/** Greedy colouring, the biggest slots first. */
function groupSlots(
  slots: readonly StackSlot[],
  conflicts: ReadonlyMap<StackSlot, ReadonlySet<StackSlot>>,
): StackSlot[][] {
  const groups: StackSlot[][] = [];
  for (const slot of slots.toSorted((a, b) => b.size - a.size || a.id - b.id)) {
    const group = groups.find((g) => g.every((other) => conflicts.get(slot)?.has(other) !== true));
    if (group === undefined) groups.push([slot]);
    else group.push(slot);
  }
  return groups;
}
