// encode and decode: each row against its golden line, the whole table by property, and what must be refused.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DiagnosticError } from "../../lib/diag/index.ts";
import { INSTRUCTIONS, REJECTIONS, rowOf } from "../../lib/isa/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { decode, encode, tryDecode } from "../../lib/asm/index.ts";
import { arbitraryInsns, arbitraryOfRow } from "../isa/arbitrary.ts";
import { GOLDEN } from "./golden.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

/** The code and message of the first diagnostic; empty when nothing is thrown. */
function refusal(run: () => unknown): { code: string; message: string; expected?: string; offset?: number } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const d = error.diagnostics[0];
    if (d === undefined) throw error;
    const offset = d.place.kind === "offset" ? { offset: d.place.offset } : {};
    return {
      code: d.code,
      message: d.message,
      ...(d.expected === undefined ? {} : { expected: d.expected }),
      ...offset,
    };
  }
  return { code: "", message: "nothing was refused" };
}

describe("golden", () => {
  test("has a line for every row of the table", () => {
    expect(GOLDEN.map(({ insn }) => rowOf(insn))).toEqual([...INSTRUCTIONS]);
  });
  test.each(GOLDEN)("$text", ({ bytes, insn }) => {
    expect(encode([insn])).toEqual(bytes);
    expect(decode(bytes)).toEqual([insn]);
  });
});

describe("properties", () => {
  test.each(INSTRUCTIONS)("decode(encode(x)) = x for $text", (row) => {
    fc.assert(
      fc.property(arbitraryOfRow(row), (insn) => {
        expect(decode(encode([insn]))).toEqual([insn]);
      }),
    );
  });

  test("decode(encode(x)) = x for lists", () => {
    fc.assert(
      fc.property(arbitraryInsns, (insns) => {
        expect(decode(encode(insns))).toEqual(insns);
      }),
    );
  });

  test("what decodes encodes to the same bytes; anything else is a diagnostic", () => {
    const bytes = fc.uint8Array({ maxLength: 64 });
    // Bytes that start like instructions get further than noise.
    const slot = fc.tuple(
      fc.constantFrom(...INSTRUCTIONS.map((r) => r.code)),
      fc.uint8Array({ minLength: 7, maxLength: 7 }),
    );
    const likely = fc
      .array(slot, { maxLength: 6 })
      .map((slots) => Uint8Array.from(slots.flatMap(([code, rest]) => [code, ...rest])));
    fc.assert(
      fc.property(fc.oneof(bytes, likely), (input) => {
        const decoded = tryDecode(input);
        const insns = decoded.flatMap((d) => (d.insn === null ? [] : [d.insn]));
        if (insns.length === decoded.length) expect(encode(decode(input))).toEqual(input);
        else expect(refusal(() => decode(input)).code).toMatch(/^A00[1-6]$/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("decode refuses", () => {
  test.each(REJECTIONS.flatMap((r) => r.codes.map((code) => ({ code, reason: r.reason }))))(
    "opcode $code: $reason",
    ({ code, reason }) => {
      const found = refusal(() => decode(Uint8Array.of(code, 0, 0, 0, 0, 0, 0, 0)));
      expect(found.code).toBe("A002");
      expect(found.message).toContain(reason);
    },
  );

  // prettier-ignore
  test.each([
    // bytes, code, part of the message, expected
    ["b7 00 00 00 00 00 00",                             "A001", "7 bytes are left",                           "a multiple of 8 bytes"],
    ["07 00 01 00 01 00 00 00",                          "A003", "field off of opcode 0x07 is reserved",       "0"],
    ["95 00 00 00 01 00 00 00",                          "A003", "field imm of opcode 0x95 is reserved",       "0x00"],
    ["37 00 02 00 01 00 00 00",                          "A004", "opcode 0x37 has no variant with off 2",      "0, 1"],
    ["bf 00 18 00 00 00 00 00",                          "A004", "opcode 0xbf has no variant with off 24",     "0, 8, 16, 32"],
    ["bf 00 01 00 00 00 00 00",                          "A004", "opcode 0xbf has no variant with off 1",      "0, 8, 16, 32"],
    ["bf 00 01 00 02 00 00 00",                          "A004", "opcode 0xbf has no variant with imm 0x02",   "0x01, 0x10000"],
    ["d7 00 00 00 08 00 00 00",                          "A004", "opcode 0xd7 has no variant with imm 0x08",   "0x10, 0x20, 0x40"],
    ["85 30 00 00 01 00 00 00",                          "A004", "opcode 0x85 has no variant with src 3",      "0, 1, 2"],
    ["18 70 00 00 00 00 00 00 00 00 00 00 00 00 00 00",  "A004", "opcode 0x18 has no variant with src 7",      "0, 1, 2, 3, 4, 5, 6"],
    ["bf b0 00 00 00 00 00 00",                          "A005", "names r11",                                  "0 to 10"],
    ["bf 0f 00 00 00 00 00 00",                          "A005", "names r15",                                  "0 to 10"],
    ["18 00 00 00 00 00 00 00",                          "A006", "cut off",                                    undefined],
    ["18 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00",  "A006", "more than an immediate",                     undefined],
    ["18 10 00 00 05 00 00 00 00 00 00 00 01 00 00 00",  "A003", "upper half",                                 "0"],
  ])("%s: %s %s", (bytes, code, message, expected) => {
    const found = refusal(() => decode(hex(bytes)));
    expect(found).toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect(found.expected).toBe(expected);
  });

  test.each([0xc3, 0xdb])("an unknown atomic operation of opcode %s, naming the known ones", (code) => {
    const found = refusal(() => decode(Uint8Array.of(code, 0x10, 0, 0, 0x02, 0, 0, 0)));
    expect(found).toMatchObject({
      code: "A004",
      expected: "0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1, 0x100, 0x110",
    });
  });

  test("every bad slot, each at its offset, and goes on after it", () => {
    const decoded = tryDecode(hex("00 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00 ff 00 00 00 00 00 00 00"), "x.o");
    expect(decoded.map((d) => d.insn?.kind ?? d.diagnostic?.place)).toEqual([
      { kind: "offset", file: "x.o", offset: 0 },
      "exit",
      { kind: "offset", file: "x.o", offset: 16 },
    ]);
  });
});

describe("encode refuses", () => {
  // prettier-ignore
  test.each<[string, string, Insn]>([
    // what is wrong, code, instruction
    ["an immediate of 33 bits",        "A007", { kind: "alu", op: "mov", width: 64, dst: 0, src: { imm: 0xffff_ffff } }],
    ["a fraction",                     "A007", { kind: "alu", op: "mov", width: 64, dst: 0, src: { imm: 0.5 } }],
    ["an offset of 17 bits",           "A007", { kind: "load", size: 4, signed: false, dst: 0, base: 1, off: 0x8000 }],
    ["a distance of 17 bits",          "A007", { kind: "jump", long: false, delta: -0x8001 }],
    ["an immediate of 65 bits",        "A007", { kind: "load_imm64", dst: 0, pseudo: "none", imm: 1n << 64n }],
    ["a map fd of 33 bits",            "A007", { kind: "load_imm64", dst: 0, pseudo: "map_fd", imm: 1n << 32n }],
    ["register 11",                    "A005", { kind: "alu", op: "mov", width: 64, dst: 11 as 10, src: { imm: 0 } }],
    ["register 16, which would spill", "A005", { kind: "alu", op: "mov", width: 64, dst: 0, src: { reg: 16 as 10 } }],
    ["register 11 in a 64-bit load",   "A005", { kind: "load_imm64", dst: 11 as 10, pseudo: "none", imm: 0n }],
    ["sign extension of 8 bytes",      "A008", { kind: "load", size: 8, signed: true, dst: 0, base: 1, off: 0 }],
    ["a 32-bit move of 32 bits",       "A008", { kind: "movsx", width: 32, bits: 32, dst: 0, src: 1 }],
    ["a cast between spaces 2 and 3",  "A008", { kind: "addr_space_cast", dst: 0, src: 1, to: 2, from: 3 }],
  ])("%s", (_, code, insn) => expect(refusal(() => encode([insn])).code).toBe(code));

  test("all that is wrong at once, naming slots", () => {
    const wide: Insn = { kind: "load_imm64", dst: 0, pseudo: "none", imm: 0n };
    const far: Insn = { kind: "jump", long: false, delta: 100_000 };
    try {
      encode([wide, far, far]);
      expect.unreachable();
    } catch (error) {
      expect((error as DiagnosticError).diagnostics.map((d) => d.place)).toMatchObject([
        { path: "slot 2" },
        { path: "slot 3" },
      ]);
    }
  });
});
