/**
 * Whatever a number may be before an instruction, what the instruction makes of it is among the numbers that it may be after.
 *
 * Exhaustively for all small sets of numbers around the edges of the widths, where ranges wrap and signs turn; and along random
 * runs, where a concrete machine and the model make the same steps. The answers come from concrete.ts, which shares no code.
 */
import { describe, test } from "vitest";
import type { JumpOp, Width } from "../../../lib/isa/index.ts";
// prettier-ignore
import {
  UNKNOWN, addConstant, addOffset, alu, branchTaken, constant, contains, fromBits, includesValue, isAligned, negate, printScalar,
  refine, sameScalar, signExtend, signedRange, splitSign, subtractOffset, swap, unsignedRange, zeroExtend,
} from "../../../lib/verifier/scalar/index.ts";
import type { Scalar } from "../../../lib/verifier/scalar/index.ts";
import { CONDITIONS, OPERATIONS, calculate, extendSign, holds, swapBytes } from "./concrete.ts";
import { Random, interesting } from "./random.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const WIDTHS: readonly Width[] = [32, 64];
const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A scalar and all the numbers that it was made for; it may be more. */
interface Known {
  readonly scalar: Scalar;
  readonly values: readonly bigint[];
}

const EDGES = [0n, 1n << 31n, 1n << 32n, 1n << 63n, (1n << 63n) + (1n << 31n)];

/** Ranges of one and three neighbours, and patterns of bits, around every edge. */
function smallSets(): Known[] {
  const sets: Known[] = [];
  for (const edge of EDGES)
    for (let from = -2n; from <= 0n; from++)
      for (const length of [1n, 3n]) {
        const first = edge + from;
        const values = Array.from({ length: Number(length) }, (_, i) => wrap(first + BigInt(i)));
        const last = values.at(-1) as bigint;
        if (wrap(first) <= last) sets.push({ scalar: unsignedRange(wrap(first), last), values });
        else sets.push({ scalar: signedRange(first, BigInt.asIntN(64, last)), values });
      }
  for (const [bits, mask] of [
    [0n, 0x8000_0000n],
    [1n, 0x1_0000_0002n],
    [0x7fff_ffffn, 0x8000_0000_0000_0000n],
    [0xffff_ffff_8000_0000n, 3n],
    [0n, 0x8000_0000_8000_0000n],
  ] as const)
    sets.push({ scalar: fromBits(bits, mask), values: submasks(mask).map((some) => bits | some) });
  return sets;
}

function submasks(mask: bigint): bigint[] {
  const found: bigint[] = [];
  for (let some = mask; ; some = (some - 1n) & mask) {
    found.push(some);
    if (some === 0n) return found;
  }
}

/** An expectation that is cheap where it is met, for there are hundreds of thousands. */
function prove(met: boolean, what: () => string): void {
  if (!met) throw new Error(what());
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

describe("all small sets around the edges", () => {
  const sets = smallSets();

  test("a scalar may be what it was made of", () => {
    for (const { scalar, values } of sets)
      for (const value of values)
        prove(includesValue(scalar, value), () => `${printScalar(scalar)} lacks ${hex(value)}`);
  });

  test.each(OPERATIONS)("%s", (op) => {
    for (const width of WIDTHS)
      for (const a of sets)
        for (const b of sets) {
          const result = alu(op, width, a.scalar, b.scalar);
          if (result === UNKNOWN) continue;
          for (const x of a.values)
            for (const y of b.values) {
              const value = calculate(op, width, x, y);
              prove(includesValue(result, value), () => `${op}${width} ${hex(x)} ${hex(y)}: ${printScalar(result)}`);
            }
        }
  });

  test.each(CONDITIONS)("if %s", (op) => {
    for (const width of WIDTHS)
      for (const a of sets)
        for (const b of sets) {
          const certain = branchTaken(op, width, a.scalar, b.scalar);
          const refined = certain === null ? refine(op, width, a.scalar, b.scalar) : null;
          for (const x of a.values)
            for (const y of b.values) {
              const taken = holds(op, width, x, y);
              const where = (): string => `${op}${width} ${hex(x)} ${hex(y)}`;
              if (refined === null) prove(taken === certain, where);
              else {
                const [left, right] = taken ? refined.taken : refined.fallThrough;
                prove(includesValue(left, x) && includesValue(right, y), where);
              }
            }
        }
  });

  test("one operand", () => {
    for (const { scalar, values } of sets)
      for (const value of values)
        for (const result of unary(scalar, value)) prove(result.right, () => `${result.name} ${hex(value)}`);
  });
});

/** Every operation of one operand, and whether its result includes the concrete one. */
function* unary(s: Scalar, x: bigint): Generator<{ name: string; right: boolean }> {
  for (const width of WIDTHS) {
    yield { name: `neg${width}`, right: includesValue(negate(width, s), BigInt.asUintN(width, -x)) };
    for (const size of [1, 2, 4] as const)
      if (size < 4 || width === 64)
        yield {
          name: `sx${size}/${width}`,
          right: includesValue(signExtend(s, size, width), extendSign(x, size, width)),
        };
  }
  for (const size of [1, 2, 4, 8] as const)
    yield { name: `zx${size}`, right: includesValue(zeroExtend(s, size), BigInt.asUintN(size * 8, x)) };
  for (const op of ["le", "be", "bswap"] as const)
    for (const bits of [16, 32, 64] as const)
      yield { name: `${op}${bits}`, right: includesValue(swap(op, bits, s), swapBytes(op, bits, x)) };
  for (const by of [-5, 7, 0x7fff_ffff])
    yield { name: `+${by}`, right: includesValue(addConstant(s, by), wrap(x + BigInt(by))) };
  for (const size of [2, 4, 8])
    for (const off of [0, 3, -4])
      yield { name: `align${size}`, right: !isAligned(s, off, size) || (x + BigInt(off)) % BigInt(size) === 0n };
  const ways = splitSign(s);
  yield { name: "split", right: ways === null || ways.some((way) => includesValue(way, x)) };
}

describe("along random runs", () => {
  test.each(Array.from({ length: 8 }, (_, i) => SEED * 100 + i))("seed %i", (seed) => {
    const random = new Random(seed);
    let pairs = Array.from({ length: 4 }, () => start(random));
    for (let step = 0; step < 1500; step++) {
      if (step % 40 === 0) pairs = pairs.map(() => start(random));
      proveStep(random, pairs);
    }
  });
});

interface Pair {
  readonly value: bigint;
  readonly scalar: Scalar;
}

function start(random: Random): Pair {
  const value = interesting(random);
  const kind = random.below(5);
  if (kind === 0) return { value, scalar: constant(value) };
  if (kind === 1) return { value, scalar: UNKNOWN };
  const other = interesting(random);
  const signed = BigInt.asIntN(64, value);
  const otherSigned = BigInt.asIntN(64, other);
  if (kind === 2) return { value, scalar: value < other ? unsignedRange(value, other) : unsignedRange(other, value) };
  if (kind === 3)
    return {
      value,
      scalar: signed < otherSigned ? signedRange(signed, otherSigned) : signedRange(otherSigned, signed),
    };
  return { value, scalar: fromBits(value & ~other, other) };
}

/** One random step of one of the pairs, and what must hold after it. */
function proveStep(random: Random, pairs: Pair[]): void {
  const d = random.below(pairs.length);
  const s = random.below(pairs.length);
  const a = pairs[d] as Pair;
  const b = random.chance(0.5) ? (pairs[s] as Pair) : known(interesting(random));
  const width = random.pick(WIDTHS);
  const kind = random.below(10);
  if (kind < 4) {
    const op = random.pick(OPERATIONS);
    const by = op.endsWith("sh") && random.chance(0.8) ? known(BigInt(random.below(width))) : b;
    pairs[d] = { value: calculate(op, width, a.value, by.value), scalar: alu(op, width, a.scalar, by.scalar) };
  } else if (kind < 8) {
    const op = random.pick(CONDITIONS);
    if (a !== b) pairs[d] = jump(op, width, a, b);
  } else if (kind === 8) {
    for (const check of unary(a.scalar, a.value))
      prove(check.right, () => `${check.name} ${hex(a.value)} of ${printScalar(a.scalar)}`);
    const size = random.pick([1, 2, 4] as const);
    pairs[d] = { value: extendSign(a.value, size, 64), scalar: signExtend(a.scalar, size, 64) };
  } else {
    prove(includesValue(addOffset(a.scalar, b.scalar), wrap(a.value + b.value)), () => "addOffset");
    prove(includesValue(subtractOffset(a.scalar, b.scalar), wrap(a.value - b.value)), () => "subtractOffset");
    pairs[d] = start(random);
  }
  const { value, scalar } = pairs[d] as Pair;
  prove(includesValue(scalar, value), () => `${hex(value)} is not in ${printScalar(scalar)}`);
  prove(contains(UNKNOWN, scalar) && contains(scalar, scalar) && sameScalar(scalar, scalar), () => "contains");
  if (contains(scalar, b.scalar)) prove(includesValue(scalar, b.value), () => "contains more than it includes");
}

function known(value: bigint): Pair {
  return { value, scalar: constant(value) };
}

/** What is known of `a` on the way that the values take. */
function jump(op: JumpOp, width: Width, a: Pair, b: Pair): Pair {
  const taken = holds(op, width, a.value, b.value);
  const certain = branchTaken(op, width, a.scalar, b.scalar);
  if (certain !== null) {
    prove(certain === taken, () => `if ${op}${width} ${printScalar(a.scalar)} ${printScalar(b.scalar)}`);
    return a;
  }
  const refined = refine(op, width, a.scalar, b.scalar);
  const [left, right] = taken ? refined.taken : refined.fallThrough;
  prove(includesValue(right, b.value), () => `if ${op}${width} loses ${hex(b.value)}`);
  return { value: a.value, scalar: left };
}
