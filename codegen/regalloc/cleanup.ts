/**
 * After allocation: drops what physical registers made redundant.
 *
 * Values are numbered within a block, and on into a block whose only predecessor it is. A copy, reload or store whose
 * target has the same number as its source is not needed; a reload of what another register still holds is a copy. Then
 * stores to slots that nothing reads before the next store go (backward dataflow).
 */
import { effectsOf, machineSuccessors, type MachineBlock, type MachineReg } from "../lower/mir.ts";
import type { AllocatedBlock, Item } from "./allocation.ts";
import { itemCopySource, itemEffects } from "./liveness.ts";

const REGISTERS: readonly MachineReg[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Drops copies, reloads and stores of values that are in place already. */
export function removeRedundant(blocks: readonly AllocatedBlock[]): void {
  const ways = new Map<MachineBlock, number>();
  for (const { from } of blocks) for (const next of machineSuccessors(from)) ways.set(next, (ways.get(next) ?? 0) + 1);
  const inherited = new Map<MachineBlock, Values>();
  let last = 0;
  const newNumber = (): number => ++last;
  for (const block of blocks) {
    const values = inherited.get(block.from) ?? new Values(newNumber);
    block.items = block.items.flatMap((item) => values.step(item));
    for (const next of machineSuccessors(block.from)) if (ways.get(next) === 1) inherited.set(next, values.copy());
  }
}

/** The number of the value that each place holds; places never seen hold values of their own. */
class Values {
  private readonly registers: Map<MachineReg, number>;
  private readonly slots: Map<number, number>;
  private readonly newNumber: () => number;

  constructor(newNumber: () => number, registers = new Map<MachineReg, number>(), slots = new Map<number, number>()) {
    this.newNumber = newNumber;
    this.registers = registers;
    this.slots = slots;
  }

  copy(): Values {
    return new Values(this.newNumber, new Map(this.registers), new Map(this.slots));
  }

  /** What becomes of an item. */
  step(item: Item): Item[] {
    switch (item.kind) {
      case "original": {
        const source = itemCopySource(item);
        if (source !== null) return this.copyItem(item, source);
        break;
      }
      case "spill": {
        const value = this.inRegister(item.reg);
        if (this.slots.get(item.slot) === value) return [];
        this.slots.set(item.slot, value);
        return [item];
      }
      case "reload":
        return this.reload(item);
      case "remake":
      case "move":
      case "elided":
    }
    this.forget(item);
    return [item];
  }

  private copyItem(item: Item & { kind: "original" }, source: MachineReg): Item[] {
    const [dst] = effectsOf({ ...item.from, body: item.body }).defs as [MachineReg];
    const value = this.inRegister(source);
    if (this.registers.get(dst) === value) return [{ kind: "elided", from: item.from, place: { reg: dst } }];
    this.registers.set(dst, value);
    return [item];
  }

  private reload(item: Item & { kind: "reload" }): Item[] {
    const value = this.slots.get(item.slot) ?? this.newNumber();
    this.slots.set(item.slot, value);
    if (this.registers.get(item.reg) === value) return [];
    const holder = REGISTERS.find((r) => this.registers.get(r) === value);
    this.registers.set(item.reg, value);
    return [holder === undefined ? item : { kind: "move", to: item.reg, reg: holder }];
  }

  private inRegister(reg: MachineReg): number {
    let value = this.registers.get(reg);
    if (value === undefined) this.registers.set(reg, (value = this.newNumber()));
    return value;
  }

  private forget(item: Item): void {
    const { defs, clobbers } = itemEffects(item);
    for (const reg of [...defs, ...clobbers]) this.registers.delete(reg);
  }
}

/** Drops stores to spill slots that are overwritten, or the function left, before they are read. */
export function removeDeadSpills(blocks: readonly AllocatedBlock[]): void {
  const live = new Map<MachineBlock, ReadonlySet<number>>();
  for (let changed = true; changed;) {
    changed = false;
    for (const block of blocks.toReversed()) {
      const start = walk(block, atEnd(block, live), () => undefined);
      if (start.size === (live.get(block.from)?.size ?? 0)) continue;
      live.set(block.from, start);
      changed = true;
    }
  }
  for (const block of blocks) {
    const dead = new Set<Item>();
    walk(block, atEnd(block, live), (item) => dead.add(item));
    block.items = block.items.filter((item) => !dead.has(item));
  }
}

function atEnd(block: AllocatedBlock, live: ReadonlyMap<MachineBlock, ReadonlySet<number>>): Set<number> {
  return new Set(machineSuccessors(block.from).flatMap((next) => [...(live.get(next) ?? [])]));
}

/** Slots live at the start of a block, given those at its end; calls `dead` for stores that nobody reads. */
function walk(block: AllocatedBlock, live: Set<number>, dead: (item: Item) => void): Set<number> {
  for (const item of block.items.toReversed()) {
    if (item.kind === "reload") live.add(item.slot);
    // The checker wants to see the value there.
    else if (item.kind === "elided" && "slot" in item.place) live.add(item.place.slot);
    else if (item.kind === "spill" && !live.delete(item.slot)) dead(item);
  }
  return live;
}
