// The disassembler against golden texts, the text assembler as its inverse, and what the assembler says to bad input.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DiagnosticError } from "../../lib/diag/index.ts";
import { HELPER_NAMES, HELPERS } from "../../lib/kernel/index.ts";
import { INSTRUCTIONS } from "../../lib/isa/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import type { SourceLine } from "../../lib/object/index.ts";
// prettier-ignore
import { call, callKfunc, callLocal, disassemble, exit, formatListing, jmp, lddw, mov64, parse, r0, r1, textOf } from "../../lib/asm/index.ts";
import { arbitraryInsns, arbitraryOfRow } from "../isa/arbitrary.ts";
import { GOLDEN } from "./golden.ts";

// prettier-ignore
const textsOf = (insns: readonly Insn[]): string => disassemble(insns).map((d) => d.text).join("\n");

describe("golden", () => {
  test.each(GOLDEN)("$source: $text", ({ text, insn }) => {
    expect(textOf(insn)).toBe(text);
    expect(parse(text)).toEqual([insn]);
  });

  test("the kernel itself wrote most of it", () => {
    expect(GOLDEN.filter((g) => g.source === "kernel").length).toBeGreaterThanOrEqual(174);
  });
});

describe("parse(disassemble(x)) = x", () => {
  test.each(INSTRUCTIONS)("for $text", (row) => {
    fc.assert(
      fc.property(arbitraryOfRow(row), (insn) => {
        expect(parse(textOf(insn))).toEqual([insn]);
      }),
    );
  });

  test("for lists, as text and as a listing", () => {
    fc.assert(
      fc.property(arbitraryInsns, (insns) => {
        expect(parse(textsOf(insns))).toEqual(insns);
        expect(parse(formatListing(disassemble(insns)))).toEqual(insns);
      }),
    );
  });
});

describe("the assembler reads", () => {
  // prettier-ignore
  test.each([
    // what is written, what it means in the kernel's notation
    ["r1=*(u32*)(r2+4)",                       "r1 = *(u32 *)(r2 +4)"],
    ["\tr1  =  *( u32 * ) ( r10 - 8 ) ",       "r1 = *(u32 *)(r10 -8)"],
    ["r1 += 0x10",                             "r1 += 16"],
    ["r1 = -0x10",                             "r1 = -16"],
    ["r1 = 7 ll",                              "r1 = 0x7"],
    ["r1 = -1 ll",                             "r1 = 0xffffffffffffffff"],
    ["r1 = 0x10ll",                            "r1 = 0x10"],
    ["if r1 s< -1 goto pc+0",                  "if r1 s< 0xffffffff goto pc+0"],
    ["if w1 == 5 goto +3",                     "if w1 == 0x5 goto pc+3"],
    ["call map_lookup_elem",                   "call bpf_map_lookup_elem#1"],
    ["call bpf_map_lookup_elem",               "call bpf_map_lookup_elem#1"],
    ["call 1",                                 "call bpf_map_lookup_elem#1"],
    ["call unknown#4711",                      "call unknown#4711"],
    ["call pc+1#callee",                       "call pc+1"],
    ["call kernel-function#9[fd:3]",           "call kernel-function#9[fd:3]"],
    ["  12: (95) exit ; R0=0",                 "exit"],
    ["exit // done",                           "exit"],
    ["; only a comment\n\nexit",               "exit"],
    ["exit\r\nexit",                           "exit\nexit"],
    ["top: r0 = 0\ngoto top",                  "r0 = 0\ngoto pc-2"],
    ["goto end\nr1 = 0x5\nend: exit",          "goto pc+2\nr1 = 0x5\nexit"],
    ["a: b:\nif r0 != 0 goto b\nmay_goto a",   "if r0 != 0x0 goto pc-1\nmay_goto pc-2"],
    ["call f\nexit\nf: exit",                  "call pc+1\nexit\nexit"],
    ["call redirect\nexit\nredirect: exit",    "call pc+1\nexit\nexit"],
    ["",                                       ""],
  ])("%j", (written, meant) => expect(textsOf(parse(written))).toBe(meant));

  test("every helper by name", () => {
    for (const [id, name] of HELPER_NAMES.entries()) expect(parse(`call bpf_${name}`)).toEqual([call(id)]);
  });
});

test("helper names and signatures agree", () => {
  for (const [name, { id }] of Object.entries(HELPERS)) expect(HELPER_NAMES[id]).toBe(name);
});

describe("the assembler refuses", () => {
  // prettier-ignore
  test.each([
    // text, line:column, code, part of the message
    ["r1 = ",                      "1:1",  "A014", "not an instruction"],
    ["exit\n  r1 == 5",            "2:3",  "A014", "not an instruction"],
    ["gotoend\nend:",              "1:1",  "A014", "not an instruction"],
    ["r1 = -r2",                   "1:1",  "A014", "not an instruction"],
    ["r1 = le16 r2",               "1:1",  "A014", "not an instruction"],
    ["w1 = (s32)w2",               "1:1",  "A014", "not an instruction"],
    ["r1 = map[flows]",            "1:1",  "A014", "not an instruction"],
    ["r11 = 5",                    "1:2",  "A005", "no register 11"],
    ["r1 = r16",                   "1:7",  "A005", "no register 16"],
    ["w1 = 0xffffffff",            "1:6",  "A007", "the immediate does not fit"],
    ["r1 = 0x11223344556677889",   "1:6",  "A007", "more than 64 bits"],
    ["r1 = map[id:0x100000000]",   "1:13", "A007", "the immediate does not fit"],
    ["*(u64 *)(r1 + 40000) = r2",  "1:13", "A007", "the offset does not fit"],
    ["goto pc+40000",              "1:6",  "A007", "the distance does not fit"],
    ["goto out",                   "1:1",  "A015", "no label out"],
    ["x:\nexit\n x: exit",         "3:2",  "A016", "x is defined twice"],
    ["call nothing",               "1:1",  "A017", "no function or label nothing"],
    ["call bpf_redirect#24",       "1:1",  "A017", "no function or label bpf_redirect#24"],
  ])("%j", (text, place, code, message) => {
    const [first] = problemsOf(text);
    expect(first).toMatchObject({ code, message: expect.stringContaining(message) as string });
    const at = first?.place;
    expect(at?.kind === "source" ? `${at.line}:${at.column}` : at).toBe(place);
  });

  test("all bad lines at once", () => {
    expect(problemsOf("nonsense\nexit\nr12 = 1\ngoto nowhere").map((d) => d.code)).toEqual(["A014", "A005", "A015"]);
  });

  test("any text with diagnostics only", () => {
    const word = fc.constantFrom(
      ...INSTRUCTIONS.flatMap((row) => row.text.replace(/\{[^}]+\}/g, "3").split(/(?<=[ =(])/)),
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(word, { maxLength: 8 }).map((words) => words.join("")),
    );
    fc.assert(
      fc.property(text, (input) => {
        const found = problemsOf(input);
        for (const d of found) expect(d.code).toMatch(/^A0(05|07|14|15|16|17)$/);
      }),
      { numRuns: 2000 },
    );
  });
});

function problemsOf(text: string): DiagnosticError["diagnostics"] {
  try {
    parse(text);
    return [];
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics;
    throw error;
  }
}

describe("symbols and lines", () => {
  const line = (slot: number, number: number, text: string): SourceLine => ({
    slot,
    file: "a.ts",
    line: number,
    column: 1,
    text,
  });

  test("of a linked program", () => {
    const insns = [
      lddw(r1, 0n, "map_fd"),
      lddw(r1, 8n << 32n, "map_value"),
      callLocal(1),
      exit(),
      mov64(r0, 1),
      exit(),
    ];
    // prettier-ignore
    const symbols = {
      functions: [{ slot: 0, name: "main" }, { slot: 6, name: "callee" }],
      mapReferences: [{ slot: 0, map: "flows" }, { slot: 2, map: ".data" }],
    };
    expect(formatListing(disassemble(insns, { symbols, lines: [line(0, 3, "  f();"), line(6, 9, "return 1;")] }))).toBe(
      [
        "; f(); @ a.ts:3",
        "   0: (18) r1 = map[flows]",
        "   2: (18) r1 = map[.data][0]+8",
        "   4: (85) call pc+1#callee",
        "   5: (95) exit",
        "; return 1; @ a.ts:9",
        "   6: (b7) r0 = 1",
        "   7: (95) exit",
        "",
      ].join("\n"),
    );
  });

  test("of an unlinked function", () => {
    const insns = [lddw(r1, 0n), lddw(r1, 0n), lddw(r1, 0n), callLocal(-1), jmp("eq", r0, 0, 1), call("redirect")];
    const relocations = [
      { kind: "map", slot: 0, map: "flows" },
      { kind: "map_value", slot: 2, map: ".bss", offset: 4 },
      { kind: "func", slot: 4, func: "callback" },
      { kind: "call", slot: 6, func: "callee" },
    ] as const;
    expect(disassemble(insns, { symbols: { relocations } }).map((d) => d.text)).toEqual([
      "r1 = map[flows]",
      "r1 = map[.bss][0]+4",
      "r1 = subprog[callback]",
      "call callee",
      "if r0 == 0x0 goto pc+1",
      "call bpf_redirect#23",
    ]);
  });

  test("of kernel functions", () => {
    const kfuncs = new Map([[77, "bpf_rcu_read_lock"]]);
    const texts = disassemble([callKfunc(77), callKfunc(78)], { symbols: { kfuncs } }).map((d) => d.text);
    expect(texts).toEqual(["call bpf_rcu_read_lock#77", "call kernel-function#78"]);
  });

  test("an instruction without encoding is shown by its kind", () => {
    expect(textOf({ kind: "load", size: 8, signed: true, dst: 0, base: 1, off: 0 })).toBe("<load>");
  });
});
