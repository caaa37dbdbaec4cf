/** Emission: layout, source lines, relocations, the frame. */
import { describe, expect, test } from "vitest";
import { compileFunction } from "../../codegen/emit/function.ts";
import { FunctionBuilder } from "../../codegen/ir/build.ts";
import { checkFunction } from "../../codegen/ir/check.ts";
import type { IrFunction, SourcePlace, Value } from "../../codegen/ir/ir.ts";
import { disassemble } from "../../lib/asm/index.ts";

function codeOf(fn: IrFunction): string[] {
  expect(checkFunction(fn)).toEqual([]);
  return disassemble(compileFunction(fn).insns).map((d) => d.text);
}

const line = (n: number): SourcePlace => ({ file: "a.ts", line: n, column: 1 });

describe("layout", () => {
  test("a loop tested at its head is turned around: one jump for each round", () => {
    const b = new FunctionBuilder("f", "i32");
    const entry = b.current;
    const [header, body, out] = [b.block(), b.block(), b.block()];
    const limit = b.param("i32");
    const zero = b.i32(0);
    b.jump(header);
    b.at(header);
    const [i, sum] = [b.phi("i32", [[entry, zero]]), b.phi("i32", [[entry, zero]])];
    b.branch(b.compare("lt_u", i, limit), body, out);
    b.at(body);
    sum.inputs.set(body, b.binary("xor", sum, i));
    i.inputs.set(body, b.binary("add", i, b.i32(1)));
    b.jump(header);
    b.at(out).return(sum);
    // prettier-ignore
    expect(codeOf(b.finish())).toEqual([
      "w2 = 0", "w0 = 0", "if w2 >= w1 goto pc+3", "w0 ^= w2", "w2 += 1", "if w2 < w1 goto pc-3", "exit",
    ]);
  });

  test("a loop with a long test keeps it at its head", () => {
    const b = new FunctionBuilder("f", "i32");
    const entry = b.current;
    const [header, body, out] = [b.block(), b.block(), b.block()];
    const limit = b.param("i32");
    const zero = b.i32(0);
    b.jump(header);
    b.at(header);
    const i = b.phi("i32", [[entry, zero]]);
    let value = b.binary("xor", i, limit);
    for (let n = 0; n < 9; n += 1) value = b.binary(n % 2 === 0 ? "mul" : "xor", value, limit);
    b.branch(b.compare("lt_u", value, limit), body, out);
    b.at(body);
    i.inputs.set(body, b.binary("add", i, b.i32(1)));
    b.jump(header);
    b.at(out).return(i);
    const code = codeOf(b.finish());
    expect(code.filter((text) => text.includes("*="))).toHaveLength(5);
    expect(code.filter((text) => text.includes("goto"))).toEqual([
      expect.stringMatching(/^if w\d >= w\d goto pc\+2$/),
      expect.stringMatching(/^goto pc-1\d$/),
    ]);
  });

  test("a swap carried by a loop", () => {
    const b = new FunctionBuilder("f", "i64");
    const entry = b.current;
    const [body, out] = [b.block(), b.block()];
    const [x, y] = [b.param("i64"), b.param("i64")];
    b.jump(body);
    b.at(body);
    const [first, second] = [b.phi("i64", [[entry, x]]), b.phi("i64", [[entry, y]])];
    first.inputs.set(body, second);
    second.inputs.set(body, first);
    b.branch(b.compare("lt_u", first, second), body, out);
    b.at(out).return(first);
    // prettier-ignore
    expect(codeOf(b.finish())).toEqual([
      "if r1 >= r2 goto pc+4", "r3 = r1", "r1 = r2", "r2 = r3", "if r1 < r2 goto pc-4", "r0 = r1", "exit",
    ]);
  });

  test("early returns of the same number are one piece of code at the end", () => {
    const b = new FunctionBuilder("f", "i32");
    const x = b.param("i32");
    for (const n of [1, 2, 3]) {
      const [yes, no] = [b.block(), b.block()];
      b.branch(b.compare("eq", x, b.i32(n)), yes, no);
      b.at(yes).return(b.i32(7));
      b.at(no);
    }
    b.return(b.i32(8));
    // prettier-ignore
    expect(codeOf(b.finish())).toEqual([
      "if w1 == 0x1 goto pc+4", "if w1 == 0x2 goto pc+3", "if w1 == 0x3 goto pc+2", "w0 = 8", "exit", "w0 = 7", "exit",
    ]);
  });
});

test("lines: one entry where the place changes, from slot 0", () => {
  const b = new FunctionBuilder("f", "i64");
  const slot = b.stackSlot(8);
  b.place = line(3);
  b.store(8, slot, b.i64(0x1_0000_0000n));
  b.place = line(4);
  const value = b.load("i64", 8, slot);
  b.place = null;
  const sum = b.binary("add", value, b.i64(1n));
  b.place = line(5);
  b.return(sum);
  const { lines, insns } = compileFunction(b.finish());
  // Slot 0 is a load of 64 bits and takes two slots; what has no place belongs to the line before.
  expect(disassemble(insns).map((d) => d.slot)).toEqual([0, 2, 3, 4, 5]);
  expect(lines).toEqual([
    { slot: 0, place: line(3) },
    { slot: 3, place: line(4) },
    { slot: 5, place: line(5) },
  ]);
});

test("relocations name maps, global data and functions by slot", () => {
  const b = new FunctionBuilder("f", "i64");
  const seen = b.load("i64", 8, b.globalAddress(".data", 24, 8));
  b.helper("map_delete_elem", [b.mapAddress("flows"), b.stackSlot(8)], "i64");
  b.return(b.binary("add", b.call("g", [], "i64"), seen));
  expect(compileFunction(b.finish()).relocations).toEqual([
    { kind: "map_value", slot: 0, map: ".data", offset: 24 },
    { kind: "map", slot: 3, map: "flows" },
    { kind: "call", slot: 8, func: "g" },
  ]);
});

describe("the frame", () => {
  /** Keeps `count` values over a call. */
  function pressure(count: number, slots: number): IrFunction {
    const b = new FunctionBuilder("f", "i64");
    for (let i = 0; i < slots; i++) b.store(8, b.stackSlot(24), b.i64(0n));
    const values = Array.from({ length: count }, (): Value => b.helper("ktime_get_ns", [], "i64"));
    b.return(values.reduce((x, y) => b.binary("add", b.binary("mul", x, b.i64(3n)), y)));
    return b.finish();
  }

  test.each([
    [0, 4, 0],
    [2, 4, 48],
    // r6..r9 live over calls, and the last result needs none: five fit, each one more takes 8 bytes.
    [0, 5, 0],
    [1, 8, 24 + 3 * 8],
  ])("%d objects, %d values over calls: %d bytes", (slots, values, bytes) => {
    expect(compileFunction(pressure(values, slots)).stackBytes).toBe(bytes);
  });

  test("more than the kernel allows is the caller's to report", () => {
    expect(compileFunction(pressure(2, 30)).stackBytes).toBe(720);
  });
});
