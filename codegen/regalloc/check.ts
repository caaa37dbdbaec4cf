/**
 * Proves an allocation right, without knowing how it was made (after regalloc2's checker).
 *
 * The function is interpreted symbolically: each place (a physical register or a spill slot) holds a set of the original
 * function's registers whose current value is there. An original instruction that reads v from place p needs v in p's
 * set; one that writes v to p removes v everywhere (the old value is stale) and makes p's set {v}. A copy adds to the
 * to all sets that have its source instead: both sides have the same value, which is why copies may be merged. Where paths meet, sets are intersected,
 * until nothing changes. A physical register in the original function is a variable that can only be read from itself.
 *
 * The allocator may leave out definitions that it makes again elsewhere (`remake`); everything else must be there, in
 * order.
 */
// prettier-ignore
import {
  copySource, effectsOf, FRAME_POINTER, isRemakable, isVirtual, machineSuccessors, mapRegisters, terminatorUses,
  type Body, type MachineBlock, type MachineFunction, type MachineInsn, type MachineReg,
} from "../lower/mir.ts";
import type { AllocatedBlock, Allocation, Item } from "./allocation.ts";

/** Places are numbered: registers 0..9, and spill slots from here on. */
const FIRST_SLOT = 16;
const LAST_REGISTER = 9;

/** By place. */
type State = ReadonlySet<MachineReg>[];

/** What is wrong with the allocation; empty when it is right. */
export function checkAllocation(fn: MachineFunction, allocation: Allocation): string[] {
  return new Checker(fn, allocation).run();
}

class Checker {
  private readonly fn: MachineFunction;
  private readonly allocation: Allocation;
  private readonly problems = new Set<string>();
  private readonly starts = new Map<MachineBlock, State>();
  private readonly definitions: ReadonlyMap<MachineReg, readonly MachineInsn[]>;
  private state: State = [];
  private where = "";

  constructor(fn: MachineFunction, allocation: Allocation) {
    this.fn = fn;
    this.allocation = allocation;
    this.definitions = collectDefinitions(fn);
  }

  run(): string[] {
    const { blocks } = this.allocation;
    const [entry] = this.fn.blocks;
    if (entry === undefined || blocks.length !== this.fn.blocks.length) return ["the blocks differ"];
    this.starts.set(entry, this.entryState());
    const byBlock = new Map(blocks.map((b) => [b.from, b]));
    const work = new Set([entry]);
    for (const block of work) {
      work.delete(block);
      const allocated = byBlock.get(block);
      if (allocated === undefined) return [`block ${block.id} is missing`];
      this.checkBlock(allocated);
      for (const next of machineSuccessors(block)) if (this.flowInto(next)) work.add(next);
    }
    return [...this.problems];
  }

  private entryState(): State {
    const places = FIRST_SLOT + this.allocation.slotCount;
    return Array.from({ length: places }, (_, p) => new Set(p >= 1 && p <= this.fn.paramCount ? [p] : []));
  }

  /** Intersects; true when the state at the block's start changed. */
  private flowInto(block: MachineBlock): boolean {
    const known = this.starts.get(block);
    if (known === undefined) {
      this.starts.set(block, [...this.state]);
      return true;
    }
    let changed = false;
    known.forEach((set, place) => {
      const both = new Set([...set].filter((v) => this.at(place).has(v)));
      if (both.size === set.size) return;
      known[place] = both;
      changed = true;
    });
    return changed;
  }

  private problem(text: string): void {
    this.problems.add(`${this.where}: ${text}`);
  }

  private at(place: number): ReadonlySet<MachineReg> {
    const set = this.state[place];
    if (set !== undefined) return set;
    this.problem(`place ${place} does not exist`);
    return new Set();
  }

  // --- blocks -----------------------------------------------------------------------------------------------------------

  private checkBlock(block: AllocatedBlock): void {
    this.state = [...(this.starts.get(block.from) as State)];
    const kept = block.items.flatMap((item) => (item.kind === "original" || item.kind === "elided" ? [item.from] : []));
    let count = 0;
    let next = this.passDropped(block.from, 0, kept[0]);
    block.items.forEach((item, i) => {
      this.where = `block ${block.from.id} item ${i}`;
      this.checkItem(item);
      // What was left out after this instruction is passed now: a `remake` of it may come before the next one.
      if (item.kind === "original" || item.kind === "elided") next = this.passDropped(block.from, next, kept[++count]);
    });
    this.where = `block ${block.from.id} end`;
    this.checkTerminator(block);
  }

  /** Steps over original instructions that were left out, up to `until` or the end; gives the position after it. */
  private passDropped(block: MachineBlock, from: number, until: MachineInsn | undefined): number {
    for (let i = from; i < block.insns.length; i++) {
      const insn = block.insns[i] as MachineInsn;
      if (insn === until) return i + 1;
      if (!isRemakable(insn.body)) this.problem(`original instruction ${i} is missing`);
      for (const reg of effectsOf(insn).defs) this.forget(reg);
    }
    if (until !== undefined) this.problem("an instruction is not where it was, or not from this block");
    return block.insns.length;
  }

  private checkItem(item: Item): void {
    switch (item.kind) {
      case "original":
        return this.checkOriginal(item.from, item.body);
      case "spill":
        this.checkRegister(item.reg);
        return this.put(FIRST_SLOT + item.slot, this.at(item.reg));
      case "reload":
        this.checkRegister(item.reg);
        return this.put(item.reg, this.at(FIRST_SLOT + item.slot));
      case "remake":
        return this.checkRemake(item.value, item.from, item.body);
      case "move":
        this.checkRegister(item.reg);
        this.checkRegister(item.to);
        return this.put(item.to, this.at(item.reg));
      case "elided": {
        const place = "reg" in item.place ? item.place.reg : FIRST_SLOT + item.place.slot;
        return this.checkCopy(item.from.body, place, place);
      }
    }
  }

  private checkOriginal(insn: MachineInsn, body: Body): void {
    if (shapeOf(insn.body) !== shapeOf(body)) return this.problem("the instruction is another one");
    const wanted = registersOf(insn.body);
    const given = registersOf(body);
    wanted.forEach((reg, i) => this.checkNamed(reg, given[i] as MachineReg));
    if (copySource(insn.body) !== null)
      return this.checkCopy(insn.body, given[0] as MachineReg, given[1] as MachineReg);
    const { uses, defs, clobbers } = effectsOf(insn);
    wanted.forEach((reg, i) => uses.includes(reg) && this.checkRead(reg, given[i] as MachineReg));
    // Registers that the instruction reads without naming them: a call's arguments.
    for (const reg of uses) if (!wanted.includes(reg)) this.checkRead(reg, reg);
    for (const reg of clobbers) this.overwrite(reg);
    for (const reg of defs) this.define(reg, wanted, given);
  }

  private define(reg: MachineReg, wanted: readonly MachineReg[], given: readonly MachineReg[]): void {
    const places = new Set(given.filter((_, i) => wanted[i] === reg));
    if (places.size > 1) this.problem(`register ${reg} is written while it is in several places`);
    const [place = reg] = places;
    this.forget(reg);
    this.put(place, new Set([reg]));
  }

  private checkCopy(original: Body, to: number, from: number): void {
    const source = copySource(original);
    const [target] = registersOf(original);
    if (source === null || target === undefined) return this.problem("not a copy");
    this.checkRead(source, from);
    if (source !== target) {
      this.forget(target);
      // Wherever the source's value is, the target's is too.
      this.state.forEach((set, place) => set.has(source) && this.put(place, new Set(set).add(target)));
    }
    this.put(to, this.at(from));
  }

  private checkRemake(value: MachineReg, from: MachineInsn, body: Body): void {
    const definitions = this.definitions.get(value) ?? [];
    const only = definitions.length === 1 && definitions[0] === from;
    const same = only && isRemakable(from.body) && shapeOf(from.body) === shapeOf(body);
    if (!same) this.problem(`register ${value} cannot be made again like this`);
    const [place] = registersOf(body) as [MachineReg];
    this.checkRegister(place);
    this.put(place, new Set([value]));
  }

  private checkTerminator(block: AllocatedBlock): void {
    const before = block.from.terminator;
    const after = block.terminator;
    if (before.kind === "branch" && after.kind === "branch") {
      const same = before.condition.op === after.condition.op && before.condition.width === after.condition.width;
      if (!same || before.then !== after.then || before.else !== after.else) this.problem("the branch is another one");
      this.checkOperand(before.condition.dst, after.condition.dst);
      const [wanted, given] = [before.condition.src, after.condition.src];
      if ("reg" in wanted && "reg" in given) this.checkOperand(wanted.reg, given.reg);
      else if (!("imm" in wanted && "imm" in given && wanted.imm === given.imm))
        this.problem("the branch compares with something else");
      return;
    }
    if (before !== after) this.problem("the end of the block is another one");
    for (const reg of terminatorUses(before)) this.checkRead(reg, reg);
  }

  // --- places -----------------------------------------------------------------------------------------------------------

  private checkRegister(place: number): void {
    if (place < 0 || place > LAST_REGISTER) this.problem(`${place} is not a register that may be allocated`);
  }

  /** A register that an instruction names: physical ones stay, virtual ones get one of r0..r9. */
  private checkNamed(reg: MachineReg, given: MachineReg): void {
    if (isVirtual(reg)) this.checkRegister(given);
    else if (given !== reg) this.problem(`physical register ${reg} became ${given}`);
  }

  private checkOperand(reg: MachineReg, given: MachineReg): void {
    this.checkNamed(reg, given);
    if (reg !== FRAME_POINTER) this.checkRead(reg, given);
  }

  private checkRead(reg: MachineReg, place: number): void {
    if (!this.at(place).has(reg)) this.problem(`place ${place} does not hold ${reg}`);
  }

  /** The register's value is stale wherever it is. */
  private forget(reg: MachineReg): void {
    this.state.forEach((set, place) => {
      if (!set.has(reg)) return;
      this.state[place] = new Set([...set].filter((r) => r !== reg));
    });
  }

  private overwrite(physical: MachineReg): void {
    this.forget(physical);
    this.put(physical, new Set());
  }

  private put(place: number, value: ReadonlySet<MachineReg>): void {
    if (place < 0 || place >= this.state.length) return this.problem(`place ${place} does not exist`);
    this.state[place] = value;
  }
}

function collectDefinitions(fn: MachineFunction): Map<MachineReg, MachineInsn[]> {
  const found = new Map<MachineReg, MachineInsn[]>();
  for (const block of fn.blocks) {
    for (const insn of block.insns) {
      for (const reg of effectsOf(insn).defs) found.set(reg, [...(found.get(reg) ?? []), insn]);
    }
  }
  return found;
}

/** The registers that an instruction names, in order. */
function registersOf(body: Body): MachineReg[] {
  const found: MachineReg[] = [];
  mapRegisters(body, (r) => found.push(r));
  return found;
}

/** The instruction without its registers, as text. */
function shapeOf(body: Body): string {
  return JSON.stringify(
    mapRegisters(body, () => 0),
    (_, v: unknown) => (typeof v === "bigint" ? `${v}n` : v),
  );
}
