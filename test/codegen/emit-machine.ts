/**
 * A small eBPF machine for the compiler's tests, written from RFC 9669, so that they depend on no other part of the
 * toolchain. Registers that a call loses are filled with rubbish, as is everything at the start.
 */
import type { AluOp, Insn, JumpOp, Operand } from "../../lib/isa/index.ts";
import { slotsOf } from "../../lib/isa/index.ts";
import { HELPERS } from "../../lib/kernel/index.ts";
import type { Oracle, Outcome } from "./emit-evaluate-ir.ts";
import type { Memory } from "./emit-memory.ts";

const RUBBISH = 0xdead_beef_dead_0000n;

/** Runs until `exit`; gives r0. */
export function runInsns(insns: readonly Insn[], args: readonly bigint[], memory: Memory, oracle: Oracle): Outcome {
  const bySlot = new Map<number, Insn>();
  let end = 0;
  for (const insn of insns) {
    bySlot.set(end, insn);
    end += slotsOf(insn);
  }
  const r = Array.from({ length: 11 }, (_, i) => RUBBISH + BigInt(i));
  args.forEach((arg, i) => (r[i + 1] = arg));
  r[10] = memory.stackTop;
  const get = (reg: number): bigint => r[reg] as bigint;
  const set = (reg: number, value: bigint): void => {
    if (reg === 10) throw new Error("r10 is written");
    r[reg] = BigInt.asUintN(64, value);
  };
  const operand = (o: Operand): bigint => ("reg" in o ? get(o.reg) : BigInt.asUintN(64, BigInt(o.imm)));
  let calls = 0;
  let pc = 0;
  for (let steps = 0; steps < 1_000_000; steps++) {
    const insn = bySlot.get(pc);
    if (insn === undefined) throw new Error(`no instruction at slot ${pc}`);
    pc += slotsOf(insn);
    switch (insn.kind) {
      case "alu": {
        const bits = insn.width;
        const a = BigInt.asUintN(bits, get(insn.dst));
        set(insn.dst, BigInt.asUintN(bits, alu(insn.op, bits, a, BigInt.asUintN(bits, operand(insn.src)))));
        break;
      }
      case "movsx":
        set(insn.dst, BigInt.asUintN(insn.width, BigInt.asIntN(insn.bits, get(insn.src))));
        break;
      case "neg":
        set(insn.dst, BigInt.asUintN(insn.width, -get(insn.dst)));
        break;
      case "swap": {
        let out = 0n;
        for (let i = 0; i < insn.bits; i += 8) out = (out << 8n) | ((get(insn.dst) >> BigInt(i)) & 0xffn);
        set(insn.dst, insn.op === "le" ? BigInt.asUintN(insn.bits, get(insn.dst)) : out);
        break;
      }
      case "load": {
        const raw = memory.read(get(insn.base) + BigInt(insn.off), insn.size);
        set(insn.dst, insn.signed ? BigInt.asIntN(8 * insn.size, raw) : raw);
        break;
      }
      case "store":
        memory.write(get(insn.base) + BigInt(insn.off), insn.size, operand(insn.src));
        break;
      case "atomic": {
        const at = get(insn.base) + BigInt(insn.off);
        const bits = 8 * insn.size;
        const old = memory.read(at, insn.size);
        const src = BigInt.asUintN(bits, get(insn.src));
        if (insn.op === "cmpxchg") {
          if (old === BigInt.asUintN(bits, get(0))) memory.write(at, insn.size, src);
          set(0, old);
        } else {
          const op = insn.op.replace("fetch_", "");
          memory.write(at, insn.size, op === "xchg" ? src : alu(op as AluOp, bits, old, src));
          if (insn.op !== op || op === "xchg") set(insn.src, old);
        }
        break;
      }
      case "load_imm64":
        set(insn.dst, insn.imm);
        break;
      case "jump":
        pc += insn.delta;
        break;
      case "jump_if":
        if (holds(insn.op, insn.width, get(insn.dst), operand(insn.src))) pc += insn.delta;
        break;
      case "call":
        set(0, oracle(calls++, insn.target.kind === "helper" ? insn.target.id : 0, r.slice(1, 1 + argumentsOf(insn))));
        for (let i = 1; i <= 5; i++) r[i] = RUBBISH + BigInt(100 + i);
        break;
      case "exit":
        return { result: get(0), calls };
      default:
        throw new Error(`${insn.kind} is not expected`);
    }
  }
  throw new Error("the program does not end");
}

/** Slots that no path from the start gets to: the kernel refuses a program that has any. */
export function unreachedSlots(insns: readonly Insn[]): number[] {
  const bySlot = new Map<number, Insn>();
  let end = 0;
  for (const insn of insns) {
    bySlot.set(end, insn);
    end += slotsOf(insn);
  }
  const reached = new Set([0]);
  for (const slot of reached) {
    const insn = bySlot.get(slot);
    if (insn === undefined) throw new Error(`control reaches slot ${slot}, where no instruction starts`);
    if (insn.kind === "jump" || insn.kind === "jump_if") reached.add(slot + 1 + insn.delta);
    if (insn.kind !== "jump" && insn.kind !== "exit") reached.add(slot + slotsOf(insn));
  }
  return [...bySlot.keys()].filter((slot) => !reached.has(slot));
}

function argumentsOf(insn: Insn & { kind: "call" }): number {
  const { target } = insn;
  return Object.values(HELPERS).find((h) => target.kind === "helper" && h.id === target.id)?.args.length ?? 0;
}

function alu(op: AluOp, bits: number, a: bigint, b: bigint): bigint {
  const s = (n: bigint): bigint => BigInt.asIntN(bits, n);
  const amount = b % BigInt(bits);
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return b === 0n ? 0n : a / b;
    case "sdiv":
      return b === 0n ? 0n : s(a) / s(b);
    case "mod":
      return b === 0n ? a : a % b;
    case "smod":
      return b === 0n ? a : s(a) % s(b);
    case "or":
      return a | b;
    case "and":
      return a & b;
    case "xor":
      return a ^ b;
    case "mov":
      return b;
    case "lsh":
      return a << amount;
    case "rsh":
      return a >> amount;
    case "arsh":
      return s(a) >> amount;
  }
}

function holds(op: JumpOp, bits: number, x: bigint, y: bigint): boolean {
  const cut = (n: bigint): bigint =>
    op.startsWith("s") && op !== "set" ? BigInt.asIntN(bits, n) : BigInt.asUintN(bits, n);
  const [a, b] = [cut(x), cut(y)];
  switch (op) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "set":
      return (a & b) !== 0n;
    case "gt":
    case "sgt":
      return a > b;
    case "ge":
    case "sge":
      return a >= b;
    case "lt":
    case "slt":
      return a < b;
    case "le":
    case "sle":
      return a <= b;
  }
}
