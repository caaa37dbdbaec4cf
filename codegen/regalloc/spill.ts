/**
 * Rewrites the function so that spilled registers live in memory: each read gets a short-lived register that is reloaded
 * before, each write one that is stored after. A register whose only definition needs no other register (a constant, a
 * map, a stack address) is made again before each read instead, and needs no slot.
 */
import { isRemakable, isVirtual, mapRegisters, mapTerminator, terminatorUses, type MachineReg } from "../lower/mir.ts";
import type { AllocatedBlock, Item } from "./allocation.ts";
import { itemCopySource, itemEffects } from "./liveness.ts";

export class Spiller {
  /** Registers made here; they must not be spilled again. */
  readonly temporaries = new Set<MachineReg>();
  /** By slot: the registers that live there. */
  readonly slots: MachineReg[][] = [];
  nextRegister: number;
  private readonly slotOf = new Map<MachineReg, number>();
  /** What the instruction before brought into registers: it need not be loaded again. */
  private recent: ReadonlyMap<MachineReg, MachineReg> = new Map();
  private readonly remakes = new Map<MachineReg, Item & { kind: "original" }>();

  constructor(nextRegister: number) {
    this.nextRegister = nextRegister;
  }

  /** Spills groups of registers; one group shares a slot. */
  spill(blocks: readonly AllocatedBlock[], groups: readonly (readonly MachineReg[])[]): void {
    const single = singleDefinitions(blocks);
    for (const group of groups) {
      const stored: MachineReg[] = [];
      for (const reg of group) {
        const definition = single.get(reg);
        if (definition?.kind === "original" && isRemakable(definition.body)) this.remakes.set(reg, definition);
        else stored.push(reg);
      }
      if (stored.length === 0) continue;
      for (const reg of stored) this.slotOf.set(reg, this.slots.length);
      this.slots.push(stored);
    }
    for (const block of blocks) this.rewrite(block);
  }

  private rewrite(block: AllocatedBlock): void {
    const items: Item[] = [];
    this.recent = new Map();
    for (const item of block.items) this.rewriteItem(item, items);
    const before: Item[] = [];
    const temps = this.load(terminatorUses(block.terminator), before);
    block.items = [...items, ...before];
    block.terminator = mapTerminator(block.terminator, (r) => temps.get(r) ?? r);
  }

  private rewriteItem(item: Item, out: Item[]): void {
    if (item.kind !== "original") {
      out.push(item);
      return;
    }
    const { uses, defs } = itemEffects(item);
    // The definition of a register that is made again everywhere is not needed.
    if (defs.some((r) => this.remakes.has(r))) return;
    const source = itemCopySource(item);
    const [dst] = defs;
    const slot = dst === undefined ? undefined : this.slotOf.get(dst);
    if (source !== null && slot !== undefined && this.slotOf.get(source) === slot) {
      out.push({ kind: "elided", from: item.from, place: { slot } });
      return;
    }
    const temps = this.load(uses, out);
    this.recent = temps;
    for (const reg of defs) if (this.slotOf.has(reg) && !temps.has(reg)) temps.set(reg, this.newTemporary());
    out.push(temps.size === 0 ? item : { ...item, body: mapRegisters(item.body, (r) => temps.get(r) ?? r) });
    for (const reg of defs) {
      const place = this.slotOf.get(reg);
      if (place !== undefined) out.push({ kind: "spill", slot: place, reg: temps.get(reg) as MachineReg });
    }
  }

  /** Brings spilled registers into temporaries. */
  private load(regs: readonly MachineReg[], out: Item[]): Map<MachineReg, MachineReg> {
    const temps = new Map<MachineReg, MachineReg>();
    for (const reg of new Set(regs)) {
      const slot = this.slotOf.get(reg);
      const remake = this.remakes.get(reg);
      if (slot === undefined && remake === undefined) continue;
      const near = this.recent.get(reg);
      const temp = near ?? this.newTemporary();
      temps.set(reg, temp);
      if (near !== undefined) continue;
      if (slot !== undefined) out.push({ kind: "reload", slot, reg: temp });
      else if (remake !== undefined)
        out.push({ kind: "remake", value: reg, from: remake.from, body: mapRegisters(remake.body, () => temp) });
    }
    return temps;
  }

  private newTemporary(): MachineReg {
    const reg = this.nextRegister++;
    this.temporaries.add(reg);
    return reg;
  }
}

/** The definition of each virtual register that has exactly one. */
function singleDefinitions(blocks: readonly AllocatedBlock[]): Map<MachineReg, Item> {
  const found = new Map<MachineReg, Item | null>();
  for (const block of blocks) {
    for (const item of block.items) {
      for (const reg of itemEffects(item).defs) if (isVirtual(reg)) found.set(reg, found.has(reg) ? null : item);
    }
  }
  const single = new Map<MachineReg, Item>();
  for (const [reg, item] of found) if (item !== null) single.set(reg, item);
  return single;
}
