/** The IR's own tools: what the checker finds, and how functions look as text. */
import { describe, expect, test } from "vitest";
import { FunctionBuilder } from "../../codegen/ir/build.ts";
import { checkFunction } from "../../codegen/ir/check.ts";
import { Dominators } from "../../codegen/ir/dominators.ts";
import type { Block, Const, IrFunction, Phi } from "../../codegen/ir/ir.ts";
import { printFunction } from "../../codegen/ir/print.ts";

/** i = 0; while (i < p0) i += 1; return i. Blocks: entry, header, body, out. */
function loop(): { fn: IrFunction; blocks: [Block, Block, Block, Block]; phi: Phi; zero: Const } {
  const b = new FunctionBuilder("count", "i32");
  const entry = b.current;
  const [header, body, out] = [b.block(), b.block(), b.block()];
  const limit = b.param("i32");
  const zero = b.i32(0) as Const;
  b.jump(header);
  b.at(header);
  const phi = b.phi("i32", [[entry, zero]]);
  b.branch(b.compare("lt_u", phi, limit), body, out);
  b.at(body);
  phi.inputs.set(body, b.binary("add", phi, b.i32(1)));
  b.jump(header);
  b.at(out).return(phi);
  return { fn: b.finish(), blocks: [entry, header, body, out], phi, zero };
}

test("a function as text", () => {
  const { fn } = loop();
  expect(checkFunction(fn)).toEqual([]);
  expect(printFunction(fn).replaceAll(/ +/g, " ")).toBe(`function count(v4: i32) -> i32
b0:
 v4 = param 0 : i32
 v5 = const 0 : i32
 jump b1
b1: ; from b0 b2
 v6 = phi b0 v5, b2 v9 : i32
 v7 = compare lt_u v6, v4 : i32
 branch v7 b2 b3
b2: ; from b1
 v8 = const 1 : i32
 v9 = add v6, v8 : i32
 jump b1
b3: ; from b1
 return v6
`);
});

describe("the checker finds", () => {
  // prettier-ignore
  test.each<[string, (parts: ReturnType<typeof loop>) => void, string]>([
    ["a use before its definition", ({ blocks: [entry, , body] }) => entry.values.push(...body.values.splice(1, 1)), "uses v6 before its definition"],
    ["a phi without an input", ({ phi, blocks: [, , body] }) => phi.inputs.delete(body), "has no input from b2"],
    ["a phi with one too many", ({ phi, zero, blocks: [, , , out] }) => phi.inputs.set(out, zero), "has an input from b3, which is no predecessor"],
    ["a predecessor that does not go there", ({ blocks: [, , body, out] }) => out.preds.push(body), "b3 lists b2, which does not go there"],
    ["a block that nothing reaches", ({ fn, blocks: [, , , out] }) => fn.blocks.push({ ...out, id: fn.nextId++, preds: [] }), "is not reachable"],
    ["two edges between two blocks", ({ blocks: [, header, body] }) => { if (header.terminator.op === "branch") header.terminator.else = body; }, "b1 has two edges to one block"],
    ["a value in the wrong block", ({ blocks: [entry, header], zero }) => { zero.block = header; entry.preds = []; }, "stands in b0 but says b1"],
    ["a constant out of range", ({ zero }) => { zero.value = 1n << 40n; }, "is out of range of its type"],
    ["a result of another type", ({ fn }) => { fn.result = "i64"; }, "returns i32, the function i64"],
    ["an id given twice", ({ phi, zero }) => Object.assign(phi, { id: zero.id }), "id 5 is given twice"],
  ])("%s", (_, damage, problem) => {
    const parts = loop();
    damage(parts);
    expect(checkFunction(parts.fn).join("\n")).toContain(problem);
  });
});

test("dominators of a loop", () => {
  const {
    fn,
    blocks: [entry, header, body, out],
  } = loop();
  const dominators = new Dominators(fn);
  expect(dominators.immediate(entry)).toBe(null);
  expect([header, body, out].map((b) => dominators.immediate(b))).toEqual([entry, header, header]);
  expect(dominators.dominates(header, out)).toBe(true);
  expect(dominators.dominates(body, header)).toBe(false);
  expect(dominators.order.map((b) => b.id).slice(0, 2)).toEqual([0, 1]);
});
