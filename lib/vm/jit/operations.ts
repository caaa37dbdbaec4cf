/**
 * What each operation of the instruction set is in WebAssembly, as tables keyed by the unions of lib/isa: a missing
 * operation does not compile. WebAssembly agrees with RFC 9669 on nearly everything: two's complement, shift counts masked
 * to the width. It differs where it traps: division by zero, and the one quotient that overflows.
 */
import type { AluOp, AtomicOp, JumpOp, Swap, Width } from "../../isa/index.ts";
import type { Body, Op } from "./wasm.ts";

/** An operand at the width of the operation; may be asked for several times. */
export interface Value {
  push(): void;
  /** The value where it is known now, signed. */
  readonly constant: number | null;
}

/** Leaves the result, of the operation's width, on the stack. */
type Lowering = (body: Body, width: Width, a: Value, b: Value) => void;

export const ALU: Readonly<Record<AluOp, Lowering>> = {
  add: plain("add"),
  sub: plain("sub"),
  mul: plain("mul"),
  div: (body, width, a, b) => dividing(body, width, "div_u", a, b, () => constant(body, width, 0)),
  sdiv: (body, width, a, b) => {
    if (b.constant === -1) return negate(body, width, a);
    if (b.constant !== null) return dividing(body, width, "div_s", a, b, () => constant(body, width, 0));
    // -1 apart: WebAssembly traps when the quotient overflows, the instruction set negates.
    b.push();
    constant(body, width, -1);
    body.op(typed(width, "eq"));
    body.open("if", type(width));
    negate(body, width, a);
    body.else();
    dividing(body, width, "div_s", a, b, () => constant(body, width, 0));
    body.close();
  },
  mod: (body, width, a, b) => dividing(body, width, "rem_u", a, b, () => a.push()),
  smod: (body, width, a, b) => dividing(body, width, "rem_s", a, b, () => a.push()),
  or: plain("or"),
  and: plain("and"),
  xor: plain("xor"),
  lsh: plain("shl"),
  rsh: plain("shr_u"),
  arsh: plain("shr_s"),
  mov: (_body, _width, _a, b) => b.push(),
};

type Suffix<T> = T extends `i64.${infer S}` ? (`i32.${S}` extends Op ? S : never) : never;

function typed(width: Width, suffix: Suffix<Op>): Op {
  return width === 64 ? `i64.${suffix}` : `i32.${suffix}`;
}

const type = (width: Width): "i32" | "i64" => (width === 64 ? "i64" : "i32");

export function constant(body: Body, width: Width, value: number): void {
  if (width === 64) body.i64(value);
  else body.i32(value);
}

function plain(suffix: Suffix<Op>): Lowering {
  return (body, width, a, b) => {
    a.push();
    b.push();
    body.op(typed(width, suffix));
  };
}

function negate(body: Body, width: Width, a: Value): void {
  constant(body, width, 0);
  a.push();
  body.op(typed(width, "sub"));
}

// prettier-ignore
function dividing(body: Body, width: Width, suffix: Suffix<Op>, a: Value, b: Value, byZero: () => void): void {
  if (b.constant === 0) return byZero();
  if (b.constant !== null) return plain(suffix)(body, width, a, b);
  b.push();
  body.op(typed(width, "eqz"));
  body.open("if", type(width));
  byZero();
  body.else();
  plain(suffix)(body, width, a, b);
  body.close();
}

/** Negates the value. */
export const NEG = negate;

/** Leaves an i32 on the stack: whether the condition holds. */
export const JUMP: Readonly<Record<JumpOp, Lowering>> = {
  eq: plain("eq"),
  ne: plain("ne"),
  gt: plain("gt_u"),
  ge: plain("ge_u"),
  lt: plain("lt_u"),
  le: plain("le_u"),
  set: (body, width, a, b) => {
    plain("and")(body, width, a, b);
    constant(body, width, 0);
    body.op(typed(width, "ne"));
  },
  sgt: plain("gt_s"),
  sge: plain("ge_s"),
  slt: plain("lt_s"),
  sle: plain("le_s"),
};

/** The condition that holds when the other does not; null for the one that has none among the operations. */
export const OPPOSITE: Readonly<Record<JumpOp, JumpOp | null>> = {
  eq: "ne",
  ne: "eq",
  gt: "le",
  ge: "lt",
  lt: "ge",
  le: "gt",
  set: null,
  sgt: "sle",
  sge: "slt",
  slt: "sge",
  sle: "sgt",
};

/** What an atomic leaves in memory, of the old value and the operand, as 64-bit operations whose low bits count. */
export const ATOMIC: Readonly<Record<AtomicOp, Op | "src" | "compare">> = {
  add: "i64.add",
  or: "i64.or",
  and: "i64.and",
  xor: "i64.xor",
  fetch_add: "i64.add",
  fetch_or: "i64.or",
  fetch_and: "i64.and",
  fetch_xor: "i64.xor",
  xchg: "src",
  cmpxchg: "compare",
};

/** Turns the 64-bit value into one of `bits` with or without its bytes reversed; leaves 64 bits. */
export const SWAP: Readonly<Record<Swap["op"], (body: Body, bits: 16 | 32 | 64, push: () => void) => void>> = {
  le: (body, bits, push) => {
    push();
    cut(body, bits);
  },
  be: reverse,
  bswap: reverse,
};

/** Zeroes what is above `bits`. */
function cut(body: Body, bits: 16 | 32 | 64): void {
  if (bits === 64) return;
  body.i64(bits === 16 ? 0xffff : 0xffff_ffff);
  body.op("i64.and");
}

// No engine has an instruction for it that WebAssembly reaches. 64 bits: a shuffle of a vector. 32 bits: the bytes at even
// and at odd places change sides by one rotation each.
function reverse(body: Body, bits: 16 | 32 | 64, push: () => void): void {
  push();
  if (bits === 64) return body.reverse64();
  body.op("i32.wrap_i64");
  if (bits === 16) {
    body.i32(8);
    body.op("i32.shl");
    push();
    body.op("i32.wrap_i64");
    body.i32(8);
    body.op("i32.shr_u");
    body.i32(0xff);
    body.op("i32.and");
    body.op("i32.or");
    body.i32(0xffff);
    body.op("i32.and");
  } else {
    body.i32(8);
    body.op("i32.rotl");
    body.i32(0x00ff_00ff);
    body.op("i32.and");
    push();
    body.op("i32.wrap_i64");
    body.i32(8);
    body.op("i32.rotr");
    body.i32(0xff00_ff00);
    body.op("i32.and");
    body.op("i32.or");
  }
  body.op("i64.extend_i32_u");
}
