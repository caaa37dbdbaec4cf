/**
 * Instructions decoded for the interpreter's loop (execute.ts): four 32-bit words for each slot,
 *
 *   operation (opcodes.ts) | dst | src | arg
 *
 * dst and src are registers, or constants: the register file of a program goes on after r10 with every immediate that it
 * uses, so that one operation does for registers and immediates. arg is an offset, a target slot, or an index into one of
 * the lists of `Code`.
 *
 * Nothing is refused here: an instruction that cannot be executed becomes an operation that traps when it is reached,
 * because a program may well carry such code and never come to it.
 */
import { HELPERS, HELPER_NAMES } from "../kernel/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Atomic, Call, Insn, LoadImm64, Operand, Reg, Size } from "../isa/index.ts";
import type { Executable, HelperFunction, Linkage } from "./engine.ts";
import type { FaultKind } from "./fault.ts";
import { functionSlot } from "./functions.ts";
import { ALU, JUMP, OP } from "./opcodes.ts";
import { ATOMIC, truncate } from "./semantics.ts";

/** What comes after the last instruction of the first frame, or of a callback. */
export const DONE = -1;
/** The target of a jump to where no instruction starts. */
export const NOWHERE = -2;

const REGISTERS = 11;
const WORDS = 4;

/** A program as the interpreter takes it. */
export interface Code extends Executable {
  readonly decoded: Decoded;
  readonly linkage: Linkage<Code>;
}

export interface Decoded {
  readonly words: Int32Array;
  /** What the register file holds after r10. */
  readonly constants: readonly bigint[];
  /** By `arg` of `helper`. */
  readonly helpers: readonly HelperFunction[];
  /** By `arg` of `trap`. */
  readonly traps: readonly { readonly kind: FaultKind; readonly message: string }[];
}

/** The registers of a run in a program: the same bytes as 64-bit numbers, signed and unsigned, and as 32-bit halves. */
export interface RegisterFile {
  readonly q: BigInt64Array;
  readonly unsigned: BigUint64Array;
  readonly w: Int32Array;
}

export function registerFile({ constants }: Decoded): RegisterFile {
  const q = new BigInt64Array(REGISTERS + constants.length);
  constants.forEach((value, i) => (q[REGISTERS + i] = value));
  return { q, unsigned: new BigUint64Array(q.buffer), w: new Int32Array(q.buffer) };
}

/** Takes over r0 to r10. */
export function copyRegisters(from: RegisterFile, to: RegisterFile): void {
  for (let i = 0; i < REGISTERS; i++) to.q[i] = from.q[i]!;
}

/** Instructions by the slot that they start at. */
export function placeInsns(insns: readonly Insn[]): ReadonlyMap<number, Insn> {
  const placed = new Map<number, Insn>();
  let slot = 0;
  for (const insn of insns) {
    placed.set(slot, insn);
    slot += slotsOf(insn);
  }
  return placed;
}

/** `functions`: the address of slot 0 as a function. */
export function decodeProgram(insns: ReadonlyMap<number, Insn>, linkage: Linkage, functions: bigint): Decoded {
  return new Decoder(insns, linkage, functions).decode();
}

class Decoder {
  private readonly insns: ReadonlyMap<number, Insn>;
  private readonly end: number;
  private readonly linkage: Linkage;
  private readonly functions: bigint;
  private readonly words: Int32Array;
  private readonly constants = new Map<bigint, number>();
  private readonly helpers: HelperFunction[] = [];
  private readonly traps: { kind: FaultKind; message: string }[] = [];

  constructor(insns: ReadonlyMap<number, Insn>, linkage: Linkage, functions: bigint) {
    this.insns = insns;
    this.end = [...insns].reduce((_, [slot, insn]) => slot + slotsOf(insn), 0);
    this.linkage = linkage;
    this.functions = functions;
    this.words = new Int32Array((this.end + 1) * WORDS);
  }

  decode(): Decoded {
    for (let slot = 0; slot <= this.end; slot++) {
      const insn = this.insns.get(slot);
      if (insn !== undefined) this.insn(slot, insn);
      else if (slot === this.end) this.trap(slot, "jump", "the program ran past its last instruction");
      else this.trap(slot, "jump", `slot ${slot} is the second half of an instruction`);
    }
    const { words, constants, helpers, traps } = this;
    return { words, constants: [...constants.keys()], helpers, traps };
  }

  private insn(slot: number, insn: Insn): void {
    if (writtenRegister(insn) === 10)
      return this.trap(slot, "register", "write to r10, the frame pointer, which is read-only");
    switch (insn.kind) {
      case "alu":
        return this.put(slot, aluOp(insn.op, insn.width), insn.dst, this.operand(insn.src));
      case "neg":
        return this.put(slot, aluOp("neg", insn.width), insn.dst);
      case "movsx":
        return this.put(slot, MOVSX[insn.width][insn.bits], insn.dst, insn.src);
      case "swap":
        return this.put(slot, (insn.op === "le" ? CUT : SWAP)[insn.bits], insn.dst);
      case "load":
      case "load_acquire": {
        const ops = insn.kind === "load" && insn.signed ? LOAD_SIGNED : LOAD;
        return this.put(slot, ops[insn.size], insn.dst, insn.base, insn.off);
      }
      case "store":
        return this.put(slot, STORE[insn.size], insn.base, this.operand(insn.src), insn.off);
      case "store_release":
        return this.put(slot, STORE[insn.size], insn.base, insn.src, insn.off);
      case "atomic":
        return this.put(slot, OP.atomic, insn.base, insn.src, insn.off);
      case "load_imm64":
        return this.loadImm64(slot, insn);
      case "load_packet":
        return this.put(slot, OP.loadPacket);
      case "jump":
        return this.put(slot, OP.jump, 0, 0, this.target(slot, insn.delta));
      case "jump_if": {
        const group = insn.width === 64 ? OP.jump64 : OP.jump32;
        const target = this.target(slot, insn.delta);
        return this.put(slot, group + JUMP.indexOf(insn.op), insn.dst, this.operand(insn.src), target);
      }
      case "may_goto":
        return this.put(slot, OP.mayGoto, 0, 0, this.target(slot, insn.delta));
      case "call":
        return this.call(slot, insn);
      case "exit":
        return this.put(slot, OP.exit);
      case "addr_space_cast":
        return this.trap(slot, "unsupported", "addr_space_cast: there are no arenas here");
    }
  }

  private put(slot: number, op: number, dst = 0, src = 0, arg = 0): void {
    this.words.set([op, dst, src, arg], slot * WORDS);
  }

  private trap(slot: number, kind: FaultKind, message: string): void {
    this.put(slot, OP.trap, 0, 0, this.traps.push({ kind, message }) - 1);
  }

  /** Where the second operand is in the register file. Immediates are sign-extended (RFC 9669 section 4.1). */
  private operand(src: Operand): number {
    return "reg" in src ? src.reg : this.constant(BigInt(src.imm));
  }

  private constant(value: bigint): number {
    const signed = BigInt.asIntN(64, value);
    const index = this.constants.get(signed) ?? this.constants.size;
    this.constants.set(signed, index);
    return REGISTERS + index;
  }

  /** The slot `delta` slots after the next one. */
  private target(slot: number, delta: number): number {
    const target = slot + 1 + delta;
    return this.insns.has(target) ? target : NOWHERE;
  }

  private loadImm64(slot: number, insn: LoadImm64): void {
    const value = this.loadedValue(slot, insn);
    if (value !== null) return this.put(slot, OP.loadImm64, insn.dst, this.constant(value));
    this.trap(slot, "unsupported", `a 64-bit load of kind ${insn.pseudo}, which has no meaning here`);
  }

  private loadedValue(slot: number, insn: LoadImm64): bigint | null {
    if (insn.pseudo === "none") return insn.imm;
    if (insn.pseudo !== "func") return this.linkage.pseudo(insn, slot);
    const entry = functionSlot(insn, slot);
    return this.insns.has(entry) ? this.functions + BigInt(entry) : null;
  }

  private call(slot: number, { target }: Call): void {
    switch (target.kind) {
      case "local": {
        const entry = this.target(slot, target.delta);
        if (entry === NOWHERE) return this.trap(slot, "jump", jumpToNowhere(slot, target.delta));
        return this.put(slot, OP.call, 0, 0, entry);
      }
      case "helper":
        if (target.id === HELPERS.tail_call.id) return this.put(slot, OP.tailCall);
        return this.helper(slot, this.linkage.helper(target.id), helperMissing(target.id));
      case "kfunc": {
        const message = `kernel function with BTF id ${target.btfId} is not simulated`;
        return this.helper(slot, this.linkage.kfunc(target.btfId, slot), message);
      }
      case "reg":
        return this.put(slot, OP.callRegister, 0, 0, target.reg);
    }
  }

  private helper(slot: number, helper: HelperFunction | null, missing: string): void {
    if (helper === null) return this.trap(slot, "helper", missing);
    this.put(slot, OP.helper, 0, 0, this.helpers.push(helper) - 1);
  }
}

// prettier-ignore
const LOAD: Readonly<Record<Size, number>> = { 1: OP.load1, 2: OP.load2, 4: OP.load4, 8: OP.load8 };
const LOAD_SIGNED = { 1: OP.loadSigned1, 2: OP.loadSigned2, 4: OP.loadSigned4, 8: OP.load8 };
const STORE: Readonly<Record<Size, number>> = { 1: OP.store1, 2: OP.store2, 4: OP.store4, 8: OP.store8 };
const CUT = { 16: OP.cut16, 32: OP.cut32, 64: OP.cut64 };
const SWAP = { 16: OP.swap16, 32: OP.swap32, 64: OP.swap64 };
const MOVSX = {
  64: { 8: OP.movsx8, 16: OP.movsx16, 32: OP.movsx32 },
  32: { 8: OP.movsx8to32, 16: OP.movsx16to32, 32: OP.alu32 + ALU.indexOf("mov") },
};

function aluOp(op: (typeof ALU)[number], width: 32 | 64): number {
  return (width === 64 ? OP.alu64 : OP.alu32) + ALU.indexOf(op);
}

/** The register that the instruction names as destination; r0 of calls is never 10. */
function writtenRegister(insn: Insn): Reg | null {
  if ("dst" in insn && insn.kind !== "jump_if") return insn.dst;
  return insn.kind === "atomic" && ATOMIC[insn.op].fetch === "src" ? insn.src : null;
}

/** What is wrong with a jump or call to `delta` slots after the next one. */
export function jumpToNowhere(slot: number, delta: number): string {
  return `jump to slot ${slot + 1 + delta}, where no instruction starts`;
}

export function helperMissing(id: number): string {
  const name = HELPER_NAMES[id];
  return `helper ${name === undefined ? id : `${name} (${id})`} is not simulated`;
}

/** What an atomic instruction does to `old`, the value in memory; r0 and src as they are before it. */
export function atomicResult(insn: Atomic, old: bigint, src: bigint, r0: bigint): bigint {
  const bits = insn.size * 8;
  return truncate(ATOMIC[insn.op].store(old, truncate(src, bits), truncate(r0, bits)), bits);
}
