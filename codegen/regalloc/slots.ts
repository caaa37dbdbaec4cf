/**
 * Packs spill slots: two whose registers are never live at the same time share 8 bytes of the stack, which has only 512.
 * Liveness is that of the function before allocation.
 */
import { isVirtual, terminatorUses, type MachineFunction, type MachineReg } from "../lower/mir.ts";
import { asItems, type AllocatedBlock, type Item } from "./allocation.ts";
import { itemEffects, liveAtEnd, type BitSet } from "./liveness.ts";

/** The new number of each slot, and how many there are. */
export function packSlots(
  fn: MachineFunction,
  slots: readonly (readonly MachineReg[])[],
): { place: number[]; count: number } {
  const conflicts = findConflicts(fn, slots);
  const place: number[] = [];
  let count = 0;
  slots.forEach((_, slot) => {
    const taken = new Set([...(conflicts[slot] as Set<number>)].map((other) => place[other]));
    let n = 0;
    while (taken.has(n)) n++;
    place.push(n);
    count = Math.max(count, n + 1);
  });
  return { place, count };
}

function findConflicts(fn: MachineFunction, slots: readonly (readonly MachineReg[])[]): Set<number>[] {
  const conflicts = slots.map(() => new Set<number>());
  const slotOf = new Map<MachineReg, number>();
  slots.forEach((regs, slot) => regs.forEach((reg) => slotOf.set(reg, slot)));
  const blocks = asItems(fn);
  const ends = liveAtEnd(blocks, fn.registerEnd);
  blocks.forEach((block, i) => scan(block, ends[i] as BitSet, slotOf, conflicts));
  return conflicts;
}

function scan(
  block: AllocatedBlock,
  live: BitSet,
  slotOf: ReadonlyMap<MachineReg, number>,
  conflicts: readonly Set<number>[],
): void {
  for (const reg of terminatorUses(block.terminator)) live.add(reg);
  for (const item of block.items.toReversed()) scanItem(item, live, slotOf, conflicts);
}

function scanItem(
  item: Item,
  live: BitSet,
  slotOf: ReadonlyMap<MachineReg, number>,
  conflicts: readonly Set<number>[],
): void {
  const { uses, defs } = itemEffects(item);
  for (const reg of defs) {
    live.delete(reg);
    const slot = slotOf.get(reg);
    if (slot === undefined) continue;
    live.forEach((other) => {
      const there = isVirtual(other) ? slotOf.get(other) : undefined;
      if (there === undefined || there === slot) return;
      (conflicts[slot] as Set<number>).add(there);
      (conflicts[there] as Set<number>).add(slot);
    });
  }
  for (const reg of uses) live.add(reg);
}
