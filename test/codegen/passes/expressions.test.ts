// Each rule of `simplify` against the IR evaluator: short chains of operations, with constants at which rules begin and
// end to apply, on inputs of the same kind. Shorter and denser than whole programs, so that rare rules are met.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FunctionBuilder } from "../../../codegen/ir/build.ts";
import { checkFunction } from "../../../codegen/ir/check.ts";
import type { BinaryOp, CompareOp, IrModule, UnaryOp, Value } from "../../../codegen/ir/ir.ts";
import type { Stage } from "../../../codegen/ir/pass.ts";
import { possibleBits, visibleBits } from "../../../codegen/ir/known-bits.ts";
import { printModule } from "../../../codegen/ir/print.ts";
import { simplify } from "../../../codegen/passes/simplify/index.ts";
import { evaluate } from "../ir-eval.ts";

const RUNS = Number(process.env["EBPF_TS_RUNS"] ?? 100) * 20;
const SEED = process.env["EBPF_TS_SEED"];
const settings = { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) };

// prettier-ignore
const BINARY: readonly BinaryOp[] = ["add", "sub", "mul", "div_u", "div_s", "rem_u", "rem_s", "and", "or", "xor", "shl", "shr_u", "shr_s", "rotl", "rotr"];
const SHIFTS: readonly BinaryOp[] = ["shl", "shr_u", "shr_s"];
const COMPARE: readonly CompareOp[] = ["eq", "ne", "lt_u", "le_u", "gt_u", "ge_u", "lt_s", "le_s", "gt_s", "ge_s"];
const UNARY: readonly UnaryOp[] = [
  "sext8",
  "sext16",
  "sext32",
  "bswap16",
  "bswap32",
  "bswap64",
  "clz",
  "ctz",
  "popcnt",
];
// prettier-ignore
const SPECIAL = [
  0n, 1n, -1n, 2n, 3n, 4n, 7n, 8n, 16n, 24n, 31n, 32n, 33n, 63n, 64n, 127n, 128n, 255n, 256n, 0x1234n, 0x7fffn, 0x8000n, 0xff00n, 0xffffn, 0x10000n,
  0xff00ffn, 0xff00ff00n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n, -128n, -256n, -0x8000n, -0x80000000n,
  0x7fffffffffffffffn, -0x8000000000000000n, 0x1122334455667788n, 0x0100n, 0x00010000n, 0x01000000n,
];

type Step =
  | { k: "constant"; operator: BinaryOp; n: bigint; left: boolean }
  | { k: "shift"; operator: BinaryOp; by: bigint }
  | { k: "earlier"; operator: BinaryOp; index: number; left: boolean }
  | { k: "unary"; operator: UnaryOp }
  | { k: "convert"; signed: boolean }
  | { k: "compare"; operator: CompareOp; n: bigint; left: boolean }
  | { k: "compareEarlier"; operator: CompareOp; index: number }
  | { k: "select"; n: bigint; m: bigint };

const number = fc.oneof(fc.constantFrom(...SPECIAL), fc.integer({ min: -40, max: 300 }).map(BigInt));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      k: fc.constant("constant" as const),
      operator: fc.constantFrom(...BINARY),
      n: number,
      left: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      k: fc.constant("shift" as const),
      operator: fc.constantFrom(...SHIFTS),
      by: fc.constantFrom(0n, 1n, 8n, 16n, 24n, 31n, 32n, 40n, 48n, 56n, 63n),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      k: fc.constant("earlier" as const),
      operator: fc.constantFrom(...BINARY),
      index: fc.nat(9),
      left: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ k: fc.constant("unary" as const), operator: fc.constantFrom(...UNARY) }) },
  { weight: 3, arbitrary: fc.record({ k: fc.constant("convert" as const), signed: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      k: fc.constant("compare" as const),
      operator: fc.constantFrom(...COMPARE),
      n: number,
      left: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      k: fc.constant("compareEarlier" as const),
      operator: fc.constantFrom(...COMPARE),
      index: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ k: fc.constant("select" as const), n: number, m: number }) },
);
const start = fc.constantFrom("x32", "x64", "byte", "half", "signed") as fc.Arbitrary<
  "x32" | "x64" | "byte" | "half" | "signed"
>;

/** f(x: i32, y: i64); the last value is returned, or decides a branch. */
function build(first: "x32" | "x64" | "byte" | "half" | "signed", steps: readonly Step[], branch: boolean): IrModule {
  const b = new FunctionBuilder("f", "i64");
  const [x, y] = [b.param("i32"), b.param("i64")];
  const data = b.globalAddress(".data", 0, 8);
  const begin = {
    x32: x,
    x64: y,
    byte: b.load("i32", 1, data),
    half: b.load("i32", 2, data),
    signed: b.load("i32", 1, data, 0, true),
  };
  const values: Value[] = [x, y, begin[first]];
  for (const s of steps) values.push(apply(b, s, values));
  const last = values.at(-1) as Value;
  const wide = last.type === "i64" ? last : b.unary("extend_u", last);
  if (branch) {
    const condition = last.type === "i64" ? b.compare("ne", last, b.i64(0n)) : last;
    const [yes, no] = [b.block(), b.block()];
    b.branch(condition, yes, no);
    b.at(yes).return(b.i64(1n));
    b.at(no).return(b.i64(2n));
  } else b.return(wide);
  const fn = b.finish();
  return { functions: new Map([["f", fn]]) };
}

function apply(b: FunctionBuilder, s: Step, values: readonly Value[]): Value {
  const v = values.at(-1) as Value;
  const constant = (n: bigint): Value => (v.type === "i64" ? b.i64(n) : b.i32(Number(BigInt.asIntN(32, n))));
  const earlier = (index: number): Value => {
    const same = values.filter((e) => e.type === v.type);
    return same[index % same.length] as Value;
  };
  switch (s.k) {
    case "constant":
      return s.left ? b.binary(s.operator, constant(s.n), v) : b.binary(s.operator, v, constant(s.n));
    case "shift":
      return b.binary(s.operator, v, constant(s.by));
    case "earlier":
      return s.left ? b.binary(s.operator, earlier(s.index), v) : b.binary(s.operator, v, earlier(s.index));
    case "unary":
      return b.unary(
        v.type === "i32" && s.operator.endsWith("64")
          ? "bswap32"
          : v.type === "i32" && s.operator === "sext32"
            ? "sext16"
            : s.operator,
        v,
      );
    case "convert":
      return b.unary(v.type === "i64" ? "wrap" : s.signed ? "extend_s" : "extend_u", v);
    case "compare":
      return s.left ? b.compare(s.operator, constant(s.n), v) : b.compare(s.operator, v, constant(s.n));
    case "compareEarlier":
      return b.compare(s.operator, v, earlier(s.index));
    case "select":
      return b.select(
        v.type === "i64" ? b.compare("lt_s", v, b.i64(5n)) : v,
        b.i32(Number(BigInt.asIntN(32, s.n))),
        b.i32(Number(BigInt.asIntN(32, s.m))),
      );
  }
}

const inputs = SPECIAL.map((n, i) => ({
  args: [BigInt.asIntN(32, n), SPECIAL[(i * 7 + 3) % SPECIAL.length] as bigint],
  packet: new Uint8Array(0),
  salt: i * 37,
}));

describe.each<Stage>(["scalar", "pointers"])("stage %s", (stage) => {
  test("simplified expressions have the same value", () => {
    fc.assert(
      fc.property(
        start,
        fc.array(step, { minLength: 1, maxLength: 6, size: "max" }),
        fc.boolean(),
        (first, steps, branch) => {
          const module = build(first, steps, branch);
          const before = printModule(module);
          const expected = inputs.map((input) => evaluate(module, "f", input).result);
          const [fn] = [...module.functions.values()];
          for (let round = 0; fn !== undefined && round < 3 && simplify.run(fn, { stage, module }); round++);
          expect(fn === undefined ? [] : checkFunction(fn)).toEqual([]);
          const found = inputs.map((input) => evaluate(module, "f", input).result);
          expect(found, `${before}\n${printModule(module)}`).toEqual(expected);
        },
      ),
      settings,
    );
  });
});

test("values have only bits that known-bits allows", () => {
  fc.assert(
    fc.property(start, fc.array(step, { minLength: 1, maxLength: 6, size: "max" }), (first, steps) => {
      const module = build(first, steps, false);
      const t = module.functions.get("f")?.blocks[0]?.terminator;
      if (t?.op !== "return" || t.value === null) throw new Error("no value");
      for (const input of inputs) {
        const found = BigInt.asUintN(64, evaluate(module, "f", input).result as bigint);
        expect(found & ~possibleBits(t.value), printModule(module)).toBe(0n);
        expect(possibleBits(t.value) & ~visibleBits(t.value), printModule(module)).toBe(0n);
      }
    }),
    settings,
  );
});
