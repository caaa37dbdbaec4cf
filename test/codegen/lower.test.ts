/** Instruction selection: small functions, with the code that they become beside them. */
import { describe, expect, test } from "vitest";
import { compileFunction } from "../../codegen/emit/function.ts";
import { FunctionBuilder } from "../../codegen/ir/build.ts";
import { checkFunction } from "../../codegen/ir/check.ts";
import type { BinaryOp, Type, UnaryOp, Value } from "../../codegen/ir/ir.ts";
import type { Cpu } from "../../codegen/lower/context.ts";
import { maximumOf } from "../../codegen/lower/range.ts";
import { sequentialise } from "../../codegen/lower/edges.ts";
import { disassemble } from "../../lib/asm/index.ts";
import { DiagnosticError } from "../../lib/diag/index.ts";
import fc from "fast-check";

function codeOf(b: FunctionBuilder, cpu: Cpu = "v3"): string[] {
  const fn = b.finish();
  expect(checkFunction(fn)).toEqual([]);
  const { insns, relocations } = compileFunction(fn, { cpu });
  return disassemble(insns, { symbols: { relocations } }).map((d) => d.text);
}

/** The code of a function of two parameters that returns what `body` gives. */
function ofTwo(
  type: "i32" | "i64",
  body: (b: FunctionBuilder, x: Value, y: Value) => Value,
  cpu: Cpu = "v3",
  result: Type = type,
): string[] {
  const b = new FunctionBuilder("f", result);
  b.return(body(b, b.param(type), b.param(type)));
  return codeOf(b, cpu);
}

describe("arithmetic", () => {
  const binary = (type: "i32" | "i64", op: BinaryOp, constant?: bigint) => (): string[] =>
    ofTwo(type, (b, x, y) =>
      b.binary(op, x, constant === undefined ? y : type === "i32" ? b.i32(Number(constant)) : b.i64(constant)),
    );
  test.each([
    ["i32 add", binary("i32", "add"), ["r0 = r1", "w0 += w2"]],
    ["i64 sub", binary("i64", "sub"), ["r0 = r1", "r0 -= r2"]],
    ["immediate -1", binary("i32", "and", -1n), ["r0 = r1", "w0 &= -1"]],
    ["immediate 0x80000000", binary("i32", "xor", -0x8000_0000n), ["r0 = r1", "w0 ^= -2147483648"]],
    [
      "i64: 0x80000000 fits no signed immediate",
      binary("i64", "add", 0x8000_0000n),
      ["r0 = r1", "w1 = -2147483648", "r0 += r1"],
    ],
    ["i64: -0x80000000 does", binary("i64", "add", -0x8000_0000n), ["r0 = r1", "r0 += -2147483648"]],
    ["i64: more than 32 bits", binary("i64", "or", 0x1_0000_0000n), ["r0 = r1", "r1 = 0x100000000", "r0 |= r1"]],
    ["i64 & 0xffffffff truncates", binary("i64", "and", 0xffff_ffffn), ["w0 = w1"]],
    ["i64 & 0xf0000000 in 32 bits", binary("i64", "and", 0xf000_0000n), ["w0 = w1", "w0 &= -268435456"]],
    ["a shift takes its amount modulo the width", binary("i32", "shl", 33n), ["r0 = r1", "w0 <<= 1"]],
    ["rotation by a constant", binary("i32", "rotl", 8n), ["r0 = r1", "w0 <<= 8", "w1 >>= 24", "w0 |= w1"]],
    ["division by constant zero", binary("i64", "div_u", 0n), ["r0 = 0"]],
    ["remainder by constant zero", binary("i64", "rem_u", 0n), ["r0 = r1"]],
  ])("%s", (_, code, expected) => {
    const found = code();
    expect(found.at(-1)).toBe("exit");
    expect(found.slice(0, -1)).toEqual(expected);
  });

  test("signed division is one instruction in v4 and a sequence below", () => {
    expect(ofTwo("i64", (b, x, y) => b.binary("div_s", x, y), "v4")).toEqual(["r0 = r1", "r0 s/= r2", "exit"]);
    expect(ofTwo("i64", (b, x, y) => b.binary("div_s", x, y), "v3").filter((t) => t.includes("/="))).toHaveLength(1);
  });

  const unary = (op: UnaryOp, type: "i32" | "i64", cpu: Cpu) => (): string[] => {
    const b = new FunctionBuilder("f", op === "extend_s" || op === "extend_u" ? "i64" : op === "wrap" ? "i32" : type);
    b.return(b.unary(op, b.param(type)));
    return codeOf(b, cpu).slice(0, -1);
  };
  test.each([
    ["zero extension is free", unary("extend_u", "i32", "v3"), ["r0 = r1"]],
    ["sign extension, v3", unary("extend_s", "i32", "v3"), ["r0 = r1", "r0 <<= 32", "r0 s>>= 32"]],
    ["sign extension, v4", unary("extend_s", "i32", "v4"), ["r0 = (s32)r1"]],
    ["sext8, v3", unary("sext8", "i32", "v3"), ["r0 = r1", "w0 <<= 24", "w0 s>>= 24"]],
    ["truncation", unary("wrap", "i64", "v3"), ["w0 = w1"]],
    ["byte swap", unary("bswap32", "i32", "v3"), ["r0 = r1", "r0 = be32 r0"]],
  ])("%s", (_, code, expected) => expect(code()).toEqual(expected));
});

describe("comparisons", () => {
  test("as a value", () => {
    expect(ofTwo("i32", (b, x, y) => b.compare("lt_s", x, y))).toEqual([
      "w0 = 1",
      "if w1 s< w2 goto pc+1",
      "w0 = 0",
      "exit",
    ]);
  });

  test("v1 has no jlt, v2 no 32-bit jumps", () => {
    const code = (cpu: Cpu): string[] => ofTwo("i32", (b, x, y) => b.compare("lt_u", x, y), cpu);
    expect(code("v1")).toEqual(["w0 = 0", "if r1 >= r2 goto pc+1", "w0 = 1", "exit"]);
    expect(code("v2")).toEqual(["w0 = 1", "if r1 < r2 goto pc+1", "w0 = 0", "exit"]);
  });

  test("a select keeps the operand that dies", () => {
    expect(ofTwo("i64", (b, x, y) => b.select(b.compare("lt_u", x, y), x, y))).toEqual([
      "if r1 < r2 goto pc+1",
      "r1 = r2",
      "r0 = r1",
      "exit",
    ]);
  });

  test("testing bits is one jump; a negation turns it around", () => {
    const b = new FunctionBuilder("f", "i32");
    const [yes, no] = [b.block(), b.block()];
    const masked = b.binary("and", b.param("i32"), b.i32(6));
    b.branch(b.compare("eq", b.compare("eq", masked, b.i32(0)), b.i32(0)), yes, no);
    b.at(yes).return(b.i32(1));
    b.at(no).return(b.i32(0));
    expect(codeOf(b)).toEqual(["if w1 & 0x6 goto pc+2", "w0 = 0", "exit", "w0 = 1", "exit"]);
  });
});

describe("memory", () => {
  test("stores take immediates; narrow stores need no masks; stack objects are addressed from r10", () => {
    const b = new FunctionBuilder("f", "void");
    const slot = b.stackSlot(16);
    const x = b.param("i64");
    b.fn.blocks[0]?.values.reverse();
    b.store(8, slot, b.i64(-1n));
    b.store(2, slot, b.binary("and", b.unary("wrap", x), b.i32(0xffff)), 8);
    b.store(1, b.binary("add", slot, b.i32(12)), b.i32(300), 1);
    b.return();
    expect(codeOf(b)).toEqual(["*(u64 *)(r10 -16) = -1", "*(u16 *)(r10 -8) = r1", "*(u8 *)(r10 -3) = 44", "exit"]);
  });

  test("an offset beyond 16 bits is added", () => {
    const b = new FunctionBuilder("f", "i32");
    const map = b.globalAddress(".rodata", 8, 100_000);
    b.return(b.load("i32", 4, b.binary("add", map, b.i32(40_000)), 4));
    expect(codeOf(b)).toEqual(["r1 = map[.rodata][0]+8", "r1 += 40000", "r0 = *(u32 *)(r1 +4)", "exit"]);
  });

  test("signed loads", () => {
    const code = (cpu: Cpu): string[] => {
      const b = new FunctionBuilder("f", "i64");
      b.return(b.load("i64", 2, b.stackSlot(8), 0, true));
      return codeOf(b, cpu);
    };
    expect(code("v3")).toEqual(["r0 = *(u16 *)(r10 -8)", "r0 <<= 48", "r0 s>>= 48", "exit"]);
    expect(code("v4")).toEqual(["r0 = *(s16 *)(r10 -8)", "exit"]);
  });

  test("atomics fetch only when the old value is used", () => {
    const code = (wanted: boolean): string[] => {
      const b = new FunctionBuilder("f", wanted ? "i64" : "void");
      const value = b.atomic("add", 8, b.stackSlot(8), [b.i64(3n)], 0, wanted);
      b.return(wanted ? value : null);
      return codeOf(b);
    };
    expect(code(false)).toEqual(["r1 = 3", "lock *(u64 *)(r10 -8) += r1", "exit"]);
    expect(code(true)).toEqual(["r0 = 3", "r0 = atomic64_fetch_add((u64 *)(r10 -8), r0)", "exit"]);
  });

  test("compare-and-exchange goes through r0", () => {
    const b = new FunctionBuilder("f", "i32");
    const [x, y] = [b.param("i32"), b.param("i32")];
    b.return(b.atomic("cmpxchg", 4, b.stackSlot(8), [x, y]));
    expect(codeOf(b)).toEqual(["r0 = r1", "r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)", "exit"]);
  });
});

describe("calls", () => {
  test("a map, the stack and constants as arguments", () => {
    const b = new FunctionBuilder("f", "i64");
    b.return(b.helper("map_update_elem", [b.mapAddress("m"), b.stackSlot(8), b.stackSlot(8), b.i64(0n)], "i64"));
    // prettier-ignore
    expect(codeOf(b)).toEqual([
      "r1 = map[m]", "r2 = r10", "r2 += -8", "r3 = r10", "r3 += -16", "r4 = 0", "call bpf_map_update_elem#2", "exit",
    ]);
  });

  test("a helper's i32 is truncated only where the upper half shows", () => {
    const code = (widen: boolean): string[] => {
      const b = new FunctionBuilder("f", widen ? "i64" : "i32");
      const value = b.helper("get_prandom_u32", [], "i32");
      b.return(widen ? b.unary("extend_u", value) : b.compare("eq", value, b.i32(0)));
      return codeOf(b).slice(1);
    };
    expect(code(true)).toEqual(["w0 = w0", "exit"]);
    expect(code(false)).not.toContain("w0 = w0");
  });

  test("arguments that trade places", () => {
    const b = new FunctionBuilder("f", "i64");
    const [x, y] = [b.param("i64"), b.param("i64")];
    b.return(b.call("g", [y, x], "i64"));
    expect(codeOf(b)).toEqual(["r3 = r1", "r1 = r2", "r2 = r3", "call g", "exit"]);
  });

  test.each([
    [
      "C017",
      "six arguments",
      (b: FunctionBuilder): void =>
        b.return(
          b.call(
            "g",
            Array.from({ length: 6 }, () => b.i64(1n)),
            "i64",
          ),
        ),
    ],
    ["C022", "a trap outside of a program", (b: FunctionBuilder): void => b.trap()],
    [
      "C018",
      "fetching atomics below v3",
      (b: FunctionBuilder): void => b.return(b.atomic("or", 8, b.stackSlot(8), [b.i64(1n)])),
    ],
  ])("%s: %s", (code, _, write) => {
    const b = new FunctionBuilder("f", "i64");
    b.place = { file: "a.ts", line: 3, column: 5 };
    write(b);
    let found: unknown;
    try {
      compileFunction(b.finish(), { cpu: "v2" });
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(DiagnosticError);
    const [diagnostic] = (found as DiagnosticError).diagnostics;
    expect(diagnostic).toMatchObject({ code, place: { kind: "source", file: "a.ts", line: 3 } });
  });

  test("a trap refuses", () => {
    const b = new FunctionBuilder("f", "i32", { context: "__sk_buff", refuse: 2 });
    b.ctx("__sk_buff");
    b.trap();
    expect(codeOf(b)).toEqual(["w0 = 2", "exit"]);
  });
});

describe("packets", () => {
  /** if (p) return byte 3 of p; else return 2. */
  function read(
    makeOffset: (b: FunctionBuilder, ctx: Value) => Value,
    style: "direct" | "eq" = "direct",
  ): FunctionBuilder {
    const b = new FunctionBuilder("f", "i32", { context: "xdp_md", refuse: 0 });
    const ctx = b.ctx("xdp_md");
    const [yes, no] = [b.block(), b.block()];
    const p = b.packetAt(ctx, makeOffset(b, ctx), 8);
    if (style === "direct") b.branch(p, yes, no);
    else b.branch(b.compare("eq", p, b.nullPointer()), no, yes);
    b.at(yes).return(b.load("i32", 1, p, 3));
    b.at(no).return(b.i32(2));
    return b;
  }
  test.each(["direct", "eq"] as const)("the null test is the bounds check: %s", (style) => {
    // prettier-ignore
    expect(codeOf(read((b) => b.i32(14), style))).toEqual([
      "r2 = *(u32 *)(r1 +0)", "r3 = *(u32 *)(r1 +4)", "r1 = r2", "r1 += 22", "if r1 > r3 goto pc+2",
      "r0 = *(u8 *)(r2 +17)", "exit", "w0 = 2", "exit",
    ]);
  });

  test("a bounded variable offset is added to the start; its constant part is folded", () => {
    const b = read((b, ctx) => b.binary("add", b.binary("and", b.load("i32", 4, ctx, 12), b.i32(60)), b.i32(14)));
    // prettier-ignore
    expect(codeOf(b)).toEqual([
      "r2 = *(u32 *)(r1 +12)", "w2 &= 60", "r3 = *(u32 *)(r1 +0)", "r4 = *(u32 *)(r1 +4)",
      "r3 += r2", "r1 = r3", "r1 += 22", "if r1 > r4 goto pc+2", "r0 = *(u8 *)(r3 +17)", "exit", "w0 = 2", "exit",
    ]);
  });

  test("an unbounded offset is compared first", () => {
    const b = read((b, ctx) => b.unary("bswap16", b.load("i32", 4, ctx, 12)));
    // prettier-ignore
    expect(codeOf(b)).toEqual([
      "r3 = *(u32 *)(r1 +12)", "r3 = be16 r3", "r2 = *(u32 *)(r1 +0)", "r4 = *(u32 *)(r1 +4)",
      "if r3 > 0x7fff goto pc+6", "r2 += r3", "r1 = r2", "r1 += 8", "if r1 > r4 goto pc+2",
      "r0 = *(u8 *)(r2 +3)", "exit", "w0 = 2", "exit",
    ]);
  });

  test("an offset that cannot be proven is never there", () => {
    expect(codeOf(read((b) => b.i32(0x8000)))).not.toContain("r2 += 32776");
  });

  test("one pair of loads serves all accesses, unless a helper may move the packet between", () => {
    const loads = (between: (b: FunctionBuilder, ctx: Value) => void): number => {
      const b = new FunctionBuilder("f", "i32", { context: "xdp_md", refuse: 0 });
      const ctx = b.ctx("xdp_md");
      const sums: Value[] = [];
      const out = b.block();
      for (const offset of [0, 14, 34]) {
        const p = b.packetAt(ctx, b.i32(offset), 4);
        const [yes, no] = [b.block(), b.block()];
        b.branch(p, yes, no);
        b.at(no).return(b.i32(0));
        b.at(yes);
        sums.push(b.load("i32", 4, p));
        between(b, ctx);
      }
      b.jump(out);
      b.at(out).return(sums.reduce((x, y) => b.binary("add", x, y)));
      // xdp_md.data_end is at 4; the packet is read at 0, 14 and 34.
      return codeOf(b).filter((t) => t.endsWith("+4)")).length;
    };
    expect(loads((b) => b.helper("ktime_get_ns", [], "void"))).toBe(1);
    expect(loads((b, ctx) => b.helper("xdp_adjust_head", [ctx, b.i32(0)], "void"))).toBe(3);
  });

  test("used as a value, it is the pointer or zero", () => {
    const b = new FunctionBuilder("f", "i32", { context: "xdp_md", refuse: 0 });
    const ctx = b.ctx("xdp_md");
    const p = b.packetAt(ctx, b.i32(14), 8);
    b.return(b.compare("ne", p, b.nullPointer()));
    // prettier-ignore
    expect(codeOf(b)).toEqual([
      "r2 = *(u32 *)(r1 +0)", "r4 = *(u32 *)(r1 +4)", "r1 = 0", "r3 = r2", "r3 += 22", "if r3 > r4 goto pc+2",
      "r1 = r2", "r1 += 14", "w0 = 1", "if r1 != 0x0 goto pc+1", "w0 = 0", "exit",
    ]);
  });

  test("a context without packet bytes is a diagnostic", () => {
    const b = new FunctionBuilder("f", "i32", { context: "bpf_sock_addr", refuse: 0 });
    b.return(b.compare("ne", b.packetAt(b.ctx("bpf_sock_addr"), b.i32(0), 4), b.nullPointer()));
    expect(() => compileFunction(b.finish())).toThrow(/C018/);
  });
});

test("the largest value that the verifier believes in", () => {
  const b = new FunctionBuilder("f", "i32");
  const x = b.param("i32");
  const byte = b.load("i32", 1, b.stackSlot(8));
  const table: [Value, bigint][] = [
    [x, 0xffff_ffffn],
    [byte, 255n],
    [b.binary("and", x, b.i32(15)), 15n],
    [b.binary("shl", b.binary("and", x, b.i32(15)), b.i32(2)), 60n],
    [b.binary("shl", byte, b.i32(28)), 0xffff_ffffn],
    [b.binary("add", byte, b.i32(-1)), 0xffff_ffffn],
    [b.binary("or", byte, b.i32(0x100)), 0x1ffn],
    [b.binary("mul", byte, byte), 255n * 255n],
    [b.binary("shr_u", x, b.i32(24)), 255n],
    [b.binary("shr_u", byte, x), 0xffff_ffffn],
    [b.unary("bswap16", byte), 0xffff_ffffn],
    [b.binary("rem_u", x, b.i32(4)), 0xffff_ffffn],
    [b.unary("extend_u", byte), 255n],
    [b.unary("extend_u", x), 0xffff_ffff_ffff_ffffn],
    [b.select(x, byte, b.i32(1000)), 1000n],
    [b.load("i32", 1, b.stackSlot(8), 0, true), 0xffff_ffffn],
  ];
  for (const [value, bound] of table) expect(maximumOf(value)).toBe(bound);
});

test("parallel copies: sequences do what all of them at once would", () => {
  const copies = fc.uniqueArray(fc.record({ dst: fc.nat(7), src: fc.nat(7) }), {
    selector: (c) => c.dst,
    maxLength: 8,
  });
  fc.assert(
    fc.property(copies, (list) => {
      const before = Array.from({ length: 30 }, (_, i) => `value ${i}`);
      const expected = [...before];
      for (const { dst, src } of list) expected[dst] = before[src] as string;
      let temps = 20;
      const after = [...before];
      for (const { dst, src } of sequentialise(list, () => temps++)) after[dst] = after[src] as string;
      expect(after.slice(0, 8)).toEqual(expected.slice(0, 8));
    }),
  );
});
