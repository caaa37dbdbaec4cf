// Linking: order of functions, distances of calls and callbacks, map references, lines; and objects that do not fit together.
import { describe, expect, test } from "vitest";
import { DiagnosticError } from "../../lib/diag/index.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, Relocation } from "../../lib/object/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { call, callLocal, disassemble, exit, lddw, link, mov64, r0, r1, r2 } from "../../lib/asm/index.ts";

const fn = (name: string, insns: readonly Insn[], relocations: readonly Relocation[] = []): FunctionSpec => ({
  name,
  insns,
  relocations,
  lines: [{ slot: 0, file: `${name}.ts`, line: 1, column: 1, text: `${name}()` }],
  btfId: name.length,
  linkage: "static",
});
const program = (name: string, insns: readonly Insn[], relocations: readonly Relocation[] = []): ProgramSpec => ({
  ...fn(name, insns, relocations),
  section: "xdp",
  type: "xdp",
  attach: null,
  flags: 0,
});
// prettier-ignore
const map = (name: string): MapSpec => ({ name, type: "array", keySize: 4, valueSize: 8, maxEntries: 1, flags: 0, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null });
// prettier-ignore
const object = (programs: ProgramSpec[], subprograms: FunctionSpec[] = [], maps: MapSpec[] = []): ObjectSpec => ({ license: "GPL", programs, subprograms, maps, btf: { types: [{ kind: "void" }] } });

const calls = (slot: number, func: string): Relocation => ({ kind: "call", slot, func });

describe("link", () => {
  const linked = link(
    object(
      [
        program("other", [exit()]),
        program(
          "main",
          [lddw(r1, 0n), callLocal(-1), lddw(r1, 0n), lddw(r2, 0n), callLocal(-1), exit()],
          // Out of order on purpose.
          [
            calls(7, "first"),
            calls(2, "second"),
            { kind: "map", slot: 0, map: "flows" },
            { kind: "map_value", slot: 3, map: ".bss", offset: 12 },
            { kind: "func", slot: 5, func: "callback" },
          ],
        ),
      ],
      [
        fn("unused", [exit()]),
        fn("deep", [mov64(r0, 3), exit()]),
        fn("callback", [mov64(r0, 0), exit()]),
        fn("first", [callLocal(-1), exit()], [calls(0, "deep")]),
        fn("second", [lddw(r1, 0n), callLocal(-1), exit()], [calls(2, "first"), { kind: "map", slot: 0, map: ".bss" }]),
      ],
      [map("flows"), map(".bss")],
    ),
    "main",
  );

  test("appends what is reached, in the order of first use", () => {
    expect(linked.functions).toEqual([
      { slot: 0, name: "main", btfId: 4 },
      { slot: 9, name: "second", btfId: 6 },
      { slot: 13, name: "callback", btfId: 8 },
      { slot: 15, name: "first", btfId: 5 },
      { slot: 17, name: "deep", btfId: 4 },
    ]);
  });

  test("makes relocations distances and pseudo loads", () => {
    expect(disassemble(linked.insns).map((d) => `${d.slot}: ${d.text}`)).toEqual([
      "0: r1 = map[id:0]",
      "2: call pc+6",
      "3: r1 = map[id:0][0]+12",
      "5: r2 = subprog[+7]",
      "7: call pc+7",
      "8: exit",
      "9: r1 = map[id:0]",
      "11: call pc+3",
      "12: exit",
      "13: r0 = 0",
      "14: exit",
      "15: call pc+1",
      "16: exit",
      "17: r0 = 3",
      "18: exit",
    ]);
  });

  test("lists map references by slot", () => {
    expect(linked.mapReferences).toEqual([
      { slot: 0, map: "flows", kind: "map", offset: 0 },
      { slot: 3, map: ".bss", kind: "map_value", offset: 12 },
      { slot: 9, map: ".bss", kind: "map", offset: 0 },
    ]);
  });

  test("moves source lines along", () => {
    expect(linked.lines.map((l) => `${l.slot} ${l.file}`)).toEqual([
      "0 main.ts",
      "9 second.ts",
      "13 callback.ts",
      "15 first.ts",
      "17 deep.ts",
    ]);
  });

  test("keeps what the program says about itself", () => {
    expect(linked).toMatchObject({ name: "main", type: "xdp", attach: null, flags: 0, license: "GPL" });
  });

  test("links recursion and leaves it to the verifier", () => {
    const o = object(
      [program("main", [callLocal(-1), exit()], [calls(0, "f")])],
      [fn("f", [callLocal(-1), exit()], [calls(0, "f")])],
    );
    expect(disassemble(link(o, "main").insns).map((d) => d.text)).toEqual(["call pc+1", "exit", "call pc-1", "exit"]);
  });

  test("leaves distances without relocation alone", () => {
    expect(link(object([program("main", [callLocal(1), exit(), exit()])]), "main").insns[0]).toEqual(callLocal(1));
  });
});

describe("link refuses", () => {
  const main = (insns: Insn[], ...relocations: Relocation[]): ProgramSpec => program("main", insns, relocations);

  // prettier-ignore
  test.each<[string, string, string, ObjectSpec]>([
    // what is wrong, code, part of the message, object
    ["a program that is not there",     "A009", "no program main",              object([program("other", [exit()])])],
    ["a function that is not there",    "A010", "uses the function f",          object([main([callLocal(-1), exit()], calls(0, "f"))])],
    ["a call of a program",             "A010", "uses the function main",       object([main([callLocal(-1), exit()], calls(0, "main"))])],
    ["a callback that is not there",    "A010", "uses the function f",          object([main([lddw(r1, 0n), exit()], { kind: "func", slot: 0, func: "f" })])],
    ["a map that is not there",         "A011", "uses the map m",               object([main([lddw(r1, 0n), exit()], { kind: "map", slot: 0, map: "m" })])],
    ["data that is not there",          "A011", "uses the map .bss",            object([main([lddw(r1, 0n), exit()], { kind: "map_value", slot: 0, map: ".bss", offset: 0 })])],
    ["a call relocation at a load",     "A012", "is a load_imm64",              object([main([lddw(r1, 0n), exit()], calls(0, "f"))], [fn("f", [exit()])])],
    ["a map relocation at a call",      "A012", "is a call",                    object([main([call("redirect"), exit()], { kind: "map", slot: 0, map: "m" })], [], [map("m")])],
    ["a relocation in a second slot",   "A012", "no instruction starts there",  object([main([lddw(r1, 0n), exit()], { kind: "map", slot: 1, map: "m" })], [], [map("m")])],
    ["a relocation behind the end",     "A012", "no instruction starts there",  object([main([exit()], { kind: "map", slot: 9, map: "m" })], [], [map("m")])],
    ["two functions of one name",       "A013", "of which the object has 2",    object([main([callLocal(-1), exit()], calls(0, "f"))], [fn("f", [exit()]), fn("f", [exit()])])],
  ])("%s", (_, code, message, bad) => {
    try {
      link(bad, "main");
      expect.unreachable("nothing was refused");
    } catch (error) {
      expect(error).toBeInstanceOf(DiagnosticError);
      const [first] = (error as DiagnosticError).diagnostics;
      expect(first).toMatchObject({ code, message: expect.stringContaining(message) as string });
      if (code !== "A009") expect(first?.place).toMatchObject({ kind: "source", file: "main.ts", line: 1 });
    }
  });
});
