// The list of passes is data: its order is checked, and docs/passes.md says the same.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { IrFunction, IrModule } from "../../../codegen/ir/ir.ts";
import type { FunctionPass } from "../../../codegen/ir/pass.ts";
import {
  BEFORE,
  checkOrder,
  FINAL_PASSES,
  FUNCTION_PASSES,
  MODULE_PASSES,
  optimise,
} from "../../../codegen/passes/index.ts";
import { parseFunction, show } from "../parse-ir.ts";

const page = readFileSync(new URL("../../../docs/passes.md", import.meta.url), "utf8");

/** The rows of the table under a heading, cells without backquotes. */
function table(heading: string): string[][] {
  const section = page.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((line) =>
    line
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1")),
  );
}

describe("docs/passes.md", () => {
  test("lists the passes in their order", () => {
    const rows = [
      ...MODULE_PASSES.map(({ pass, why }) => [pass.name, "once, scalar", why]),
      ...FUNCTION_PASSES.map(({ pass, stages, why }) => [pass.name, stages.join(", "), why]),
      ...FINAL_PASSES.map(({ pass, stages, why }) => [pass.name, `once, ${stages.join(", ")}`, why]),
    ];
    expect(table("Passes")).toEqual(rows);
  });

  test("gives the reasons for the order", () => {
    expect(table("Order")).toEqual(BEFORE.map(({ first, then, why }) => [first, then, why]));
  });
});

describe("order", () => {
  test("names of passes that exist", () => {
    const names = new Set(FUNCTION_PASSES.map(({ pass }) => pass.name));
    for (const { first, then } of BEFORE)
      expect([names.has(first), names.has(then)], `${first} ${then}`).toEqual([true, true]);
  });

  test.each(BEFORE)("$first after $then is refused", ({ first, then }) => {
    const row = (name: string) => FUNCTION_PASSES.filter(({ pass }) => pass.name === name);
    expect(() => checkOrder([...row(then), ...row(first)])).toThrow(`"${first}" must run before "${then}"`);
  });
});

describe("optimise", () => {
  const module = (): IrModule => ({
    functions: new Map([["f", parseFunction("a:\n x = param 0\n z = const 0\n y = add x, z\n return y")]]),
  });

  test("dumps after each pass that changed something", () => {
    const dumped: string[] = [];
    optimise(module(), "scalar", { check: true, dump: (pass, fn) => dumped.push(`${pass} ${fn.name}: ${show(fn)}`) });
    expect(dumped).toEqual([
      "simplify f: b0:\n  v0 = param 0\n  v1 = const 0\n  return v0",
      "dce f: b0:\n  v0 = param 0\n  return v0",
    ]);
  });

  test("a pass that breaks the function is named", () => {
    const broken: FunctionPass = { name: "broken", run: (fn: IrFunction) => (fn.blocks[0]?.values.shift(), true) };
    const rows = FUNCTION_PASSES as unknown as { pass: FunctionPass }[];
    const [first] = rows;
    if (first === undefined) throw new Error("no passes");
    const { pass } = first;
    first.pass = broken;
    try {
      expect(() => optimise(module(), "scalar", { check: true })).toThrow(/^pass "broken" broke "f": /);
    } finally {
      first.pass = pass;
    }
  });

  test("functions that no entry reaches are dropped", () => {
    const entry = parseFunction("a:\n c = param 0\n r = call g(c)\n return r", { name: "main", entry: true });
    const g = parseFunction("a:\n x = param 0\n return x", { name: "g" });
    const unused = parseFunction("a:\n x = param 0\n return x", { name: "unused" });
    const functions = new Map([g, unused, entry].map((fn) => [fn.name, fn]));
    optimise({ functions }, "scalar", { check: true });
    expect([...functions.keys()]).toEqual(["main"]);
    expect(show(entry)).toBe("b0:\n  v0 = param 0\n  return v0");
  });

  test("noinline functions stay, calls of unknown functions too", () => {
    const entry = parseFunction("a:\n c = param 0\n r = call g(c)\n s = call h(r)\n return s", {
      name: "main",
      entry: true,
    });
    const g = parseFunction("a:\n x = param 0\n return x", { name: "g" });
    g.noinline = true;
    const functions = new Map([g, entry].map((fn) => [fn.name, fn]));
    optimise({ functions }, "scalar", { check: true });
    expect([...functions.keys()]).toEqual(["g", "main"]);
    expect(show(entry)).toBe("b0:\n  v0 = param 0\n  v1 = call g(v0)\n  v2 = call h(v1)\n  return v2");
  });

  test("functions that call each other are left alone", () => {
    const g = parseFunction("a:\n x = param 0\n r = call h(x)\n return r", { name: "g" });
    const h = parseFunction("a:\n x = param 0\n branch x b c\nb:\n r = call g(x)\n return r\nc:\n return x", {
      name: "h",
    });
    optimise({ functions: new Map([g, h].map((fn) => [fn.name, fn])) }, "scalar", { check: true });
    expect(show(g)).toContain("call");
  });

  test("what follows a call that never returns goes", () => {
    const entry = parseFunction("a:\n c = param 0\n r = call g(c)\n return r", { name: "main", entry: true });
    const g = parseFunction("a:\n x = param 0\n trap", { name: "g" });
    optimise({ functions: new Map([g, entry].map((fn) => [fn.name, fn])) }, "scalar", { check: true });
    expect(show(entry)).toBe("b0:\n  v0 = param 0\n  trap");
  });
});
