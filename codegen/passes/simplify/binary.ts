/**
 * Rules for arithmetic, by operator. Semantics as in ir/fold.ts. Constants stand on the right.
 *
 * Sums with constants are added up only once pointers are known (and in i64, where there are no addresses): before, a
 * constant may be the address of global data, which must not be mixed with an index.
 */
import { bitsOf, foldBinary, toUnsigned } from "../../ir/fold.ts";
import type { Binary, BinaryOp, Value } from "../../ir/ir.ts";
import { allBits, possibleBits } from "../../ir/known-bits.ts";
// prettier-ignore
import {
  constantOf, firstOf, invert, isBinary, isBoolean, isConst, like, log2, lowBitsOf, lowMask, type Builder, type Rule,
} from "./rules.ts";
import { swap16FromShifts, swap32FromRotations } from "./swap.ts";

/** Operators for which a op b = b op a. */
const COMMUTATIVE: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["add", "mul", "and", "or", "xor"]);

// prettier-ignore
const RULES: Readonly<Record<BinaryOp, readonly Rule<Binary>[]>> = {
  add:   [identity(0n), addUp, addNegated],
  sub:   [identity(0n), subSelf, subConstant, subSum],
  mul:   [absorb(0n), identity(1n), mulMinusOne, mulPower],
  div_u: [byZero, identity(1n), divPower],
  div_s: [byZero, identity(1n), divMinusOne, divUnsigned],
  rem_u: [remZero, remOne, remPower],
  rem_s: [remZero, remOne, divUnsigned],
  and:   [absorb(0n), identity(-1n), idempotent, combine("and"), andMasked, andOr, andExtend, swap16FromShifts],
  or:    [identity(0n), absorb(-1n), idempotent, combine("or"), swap32FromRotations],
  xor:   [identity(0n), xorSelf, combine("xor"), xorBoolean],
  shl:   [identity(0n), amountInRange, shiftTwice, shlMasked, shlOfShr],
  shr_u: [identity(0n), amountInRange, shiftTwice, shrOfShl, shrMasked],
  shr_s: [identity(0n), amountInRange, shrUnsigned, sextFromShifts],
  rotl:  [identity(0n), amountInRange],
  rotr:  [identity(0n), amountInRange],
};

export function simplifyBinary(value: Binary, b: Builder): Value | null {
  if (value.type === "ptr") return addToPointer(value, b);
  return fold(value, b) ?? constantRight(value, b) ?? firstOf(RULES[value.operator], value, b) ?? noBits(value, b);
}

// --- any operator ---------------------------------------------------------------------------------------------------

function fold(value: Binary, b: Builder): Value | null {
  const [x, y] = value.args.map(constantOf) as [bigint | null, bigint | null];
  return x === null || y === null ? null : b.constant(value.type, foldBinary(value.operator, value.type, x, y));
}

function constantRight(value: Binary, b: Builder): Value | null {
  const [x, y] = value.args;
  if (x.op !== "const" || y.op === "const" || !COMMUTATIVE.has(value.operator)) return null;
  return b.binary(value.operator, y, x);
}

function noBits(value: Binary, b: Builder): Value | null {
  return possibleBits(value) === 0n ? like(value, 0n, b) : null;
}

/** x op n = x */
function identity(n: bigint): Rule<Binary> {
  return (value) => (isConst(value.args[1], n) ? value.args[0] : null);
}

/** x op n = n */
function absorb(n: bigint): Rule<Binary> {
  return (value) => (isConst(value.args[1], n) ? value.args[1] : null);
}

/** x op x = x */
function idempotent(value: Binary): Value | null {
  return value.args[0] === value.args[1] ? value.args[0] : null;
}

/** (x op m) op n = x op (m op n) */
function combine(operator: "and" | "or" | "xor" | "add"): Rule<Binary> {
  return (value, b) => {
    const [x, y] = value.args;
    const n = constantOf(y);
    if (n === null || !isBinary(x, operator) || x.type === "ptr") return null;
    const m = constantOf(x.args[1]);
    return m === null ? null : b.binary(operator, x.args[0], like(value, foldBinary(operator, value.type, m, n), b));
  };
}

// --- add, sub -------------------------------------------------------------------------------------------------------

/** (p + m) + n = p + (m + n): offsets of pointers are signed and do not wrap. */
function addToPointer(value: Binary, b: Builder): Value | null {
  const [p, y] = value.args;
  const n = constantOf(y);
  if (n === 0n) return p;
  if (n === null || !isBinary(p, "add") || p.type !== "ptr") return null;
  const m = constantOf(p.args[1]);
  if (m === null || BigInt.asIntN(32, m + n) !== m + n) return null;
  return b.binary("add", p.args[0], b.constant("i32", m + n));
}

function addUp(value: Binary, b: Builder): Value | null {
  return b.stage === "pointers" || value.type === "i64" ? combine("add")(value, b) : null;
}

/** x + (0 - y) = x - y */
function addNegated(value: Binary, b: Builder): Value | null {
  const [x, y] = value.args;
  if (isBinary(y, "sub") && isConst(y.args[0], 0n)) return b.binary("sub", x, y.args[1]);
  if (isBinary(x, "sub") && isConst(x.args[0], 0n)) return b.binary("sub", y, x.args[1]);
  return null;
}

function subSelf(value: Binary, b: Builder): Value | null {
  return value.args[0] === value.args[1] ? like(value, 0n, b) : null;
}

/** x - n = x + -n */
function subConstant(value: Binary, b: Builder): Value | null {
  const n = constantOf(value.args[1]);
  return n === null ? null : b.binary("add", value.args[0], like(value, -n, b));
}

/** (x + y) - y = x; x - (0 - y) = x + y */
function subSum(value: Binary, b: Builder): Value | null {
  const [x, y] = value.args;
  if (isBinary(x, "add") && x.type !== "ptr") {
    if (x.args[1] === y) return x.args[0];
    if (x.args[0] === y) return x.args[1];
  }
  return isBinary(y, "sub") && isConst(y.args[0], 0n) ? b.binary("add", x, y.args[1]) : null;
}

// --- mul, div, rem --------------------------------------------------------------------------------------------------

function mulMinusOne(value: Binary, b: Builder): Value | null {
  return isConst(value.args[1], -1n) ? b.binary("sub", like(value, 0n, b), value.args[0]) : null;
}

function powerOf(value: Binary): bigint | null {
  const n = constantOf(value.args[1]);
  return n === null ? null : log2(value.type, n);
}

function mulPower(value: Binary, b: Builder): Value | null {
  const k = powerOf(value);
  return k === null ? null : b.binary("shl", value.args[0], like(value, k, b));
}

function byZero(value: Binary, b: Builder): Value | null {
  return isConst(value.args[1], 0n) || isConst(value.args[0], 0n) ? like(value, 0n, b) : null;
}

function divPower(value: Binary, b: Builder): Value | null {
  const k = powerOf(value);
  return k === null ? null : b.binary("shr_u", value.args[0], like(value, k, b));
}

function divMinusOne(value: Binary, b: Builder): Value | null {
  return isConst(value.args[1], -1n) ? b.binary("sub", like(value, 0n, b), value.args[0]) : null;
}

/** Signed division of two numbers that are not negative. */
function divUnsigned(value: Binary, b: Builder): Value | null {
  const sign = 1n << BigInt(bitsOf(value.type) - 1);
  if (value.args.some((v) => (possibleBits(v) & sign) !== 0n)) return null;
  return b.binary(value.operator === "div_s" ? "div_u" : "rem_u", value.args[0], value.args[1]);
}

/** x % 0 = x (RFC 9669 §4.1); 0 % y = 0. */
function remZero(value: Binary): Value | null {
  return isConst(value.args[1], 0n) || isConst(value.args[0], 0n) ? value.args[0] : null;
}

function remOne(value: Binary, b: Builder): Value | null {
  const signed = value.operator === "rem_s" && isConst(value.args[1], -1n);
  return signed || isConst(value.args[1], 1n) ? like(value, 0n, b) : null;
}

function remPower(value: Binary, b: Builder): Value | null {
  const k = powerOf(value);
  return k === null ? null : b.binary("and", value.args[0], like(value, (1n << k) - 1n, b));
}

// --- and, or, xor ---------------------------------------------------------------------------------------------------

/** x & m = x where m has all bits that x may have. */
function andMasked(value: Binary, b: Builder): Value | null {
  const mask = constantOf(value.args[1]);
  if (mask === null) return null;
  const [x] = value.args;
  return (b.bits(value, x) & ~toUnsigned(value.type, mask)) === 0n ? x : null;
}

/** (x | y) & m = x & m where y has no bits of m. */
function andOr(value: Binary, b: Builder): Value | null {
  const [x, y] = value.args;
  const mask = constantOf(y);
  if (mask === null || (!isBinary(x, "or") && !isBinary(x, "xor"))) return null;
  const [p, q] = x.args;
  const bits = toUnsigned(value.type, mask);
  if ((possibleBits(q) & bits) === 0n) return b.binary("and", p, y);
  return (possibleBits(p) & bits) === 0n ? b.binary("and", q, y) : null;
}

/** x & 0xffffffff in 64 bits is a 32-bit move. */
function andExtend(value: Binary, b: Builder): Value | null {
  if (value.type !== "i64" || !isConst(value.args[1], 0xffff_ffffn)) return null;
  return b.unary("extend_u", "i64", b.unary("wrap", "i32", value.args[0]));
}

function xorSelf(value: Binary, b: Builder): Value | null {
  return value.args[0] === value.args[1] ? like(value, 0n, b) : null;
}

/** A comparison ^ 1 is the opposite comparison. */
function xorBoolean(value: Binary, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isConst(y, 1n)) return null;
  if (x.op === "compare") return invert(x, b);
  return value.type === "i32" && isBoolean(x) ? b.compare("eq", x, like(x, 0n, b)) : null;
}

// --- shifts ---------------------------------------------------------------------------------------------------------

/** Amounts are taken modulo the width. */
function amountInRange(value: Binary, b: Builder): Value | null {
  const n = constantOf(value.args[1]);
  const bits = BigInt(bitsOf(value.type));
  if (n === null || (n >= 0n && n < bits)) return null;
  return b.binary(value.operator, value.args[0], like(value, n & (bits - 1n), b));
}

/** The operand and amount of a shift by a constant in range. */
function shiftOf(value: Value, operator: BinaryOp): { of: Value; by: bigint } | null {
  if (!isBinary(value, operator)) return null;
  const by = constantOf(value.args[1]);
  return by === null || by < 0n || by >= BigInt(bitsOf(value.type)) ? null : { of: value.args[0], by };
}

/** (x << m) << n = x << (m + n) */
function shiftTwice(value: Binary, b: Builder): Value | null {
  const outer = shiftOf(value, value.operator);
  const inner = outer === null ? null : shiftOf(outer.of, value.operator);
  if (outer === null || inner === null) return null;
  const by = outer.by + inner.by;
  if (by >= BigInt(bitsOf(value.type))) return like(value, 0n, b);
  return b.binary(value.operator, inner.of, like(value, by, b));
}

/** (x & m) << n = x << n where m only clears bits that are shifted out. */
function shlMasked(value: Binary, b: Builder): Value | null {
  const shift = shiftOf(value, "shl");
  if (shift === null) return null;
  const x = lowBitsOf(shift.of, bitsOf(value.type) - Number(shift.by));
  return x === shift.of ? null : b.binary("shl", x, value.args[1]);
}

/** (x >> n) << n = x & ~low */
function shlOfShr(value: Binary, b: Builder): Value | null {
  const shift = shiftOf(value, "shl");
  const inner = shift === null ? null : shiftOf(shift.of, "shr_u");
  if (shift === null || inner === null || inner.by !== shift.by) return null;
  return b.binary("and", inner.of, like(value, ~lowMask(Number(shift.by)), b));
}

/** (x << n) >> n = x & low */
function shrOfShl(value: Binary, b: Builder): Value | null {
  const shift = shiftOf(value, "shr_u");
  const inner = shift === null ? null : shiftOf(shift.of, "shl");
  if (shift === null || inner === null || inner.by !== shift.by) return null;
  const kept = bitsOf(value.type) - Number(shift.by);
  // A mask that is no immediate would cost more than the shifts.
  if (kept > 32) return null;
  return b.binary("and", inner.of, like(value, lowMask(kept), b));
}

/** (x & m) >> n = x >> n where m only clears bits that are shifted out. */
function shrMasked(value: Binary, b: Builder): Value | null {
  const shift = shiftOf(value, "shr_u");
  if (shift === null || !isBinary(shift.of, "and")) return null;
  const mask = constantOf(shift.of.args[1]);
  if (mask === null || toUnsigned(value.type, mask) >> shift.by !== allBits(value.type) >> shift.by) return null;
  return b.binary("shr_u", shift.of.args[0], value.args[1]);
}

function shrUnsigned(value: Binary, b: Builder): Value | null {
  const sign = 1n << BigInt(bitsOf(value.type) - 1);
  return (possibleBits(value.args[0]) & sign) === 0n ? b.binary("shr_u", value.args[0], value.args[1]) : null;
}

/** (x << n) >> n, arithmetic, extends the sign of the low bits. */
function sextFromShifts(value: Binary, b: Builder): Value | null {
  const shift = shiftOf(value, "shr_s");
  const inner = shift === null ? null : shiftOf(shift.of, "shl");
  if (shift === null || inner === null || inner.by !== shift.by) return null;
  const kept = bitsOf(value.type) - Number(shift.by);
  const operator = kept === 8 ? "sext8" : kept === 16 ? "sext16" : kept === 32 ? "sext32" : null;
  return operator === null ? null : b.unary(operator, value.type, inner.of);
}
