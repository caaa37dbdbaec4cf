/** What instructions compute: edge values as a table, all values against V8's integer operations. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
// prettier-ignore
import { alu32, alu64, atomic, exit, jmp, jmp32, ldsx, ldx, mov64, movsx32, movsx64, neg32, neg64, r0, r1, r10, r2, r3, st, swap } from "../../lib/asm/index.ts";
import type { AluOp, AtomicOp, Insn, JumpOp, Width } from "../../lib/isa/index.ts";
import { runRaw } from "../../lib/vm/index.ts";
import { u64 } from "./bytes.ts";
import { wasm, wasmCompare } from "./wasm-oracle.ts";
import type { BinaryName, CompareName } from "./wasm-oracle.ts";

const MIN64 = 1n << 63n;
const MAX64 = (1n << 64n) - 1n;
const MIN32 = 1n << 31n;

/** r0 after `insns` with r2 = a and r3 = b (64 bits each, by way of memory). */
function evaluate(insns: readonly Insn[], a: bigint, b: bigint): bigint {
  const memory = Uint8Array.from([...u64(a), ...u64(b)]);
  const { r0, fault } = runRaw([ldx(8, r2, r1, 0), ldx(8, r3, r1, 8), ...insns, exit()], { memory });
  expect(fault).toBeNull();
  return r0;
}
const alu = (op: AluOp, width: Width, a: bigint, b: bigint): bigint =>
  evaluate([(width === 64 ? alu64 : alu32)(op, r2, r3), mov64(r0, r2)], a, b);

describe("arithmetic at the edges (RFC 9669 section 4.1)", () => {
  // prettier-ignore
  test.each<[AluOp, Width, bigint, bigint, bigint]>([
    ["div",  64, 7n,            0n,            0n],
    ["div",  32, 7n << 32n,     0n,            0n],
    ["mod",  64, 7n,            0n,            7n],
    ["mod",  32, MAX64,         0n,            0xffff_ffffn],
    ["sdiv", 64, 7n,            0n,            0n],
    ["smod", 64, MAX64,         0n,            MAX64],
    ["smod", 32, MAX64,         0n,            0xffff_ffffn],
    ["sdiv", 64, MIN64,         MAX64,         MIN64],
    ["smod", 64, MIN64,         MAX64,         0n],
    ["sdiv", 32, MIN32,         0xffff_ffffn,  MIN32],
    ["smod", 32, MIN32,         0xffff_ffffn,  0n],
    ["sdiv", 64, -13n & MAX64,  3n,            -4n & MAX64],
    ["smod", 64, -13n & MAX64,  3n,            -1n & MAX64],
    ["smod", 64, 13n,           -3n & MAX64,   1n],
    ["lsh",  64, 1n,            64n,           1n],
    ["lsh",  64, 1n,            63n,           MIN64],
    ["lsh",  32, 1n,            33n,           2n],
    ["rsh",  64, MIN64,         127n,          1n],
    ["arsh", 32, MIN32,         31n,           0xffff_ffffn],
    ["arsh", 64, MIN64,         63n,           MAX64],
    ["add",  32, 0xffff_ffffn,  1n,            0n],
    ["sub",  64, 0n,            1n,            MAX64],
    ["mov",  32, 0n,            MAX64,         0xffff_ffffn],
    ["mul",  64, 1n << 63n,     3n,            MIN64],
  ])("%s%i 0x%x, 0x%x", (op, width, a, b, expected) => {
    expect(alu(op, width, a, b)).toBe(expected);
  });

  test("an immediate is sign-extended to the width; shifts by too much are masked", () => {
    expect(evaluate([alu64("or", r2, -2), mov64(r0, r2)], 0n, 0n)).toBe(MAX64 - 1n);
    expect(evaluate([alu32("or", r2, -2), mov64(r0, r2)], 0n, 0n)).toBe(0xffff_fffen);
    expect(evaluate([alu64("lsh", r2, 65), mov64(r0, r2)], 3n, 0n)).toBe(6n);
    expect(evaluate([alu32("rsh", r2, -1), mov64(r0, r2)], MIN32, 0n)).toBe(1n);
  });
});

const word = fc.oneof(
  fc.bigInt(0n, MAX64),
  fc.constantFrom(
    0n,
    1n,
    2n,
    31n,
    32n,
    63n,
    64n,
    0x7fff_ffffn,
    MIN32,
    0xffff_ffffn,
    1n << 32n,
    MIN64 - 1n,
    MIN64,
    MAX64,
  ),
);

/** The same operations as WebAssembly has them, with the RFC's answers where WebAssembly traps. */
const BY_WASM: Record<AluOp, (w: Width, a: bigint, b: bigint) => bigint> = {
  ...named({
    add: "add",
    sub: "sub",
    mul: "mul",
    or: "or",
    and: "and",
    xor: "xor",
    lsh: "shl",
    rsh: "shr_u",
    arsh: "shr_s",
  }),
  div: (w, a, b) => (isZero(w, b) ? 0n : wasm("div_u", w, a, b)),
  mod: (w, a, b) => (isZero(w, b) ? BigInt.asUintN(w, a) : wasm("rem_u", w, a, b)),
  sdiv: (w, a, b) => (isZero(w, b) ? 0n : overflows(w, a, b) ? BigInt.asUintN(w, a) : wasm("div_s", w, a, b)),
  smod: (w, a, b) => (isZero(w, b) ? BigInt.asUintN(w, a) : wasm("rem_s", w, a, b)),
  mov: (w, _, b) => BigInt.asUintN(w, b),
};
function named<K extends AluOp>(names: Record<K, BinaryName>): Record<K, (w: Width, a: bigint, b: bigint) => bigint> {
  const entries = Object.entries<BinaryName>(names).map(([op, name]) => [
    op,
    (w: Width, a: bigint, b: bigint) => wasm(name, w, a, b),
  ]);
  return Object.fromEntries(entries);
}
const isZero = (w: Width, b: bigint): boolean => BigInt.asUintN(w, b) === 0n;
const overflows = (w: Width, a: bigint, b: bigint): boolean =>
  BigInt.asIntN(w, a) === -(1n << BigInt(w - 1)) && BigInt.asIntN(w, b) === -1n;

// prettier-ignore
const CONDITIONS: Record<Exclude<JumpOp, "set">, CompareName> = {
  eq: "eq", ne: "ne", gt: "gt_u", ge: "ge_u", lt: "lt_u", le: "le_u", sgt: "gt_s", sge: "ge_s", slt: "lt_s", sle: "le_s",
};

describe("all values, against V8's integers", () => {
  const keys = <K extends string>(table: Record<K, unknown>): K[] => Object.keys(table) as K[];

  test.each(keys(BY_WASM))("%s, with a register and with an immediate", (op) => {
    fc.assert(
      fc.property(fc.constantFrom<Width>(32, 64), word, word, (width, a, b) => {
        expect(alu(op, width, a, b)).toBe(BY_WASM[op](width, a, b));
        const imm = Number(BigInt.asIntN(32, b));
        const immediate = evaluate([(width === 64 ? alu64 : alu32)(op, r2, imm), mov64(r0, r2)], a, 0n);
        expect(immediate).toBe(BY_WASM[op](width, a, BigInt(imm)));
      }),
    );
  });

  test.each([...keys(CONDITIONS), "set" as const])("jump if %s", (op) => {
    const holds = (w: Width, a: bigint, b: bigint): boolean =>
      op === "set" ? wasm("and", w, a, b) !== 0n : wasmCompare(CONDITIONS[op], w, a, b);
    const taken = (insn: Insn, a: bigint, b: bigint): boolean =>
      evaluate([mov64(r0, 1), insn, mov64(r0, 0)], a, b) === 1n;
    fc.assert(
      fc.property(fc.constantFrom<Width>(32, 64), word, word, (width, a, b) => {
        const jump = width === 64 ? jmp : jmp32;
        expect(taken(jump(op, r2, r3, 1), a, b)).toBe(holds(width, a, b));
        expect(taken(jump(op, r2, r3, 1), a, a)).toBe(holds(width, a, a));
        const imm = Number(BigInt.asIntN(32, b));
        expect(taken(jump(op, r2, imm, 1), a, 0n)).toBe(holds(width, a, BigInt(imm)));
      }),
    );
  });

  test("neg, movsx, swaps, sign-extending loads: against typed arrays", () => {
    const view = new DataView(new ArrayBuffer(8));
    fc.assert(
      fc.property(word, (a) => {
        const run = (insn: Insn): bigint => evaluate([insn, mov64(r0, r2)], a, 0n);
        view.setBigUint64(0, a, true);
        const signed = {
          8: BigInt(view.getInt8(0)),
          16: BigInt(view.getInt16(0, true)),
          32: BigInt(view.getInt32(0, true)),
        };
        expect(run(neg64(r2))).toBe((MAX64 - a + 1n) & MAX64);
        expect(run(neg32(r2))).toBe((0xffff_ffffn - (a & 0xffff_ffffn) + 1n) & 0xffff_ffffn);
        for (const bits of [8, 16, 32] as const) {
          expect(run(movsx64(bits, r2, r2))).toBe(signed[bits] & MAX64);
          if (bits !== 32) expect(run(movsx32(bits, r2, r2))).toBe(signed[bits] & 0xffff_ffffn);
          expect(run(ldsx((bits / 8) as 1 | 2 | 4, r2, r1, 0))).toBe(signed[bits] & MAX64);
        }
        const [big16, big32, big64] = [BigInt(view.getUint16(0)), BigInt(view.getUint32(0)), view.getBigUint64(0)];
        const [low16, low32] = [BigInt(view.getUint16(0, true)), BigInt(view.getUint32(0, true))];
        for (const op of ["be", "bswap"] as const) {
          expect([run(swap(op, 16, r2)), run(swap(op, 32, r2)), run(swap(op, 64, r2))]).toEqual([big16, big32, big64]);
        }
        expect([run(swap("le", 16, r2)), run(swap("le", 32, r2)), run(swap("le", 64, r2))]).toEqual([low16, low32, a]);
      }),
    );
  });

  const ATOMICS: Record<AtomicOp, { next: (w: Width, old: bigint, src: bigint) => bigint; fetch: boolean }> = {
    add: { next: (w, old, src) => wasm("add", w, old, src), fetch: false },
    or: { next: (w, old, src) => wasm("or", w, old, src), fetch: false },
    and: { next: (w, old, src) => wasm("and", w, old, src), fetch: false },
    xor: { next: (w, old, src) => wasm("xor", w, old, src), fetch: false },
    fetch_add: { next: (w, old, src) => wasm("add", w, old, src), fetch: true },
    fetch_or: { next: (w, old, src) => wasm("or", w, old, src), fetch: true },
    fetch_and: { next: (w, old, src) => wasm("and", w, old, src), fetch: true },
    fetch_xor: { next: (w, old, src) => wasm("xor", w, old, src), fetch: true },
    xchg: { next: (w, _, src) => BigInt.asUintN(w, src), fetch: true },
    cmpxchg: { next: (w, old, src) => BigInt.asUintN(w, BigInt.asUintN(w, old) === 1n ? src : old), fetch: true },
  };

  test.each(keys(ATOMICS))("atomic %s: memory, fetched value, untouched bytes", (op) => {
    const { next, fetch } = ATOMICS[op];
    fc.assert(
      fc.property(fc.constantFrom<Width>(32, 64), word, word, (width, old, src) => {
        const size = width === 64 ? 8 : 4;
        const compared = op === "cmpxchg";
        // r0 = 1 is what cmpxchg compares with. Afterwards r0 or r3 has the fetched value.
        const insns = [st(8, r10, -8, r2), mov64(r0, 1), atomic(op, size, r10, -8, r3)];
        const memory = evaluate([...insns, ldx(8, r0, r10, -8)], old, src);
        const upper = width === 64 ? 0n : (old >> 32n) << 32n;
        expect(memory).toBe(upper | next(width, old, src));
        const fetched = evaluate([...insns, ...(compared ? [] : [mov64(r0, r3)])], old, src);
        expect(fetched).toBe(fetch ? BigInt.asUintN(width, old) : src);
      }),
    );
  });
});
