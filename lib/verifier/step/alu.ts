/** Arithmetic on numbers; what involves a pointer is pointer.ts. */
import type { Alu, AluOp, Neg, Swap } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, reject } from "../env.ts";
import { alu, negate, smallConstant, splitSign, swap } from "../scalar/index.ts";
import type { Scalar } from "../scalar/index.ts";
import { markPrecise } from "../prune/index.ts";
import type { Reg } from "../state/index.ts";
import { change, ownNumber, topFrame, withNumber } from "../state/index.ts";
import { stepMove } from "./moves.ts";
import { immediate, isHidden, needValue, needWritable, sourceOf, unknown } from "./operands.ts";
import { pushPath } from "./paths.ts";
import { pointerAlu } from "./pointer.ts";
import { guardNumbers } from "./speculation.ts";

const S32_MAX = 0x7fffffff;
const S32_MIN = -0x80000000;

export function stepAlu(env: Env, insn: Alu): number {
  const { op, width, dst } = insn;
  if (op === "mov") return stepMove(env, insn);
  const source = sourceOf(insn.src);
  if (source >= 0) needValue(env, source);
  needValue(env, dst);
  if (source < 0) checkImmediate(env, op, width, (insn.src as { imm: number }).imm);
  needWritable(env, dst);

  const { regs } = frameOf(env);
  const a = regs[dst] as Reg;
  const b = source < 0 ? immediate(env, (insn.src as { imm: number }).imm) : (regs[source] as Reg);
  if (a.kind !== "scalar" || b.kind !== "scalar") return pointerAlu(env, insn, source);
  if (a.precise && source >= 0) markPrecise(env, source);
  regs[dst] = scalarAlu(env, insn, isMask(op, b) ? splitMask(env, dst, a) : a, b, source);
  return env.slot + 1;
}

function isMask(op: AluOp, b: Reg): boolean {
  return (op === "and" || op === "or") && b.num.isConst;
}

/** What is left of a sign (0 or -1) is masked on a path of its own for each: the 0 waits, the -1 is returned. */
function splitMask(env: Env, dst: number, a: Reg): Reg {
  const parts = splitSign(a.num);
  if (parts === null || !env.profile.has("sign_masks")) return a;
  const [zero, ones] = parts;
  const waiting = pushPath(env, env.slot);
  topFrame(waiting).regs[dst] = known(a, zero);
  return known(a, ones);
}

/** Known all through, it is nobody's copy any more. */
function known(reg: Reg, num: Scalar): Reg {
  return num.isConst ? ownNumber(reg, num) : withNumber(reg, num);
}

/** A constant divisor is not 0, a constant shift is less than the width. */
function checkImmediate(env: Env, op: AluOp, width: number, imm: number): void {
  switch (op) {
    case "div":
    case "sdiv":
    case "mod":
    case "smod":
      if (imm === 0) reject(env, "division_by_zero");
      return;
    case "lsh":
    case "rsh":
    case "arsh":
      if (imm < 0 || imm >= width) reject(env, "shift_too_far", { count: imm });
      return;
    default:
  }
}

function scalarAlu(env: Env, insn: Alu, a: Reg, b: Reg, source: number): Reg {
  const { op, width } = insn;
  if (!isBounded(op, width, b)) return unknown(env);
  if (!env.privileges.perfmon) guardNumbers(env, insn);
  const num = alu(op as Exclude<AluOp, "mov">, width, a.num, b.num);
  // r1 = r2; r1 += 5: what is found out about r2 still tells about r1
  if (a.id !== 0 && a.link === 0 && env.privileges.bpf && source !== insn.dst) {
    const distance = distanceOf(op, width, a, b);
    if (distance !== null) return change(a, { num, link: width, off: distance });
  }
  return ownNumber(a, num);
}

/** What is added, where that is known and fits 32 bits; null for other operations. */
function distanceOf(op: AluOp, width: 32 | 64, a: Reg, b: Reg): number | null {
  if (op !== "add" && op !== "sub") return null;
  const constant = width === 64 ? smallConstant(b.num) : b.num.isConst32 ? b.num.s32min : null;
  if (constant === null || constant < S32_MIN || constant > S32_MAX) return null;
  // In 32 bits the sum is not what it was when the upper half had something.
  if (width === 32 && a.num.umaxHi !== 0) return null;
  if (op === "add") return constant;
  return constant === S32_MIN ? null : -constant;
}

/** Whether the kernel has bounds for the result. Shifts: only by a constant below the width. */
function isBounded(op: AluOp, width: number, b: Reg): boolean {
  switch (op) {
    case "add":
    case "sub":
    case "and":
    case "or":
    case "xor":
    case "mul":
      return true;
    case "lsh":
    case "rsh":
    case "arsh": {
      const count = smallConstant(b.num);
      return count !== null && count >= 0 && count < width;
    }
    default:
      return false;
  }
}

export function stepNegate(env: Env, insn: Neg): number {
  const { dst, width } = insn;
  const reg = needValue(env, dst);
  if (isHidden(env, reg)) reject(env, "pointer_operator", { register: dst, operator: "neg" });
  needWritable(env, dst);
  const isKnown = reg.kind === "scalar" && env.profile.has("negated_numbers");
  frameOf(env).regs[dst] = isKnown ? ownNumber(reg, negate(width, reg.num)) : unknown(env);
  return env.slot + 1;
}

export function stepSwap(env: Env, insn: Swap): number {
  const { dst, op, bits } = insn;
  const reg = needValue(env, dst);
  if (isHidden(env, reg)) reject(env, "pointer_operator", { register: dst, operator: op });
  needWritable(env, dst);
  if (!env.profile.has("swapped_numbers")) {
    frameOf(env).regs[dst] = unknown(env);
    return env.slot + 1;
  }
  // the order that numbers have already, and all of the register: nothing happens
  if (op === "le" && bits === 64 && reg.kind === "scalar") return env.slot + 1;
  const value = unknown(env);
  frameOf(env).regs[dst] = reg.kind === "scalar" ? withNumber(value, swap(op, bits, reg.num)) : value;
  return env.slot + 1;
}
