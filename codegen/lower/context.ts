/**
 * What the selection rules work with: which register holds a value, how an operand or an address is best spelled.
 *
 * Asking for a value's register is what makes its definition be emitted later (selection runs backwards); a value that
 * nobody asks for is folded into its users or dead. An i32 may be asked for with zeros in the upper half (`reg`) or for
 * its low bits only (`low`), which lets truncations and zero extensions vanish.
 */
import { DiagnosticError } from "../../lib/diag/index.ts";
import type { Operand, Width } from "../../lib/isa/index.ts";
import { problem, type CompilerCode } from "../diagnostics.ts";
import type { Dominators } from "../ir/dominators.ts";
import type { Block, IrFunction, PacketAt, SourcePlace, Value } from "../ir/ir.ts";
import { Sequence, type MachineBuilder } from "./builder.ts";
import type { Body, Condition, MachineReg, Target } from "./mir.ts";
import { FRAME_POINTER } from "./mir.ts";
import type { PacketPlan } from "./packet-plan.ts";
import type { Use } from "./uses.ts";

/** eBPF instruction set version. v1 lacks jlt and the like, v2 lacks 32-bit jumps and fetching atomics, v3 lacks movsx, sdiv. */
export type Cpu = "v1" | "v2" | "v3" | "v4";

/** base + off, as loads and stores take it. */
export interface Address {
  readonly base: MachineReg;
  readonly off: number;
}

export class Lowering {
  readonly fn: IrFunction;
  readonly cpu: Cpu;
  readonly uses: ReadonlyMap<Value, readonly Use[]>;
  readonly dominators: Dominators;
  readonly packets: PacketPlan;
  readonly builder: MachineBuilder;
  /** Distance of each stack object below r10. */
  readonly slots: ReadonlyMap<Value, number>;
  /** Where the rule at work writes. */
  sequence = new Sequence(null);
  private readonly registers = new Map<Value, MachineReg>();
  private readonly clean = new Set<Value>();

  constructor(parts: Pick<Lowering, "fn" | "cpu" | "uses" | "dominators" | "packets" | "builder" | "slots">) {
    this.fn = parts.fn;
    this.cpu = parts.cpu;
    this.uses = parts.uses;
    this.dominators = parts.dominators;
    this.packets = parts.packets;
    this.builder = parts.builder;
    this.slots = parts.slots;
  }

  has(cpu: Cpu): boolean {
    return this.cpu >= cpu;
  }

  /** Gives up on the function with a diagnostic. */
  fail(
    code: CompilerCode,
    message: string,
    place: SourcePlace | null,
    more: { remedy?: string; found?: string } = {},
  ): never {
    throw new DiagnosticError([problem(code, message, place, more)]);
  }

  emit(body: Body, more: { target?: Target; argCount?: number } = {}): void {
    this.sequence.emit(body, more);
  }

  /** Writes a sequence that is skipped when the condition holds. */
  skipIf(condition: Condition, write: () => void): void {
    const outer = this.sequence;
    outer.skipIf(condition, (body) => {
      this.sequence = body;
      write();
    });
    this.sequence = outer;
  }

  temp(): MachineReg {
    return this.builder.newRegister();
  }

  // --- values -------------------------------------------------------------------------------------------------------

  /** True when something that comes later reads the value's register. */
  isWanted(value: Value): boolean {
    return this.registers.has(value);
  }

  /** Of an i32: true when a reader needs zeros in the upper half. */
  needsClean(value: Value): boolean {
    return this.clean.has(value);
  }

  /** The register that the definition of a wanted value writes. */
  result(value: Value): MachineReg {
    let reg = this.registers.get(value);
    if (reg === undefined) this.registers.set(value, (reg = this.temp()));
    return reg;
  }

  /** A register to read the value from. Constants and addresses are made here. Not to be written to. */
  reg(value: Value): MachineReg {
    if (value.op === "unary" && value.operator === "extend_u") return this.reg(value.args[0]);
    if (isMadeAtUse(value)) {
      const temp = this.temp();
      this.make(temp, value);
      return temp;
    }
    if (value.type === "i32") this.clean.add(value);
    return this.result(value);
  }

  /** A register whose low `bits` bits are the value's. */
  low(value: Value, bits: 8 | 16 | 32): MachineReg {
    const inner = sameLowBits(value, bits);
    if (inner !== value) return this.low(inner, bits);
    if (value.type === "i32" && !isMadeAtUse(value)) return this.result(value);
    return this.reg(value);
  }

  /** A register to read an operand of that width from. */
  at(value: Value, width: Width): MachineReg {
    return width === 32 ? this.low(value, 32) : this.reg(value);
  }

  /** The value as an immediate where it fits, else in a register. */
  operand(value: Value, width: Width): Operand<MachineReg> {
    const imm = immediate(value, width);
    return imm === null ? { reg: this.at(value, width) } : { imm };
  }

  /** dst = value. */
  copy(dst: MachineReg, value: Value): void {
    if (value.op === "unary" && value.operator === "extend_u") return this.copy(dst, value.args[0]);
    if (isMadeAtUse(value)) return this.make(dst, value);
    this.move(dst, this.reg(value));
  }

  move(dst: MachineReg, src: MachineReg): void {
    this.emit({ kind: "alu", op: "mov", width: 64, dst, src: { reg: src } });
  }

  alu(op: (Body & { kind: "alu" })["op"], width: Width, dst: MachineReg, src: Operand<MachineReg>): void {
    this.emit({ kind: "alu", op, width, dst, src });
  }

  /** dst = a 64-bit constant. */
  constant(dst: MachineReg, value: bigint): void {
    const signed = BigInt.asIntN(64, value);
    if (signed === BigInt.asIntN(32, signed)) return this.alu("mov", 64, dst, { imm: Number(signed) });
    // A 32-bit move zero-extends: one slot instead of two.
    if (signed === BigInt.asUintN(32, signed))
      return this.alu("mov", 32, dst, { imm: Number(BigInt.asIntN(32, signed)) });
    this.emit({ kind: "load_imm64", dst, pseudo: "none", imm: signed });
  }

  private make(dst: MachineReg, value: Value): void {
    if (value.op === "const") {
      if (value.type === "i32") this.alu("mov", 32, dst, { imm: Number(value.value) });
      else this.constant(dst, value.value);
    } else if (value.op === "map_address") {
      this.emit({ kind: "load_imm64", dst, pseudo: "none", imm: 0n }, { target: { kind: "map", map: value.map } });
    } else if (value.op === "function_address") {
      const target = { kind: "func", func: value.callee } as const;
      this.emit({ kind: "load_imm64", dst, pseudo: "none", imm: 0n }, { target });
    } else if (value.op === "stack_slot") {
      this.emit({ kind: "frame_address", dst, off: this.slotOffset(value) });
    }
  }

  private slotOffset(slot: Value): number {
    return -(this.slots.get(slot) ?? 0);
  }

  // --- addresses ----------------------------------------------------------------------------------------------------

  /** pointer + offset with all constants in `off`, which fits 16 bits. */
  address(pointer: Value, offset: number): Address {
    const folded = this.fold(pointer, offset);
    if (fitsOffset(folded.off)) return { base: folded.base(), off: folded.off };
    const direct = this.reg(pointer);
    if (fitsOffset(offset)) return { base: direct, off: offset };
    const base = this.temp();
    this.move(base, direct);
    this.alu("add", 64, base, { imm: offset });
    return { base, off: 0 };
  }

  /** The register is asked for late: the sum may turn out not to fit. */
  private fold(pointer: Value, off: number): { base: () => MachineReg; off: number } {
    if (pointer.op === "binary" && pointer.operator === "add" && pointer.args[1].op === "const") {
      return this.fold(pointer.args[0], off + Number(pointer.args[1].value));
    }
    if (pointer.op === "stack_slot") return { base: () => FRAME_POINTER, off: off + this.slotOffset(pointer) };
    if (pointer.op === "packet_at") {
      const fused = this.packets.fused.get(pointer);
      if (fused !== undefined) return { base: () => fused.base, off: off + fused.offset };
    }
    return { base: () => this.reg(pointer), off };
  }

  // --- packets ------------------------------------------------------------------------------------------------------

  /** The input that a phi gets over an edge: a packet pointer is null where its check failed. */
  isNullOnEdge(value: Value, from: Block, to: Block): value is PacketAt {
    if (value.op !== "packet_at") return false;
    const fused = this.packets.fused.get(value);
    return fused !== undefined && fused.block === from && fused.absent === to;
  }
}

/** Values that are made anew in front of each use instead of being kept in a register. */
export function isMadeAtUse(value: Value): boolean {
  switch (value.op) {
    case "const":
    case "map_address":
    case "function_address":
    case "stack_slot":
      return true;
    default:
      return false;
  }
}

/** Looks through operations that do not change the low `bits` bits. */
function sameLowBits(value: Value, bits: number): Value {
  if (value.op === "unary") {
    const [arg] = value.args;
    if (value.operator === "wrap" || value.operator === "extend_u" || value.operator === "extend_s") return arg;
    if (value.operator === "sext16" && bits <= 16) return arg;
    if (value.operator === "sext8" && bits <= 8) return arg;
    if (value.operator === "sext32" && bits <= 32) return arg;
  }
  if (value.op === "binary" && value.operator === "and" && value.args[1].op === "const") {
    const mask = (1n << BigInt(bits)) - 1n;
    if ((value.args[1].value & mask) === mask) return value.args[0];
  }
  return value;
}

/** A constant as a signed 32-bit immediate of an operation of that width, or null. */
export function immediate(value: Value, width: Width): number | null {
  if (value.op !== "const") return null;
  const n = value.value;
  if (width === 32) return Number(BigInt.asIntN(32, n));
  // An i32 in a 64-bit operation is zero-extended, an immediate sign-extended.
  const wide = value.type === "i32" ? BigInt.asUintN(32, n) : n;
  return wide === BigInt.asIntN(32, wide) ? Number(wide) : null;
}

export function fitsOffset(n: number): boolean {
  return n >= -0x8000 && n <= 0x7fff;
}

export function widthOf(value: Value): Width {
  return value.type === "i32" ? 32 : 64;
}
