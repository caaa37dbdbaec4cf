// The conformance corpus beside the repository: real programs decode and come back byte for byte; reserved fields are refused.
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DiagnosticError } from "../../lib/diag/index.ts";
import { rowOf } from "../../lib/isa/index.ts";
import { decode, disassemble, encode, formatListing, parse } from "../../lib/asm/index.ts";

const CORPUS = new URL("../../../shared/corpus/conformance/", import.meta.url);
const present = existsSync(CORPUS);
const read = <T>(name: string): T[] =>
  present ? (JSON.parse(readFileSync(new URL(name, CORPUS), "utf8")) as T[]) : [];

// prettier-ignore
interface Case { readonly name: string; readonly insns: string; readonly cpu: string; readonly groups: readonly string[] }
// prettier-ignore
interface Reserved { readonly name: string; readonly insns: string; readonly kernel_6_18_errno: number; readonly reserved_field_reason: boolean }

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

test("the corpus is there", (context) => {
  if (!present) context.skip("../shared/corpus/conformance is not beside the repository");
  expect(read<Case>("cases.json").length).toBeGreaterThan(0);
  expect(read<Reserved>("reserved-fields.json").length).toBeGreaterThan(0);
});

describe.runIf(present)("conformance programs", () => {
  const cases = read<Case>("cases.json");

  test.each(cases)("$name", ({ insns, cpu, groups }) => {
    const decoded = decode(hex(insns));
    expect(Buffer.from(encode(decoded)).toString("hex")).toBe(insns);
    // As text and back.
    expect(Buffer.from(encode(parse(formatListing(disassemble(decoded))))).toString("hex")).toBe(insns);
    // The table's isa and group columns agree with what the corpus says about the program.
    const rows = decoded.map((insn) => rowOf(insn));
    expect(Math.max(...rows.map((row) => row?.isa ?? Infinity))).toBeLessThanOrEqual(Number(cpu.slice(1)));
    for (const row of rows) expect(groups).toContain(row?.group);
  });
});

describe.runIf(present)("programs that set a reserved field", () => {
  const cases = read<Reserved>("reserved-fields.json");

  test.each(cases)("$name", ({ insns }) => {
    try {
      decode(hex(insns));
      expect.unreachable("nothing was refused");
    } catch (error) {
      expect(error).toBeInstanceOf(DiagnosticError);
      expect((error as DiagnosticError).diagnostics.map((d) => d.code)).toSatisfy((codes: string[]) =>
        codes.every((code) => code === "A003" || code === "A004"),
      );
    }
  });

  test("only one of them is something that the kernel lets pass: the offset of exit", () => {
    expect(cases.filter((c) => c.kernel_6_18_errno === 0).map((c) => c.name)).toEqual([
      "unused-exit-offset-valid-base",
    ]);
  });
});
