/**
 * Random machine functions, and a machine for them in which every instruction computes a hash of its name and its inputs.
 * Two runs with the same trace did the same thing, so a function can be compared with its allocation without knowing
 * what any instruction means.
 */
// prettier-ignore
import {
  copySource, effectsOf, FIRST_VIRTUAL, FRAME_POINTER, machineSuccessors, mapRegisters,
  type Body, type Condition, type MachineBlock, type MachineFunction, type MachineInsn, type MachineReg, type MachineTerminator,
} from "../../codegen/lower/mir.ts";
import type { Allocation, Item } from "../../codegen/regalloc/allocation.ts";

// --- random functions -------------------------------------------------------------------------------------------------

/** Decisions are taken from the list; any list makes a function all of whose registers are written before they are read. */
export function randomMachineFunction(choices: readonly number[]): MachineFunction {
  let at = 0;
  const choose = (n: number): number => (choices[at++] ?? 0) % n;
  const count = 3 + choose(28);
  const any = (): MachineReg => FIRST_VIRTUAL + choose(count);
  const exit: MachineTerminator = { kind: "exit", result: true, place: null };
  const blocks = Array.from({ length: 1 + choose(9) }, (_, id): MachineBlock => ({
    id,
    insns: [],
    terminator: exit,
    loopDepth: choose(3),
  }));
  const paramCount = choose(6);
  const entry = blocks[0] as MachineBlock;
  for (let i = 0; i < count; i++) {
    const src = i < paramCount ? { reg: i + 1 } : { imm: 100 + i };
    emit(entry, { kind: "alu", op: "mov", width: 64, dst: FIRST_VIRTUAL + i, src });
  }
  for (const block of blocks) {
    for (let n = choose(12); n > 0; n--) randomInsn(block);
    const other = (): MachineBlock => blocks[1 + choose(Math.max(1, blocks.length - 1))] ?? entry;
    const kind = blocks.length === 1 ? 0 : choose(4);
    const [then, otherwise] = [other(), other()];
    if (kind === 1) block.terminator = { kind: "jump", target: then, place: null };
    else if (kind > 1) {
      const condition: Condition = {
        op: "gt",
        width: 64,
        dst: any(),
        src: choose(2) === 0 ? { imm: choose(9) } : { reg: any() },
      };
      block.terminator = { kind: "branch", condition, then, else: otherwise, place: null };
    } else emit(block, { kind: "alu", op: "mov", width: 64, dst: 0, src: { reg: any() } });
  }
  return { blocks: reachable(blocks), paramCount, registerEnd: FIRST_VIRTUAL + count, stackBytes: 0 };

  function randomInsn(block: MachineBlock): void {
    const kind = choose(10);
    if (kind < 3)
      emit(block, { kind: "alu", op: kind === 0 ? "add" : "xor", width: 64, dst: any(), src: { reg: any() } });
    else if (kind === 3) emit(block, { kind: "alu", op: "mov", width: 64, dst: any(), src: { reg: any() } });
    else if (kind === 4) emit(block, { kind: "alu", op: "mov", width: 32, dst: any(), src: { imm: choose(50) } });
    else if (kind === 5)
      emit(block, { kind: "load", size: 8, signed: false, dst: any(), base: any(), off: 8 * choose(3) });
    else if (kind === 6)
      emit(block, {
        kind: "store",
        size: 8,
        base: choose(2) === 0 ? FRAME_POINTER : any(),
        off: -8,
        src: { reg: any() },
      });
    else if (kind === 7) randomCall(block);
    else if (kind === 8) {
      emit(block, { kind: "alu", op: "mov", width: 64, dst: 0, src: { reg: any() } });
      emit(block, { kind: "atomic", op: "cmpxchg", size: 8, base: any(), off: 0, src: any() });
      emit(block, { kind: "alu", op: "mov", width: 64, dst: any(), src: { reg: 0 } });
    } else
      emit(
        block,
        choose(2) === 0
          ? { kind: "frame_address", dst: any(), off: -16 }
          : { kind: "atomic", op: "fetch_add", size: 8, base: any(), off: 8, src: any() },
      );
  }

  function randomCall(block: MachineBlock): void {
    const argCount = choose(6);
    for (let i = 1; i <= argCount; i++) emit(block, { kind: "alu", op: "mov", width: 64, dst: i, src: { reg: any() } });
    emit(block, { kind: "call", target: { kind: "helper", id: 1 + choose(5) } }, argCount);
    emit(block, { kind: "alu", op: "mov", width: 64, dst: any(), src: { reg: 0 } });
  }
}

function emit(block: MachineBlock, body: Body, argCount = 0): void {
  block.insns.push({ body, target: null, argCount, place: null });
}

function reachable(blocks: readonly MachineBlock[]): MachineBlock[] {
  const seen = new Set(blocks.slice(0, 1));
  for (const block of seen) for (const next of machineSuccessors(block)) seen.add(next);
  return [...seen];
}

// --- running ----------------------------------------------------------------------------------------------------------

/** What can be seen from outside: stores, calls, atomics, the result. */
export type Trace = number[];

const MAX_EVENTS = 60;
const MAX_STEPS = 2000;

/** Runs the function with its virtual registers. */
export function runOriginal(fn: MachineFunction, seed: number): Trace {
  const machine = new HashMachine(seed, 1);
  return machine.run(fn.blocks[0] as MachineBlock, (block) => {
    for (const insn of block.insns) machine.execute(insn, insn.body);
    return block.terminator;
  });
}

/** Runs the allocated function with physical registers and slots. */
export function runAllocated(fn: MachineFunction, allocation: Allocation, seed: number): Trace {
  const machine = new HashMachine(seed, 2);
  const byBlock = new Map(allocation.blocks.map((b) => [b.from, b]));
  return machine.run(fn.blocks[0] as MachineBlock, (block) => {
    const allocated = byBlock.get(block);
    if (allocated === undefined) return block.terminator;
    for (const item of allocated.items) machine.item(item);
    return allocated.terminator;
  });
}

class HashMachine {
  private readonly values = new Map<MachineReg, number>();
  private readonly slots = new Map<number, number>();
  private readonly trace: Trace = [];
  private junk: number;
  private steps = 0;

  /** `junk`: what nobody wrote differs between machines, so that reading it shows. */
  constructor(seed: number, junk: number) {
    for (let i = 1; i <= 5; i++) this.values.set(i, hash(seed, i));
    this.junk = hash(junk, 77);
  }

  run(entry: MachineBlock, body: (block: MachineBlock) => MachineTerminator): Trace {
    let block = entry;
    while (this.trace.length < MAX_EVENTS && this.steps++ < MAX_STEPS) {
      const t = body(block);
      if (t.kind === "exit") {
        this.trace.push(hash(1, this.get(0)));
        break;
      }
      if (t.kind === "jump") block = t.target;
      else {
        const { dst, src } = t.condition;
        block = hash(this.get(dst), "reg" in src ? this.get(src.reg) : src.imm) % 2 === 0 ? t.then : t.else;
      }
    }
    return this.trace.slice(0, MAX_EVENTS);
  }

  item(item: Item): void {
    if (item.kind === "original" || item.kind === "remake") this.execute(item.from, item.body);
    else if (item.kind === "spill") this.slots.set(item.slot, this.get(item.reg));
    else if (item.kind === "reload") this.values.set(item.reg, this.slots.get(item.slot) ?? ++this.junk);
    else if (item.kind === "move") this.values.set(item.to, this.get(item.reg));
  }

  execute(insn: MachineInsn, body: Body): void {
    const source = copySource(body);
    const { uses, defs, clobbers } = effectsOf({ ...insn, body });
    if (source !== null) {
      this.values.set(defs[0] as MachineReg, this.get(source));
      return;
    }
    let result = hashText(
      JSON.stringify(
        mapRegisters(body, () => 0),
        (_, v: unknown) => (typeof v === "bigint" ? String(v) : v),
      ),
    );
    for (const reg of uses) result = hash(result, this.get(reg));
    if (body.kind === "store" || body.kind === "call" || body.kind === "atomic") this.trace.push(result);
    for (const reg of clobbers) this.values.set(reg, ++this.junk);
    defs.forEach((reg, i) => this.values.set(reg, hash(result, i)));
  }

  private get(reg: MachineReg): number {
    let value = this.values.get(reg);
    if (value === undefined) this.values.set(reg, (value = ++this.junk));
    return value;
  }
}

function hash(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(b ^ 0x27d4_eb2f, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b_3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

function hashText(text: string): number {
  let h = 7;
  for (let i = 0; i < text.length; i++) h = hash(h, text.charCodeAt(i));
  return h;
}
