/**
 * Arithmetic with pointers. What a kind of pointer allows is data (`ARITHMETIC`); what comes out keeps the kind, with the constant
 * part in `off` and the rest in `num`.
 */
import type { Alu } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, newId, reject } from "../env.ts";
import { markPrecise } from "../prune/index.ts";
import { addOffset, deduce, smallConstant, subtractOffset } from "../scalar/index.ts";
import type { Reg, RegKind } from "../state/index.ts";
import { FLAG, change, withNumber, withOffset } from "../state/index.ts";
import { immediate, unknown } from "./operands.ts";
import { guardMove, guardMoved } from "./speculation.ts";

/** What may be added to a pointer: any number, only constants, only 0, nothing. */
type Addend = "any" | "constant" | "zero" | "none";

const ARITHMETIC: Readonly<Record<Exclude<RegKind, "none" | "scalar">, Addend>> = {
  ctx: "any",
  map_value: "any",
  map_key: "any",
  stack: "any",
  packet: "any",
  packet_meta: "any",
  tp_buffer: "any",
  object: "any",
  mem: "any",
  buf: "any",
  func: "any",
  dynptr: "any",
  flow_keys: "constant",
  map: "zero",
  packet_end: "none",
  socket: "none",
  sock_common: "none",
  tcp_sock: "none",
  xdp_sock: "none",
  arena: "none",
};

/** Offsets stay below this in either direction, so that sums of them do not overflow. */
const MAX_OFFSET = 1 << 29;
/** The high half of the least signed number of 64 bits; its low half is 0. */
const S32_MIN = -0x8000_0000;

/** dst op src where one of them is a pointer. `source` -1: an immediate. */
export function pointerAlu(env: Env, insn: Alu, source: number): number {
  const { op, dst } = insn;
  const { regs } = frameOf(env);
  const a = regs[dst] as Reg;
  if (source < 0) {
    const { imm } = insn.src as { imm: number };
    regs[dst] = offsetPointer(env, insn, a, immediate(env, imm), false);
    return env.slot + 1;
  }
  const b = regs[source] as Reg;
  if (a.kind !== "scalar" && b.kind !== "scalar") {
    if (op !== "sub" || !env.privileges.perfmon) reject(env, "two_pointer_arithmetic", { register: dst, operator: op });
    regs[dst] = unknown(env);
  } else if (a.kind === "scalar") {
    markPrecise(env, dst);
    // The sum is a pointer like the other, but what that one has to give back it does not: it cannot be released.
    regs[dst] = change(offsetPointer(env, insn, b, regs[dst] as Reg, true), { ref: 0 });
  } else {
    markPrecise(env, source);
    regs[dst] = offsetPointer(env, insn, a, regs[source] as Reg, false);
  }
  return env.slot + 1;
}

/** `pointer op number`; `reversed`: it is written `number op pointer`. */
function offsetPointer(env: Env, insn: Alu, pointer: Reg, number: Reg, reversed: boolean): Reg {
  const { op, dst, width } = insn;
  if (width === 32) {
    if (op === "sub" && env.privileges.perfmon) return unknown(env);
    reject(env, "narrow_pointer_arithmetic", { register: dst });
  }
  if ((pointer.flags & FLAG.maybe_null) !== 0) {
    reject(env, "null_arithmetic", { register: dst, kind: pointer.kind });
  }
  const distance = number.num.isConst ? smallConstant(number.num) : null;
  checkAddend(env, insn, pointer, number, distance);
  checkOffset(env, number, pointer.kind);
  checkOffset(env, pointer, pointer.kind);
  const move = guardMove(env, insn, pointer, number, reversed);
  const result =
    op === "add" ? add(env, pointer, number, distance) : subtract(env, insn, pointer, number, distance, reversed);
  checkOffset(env, result, pointer.kind);
  if (!env.privileges.perfmon) guardMoved(env, insn, result, move);
  return result;
}

function checkAddend(env: Env, insn: Alu, pointer: Reg, number: Reg, distance: number | null): void {
  const { dst: register, op } = insn;
  const allowed = ARITHMETIC[pointer.kind as keyof typeof ARITHMETIC];
  if (allowed === "any" || (allowed === "constant" && number.num.isConst)) return;
  if (allowed !== "none" && distance === 0 && op === "add") return;
  reject(env, "pointer_kind_arithmetic", { register, kind: pointer.kind });
}

/** Numbers and pointers stay where sums of them cannot overflow. */
function checkOffset(env: Env, reg: Reg, kind: RegKind): void {
  const { num, off } = reg;
  if (num.isConst) {
    const value = smallConstant(num);
    if (value === null || value >= MAX_OFFSET || value <= -MAX_OFFSET) {
      reject(env, "offset_too_big", { kind, value: BigInt.asIntN(64, num.value) });
    }
  }
  if (off >= MAX_OFFSET || off <= -MAX_OFFSET) reject(env, "offset_too_big", { kind, value: off });
  if (num.isConst && num.sminHi !== S32_MIN) return;
  if (num.sminHi === S32_MIN && num.sminLo === 0) reject(env, "offset_unbounded", { kind });
  const least = num.sminRounded;
  if (least >= MAX_OFFSET || least <= -MAX_OFFSET) reject(env, "offset_too_big", { kind, value: num.smin });
}

function isPacket(reg: Reg): boolean {
  return reg.kind === "packet" || reg.kind === "packet_meta";
}

function fitsOffset(value: number): boolean {
  return value === (value | 0);
}

function add(env: Env, pointer: Reg, number: Reg, distance: number | null): Reg {
  if (distance !== null && fitsOffset(pointer.off + distance)) return shifted(env, pointer, distance);
  const num = addOffset(pointer.num, number.num);
  // a packet pointer with something unknown added is a new base of which nothing is proven
  return isPacket(pointer) ? change(pointer, { num, id: newId(env), range: 0 }) : withNumber(pointer, num);
}

/** Only speculation leaves views of a pointer's variable part apart (`guardMove`). */
function shifted(env: Env, pointer: Reg, by: number): Reg {
  const off = pointer.off + by;
  return env.privileges.perfmon ? withOffset(pointer, off) : change(pointer, { off, num: deduce(pointer.num) });
}

function subtract(env: Env, insn: Alu, pointer: Reg, number: Reg, distance: number | null, reversed: boolean): Reg {
  const { op, dst: register } = insn;
  if (op !== "sub") reject(env, "pointer_operator", { register, operator: op });
  if (reversed) reject(env, "pointer_from_number", { register });
  if (pointer.kind === "stack") reject(env, "stack_pointer_subtraction", { register });
  if (distance !== null && fitsOffset(pointer.off - distance)) return shifted(env, pointer, -distance);
  const num = subtractOffset(pointer.num, number.num);
  if (!isPacket(pointer)) return withNumber(pointer, num);
  return change(pointer, { num, id: newId(env), range: number.num.sminHi < 0 ? 0 : pointer.range });
}
