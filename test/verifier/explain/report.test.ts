/** The report that Linux 7.3 adds to its log: its sections, and what becomes of them where no line of old says the same. */
import { describe, expect, test } from "vitest";
import { explainLog } from "../../../lib/verifier/explain/index.ts";
import { readLog } from "../../../lib/verifier/explain/log.ts";
import { BARE_SUBJECT } from "./subject.ts";

const STATISTICS = "processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

/** As the kernel lays it out: sections, places with source and instructions around them, notes wrapped below a caret. */
const REPORT = `
Verification failed: Memory Safety: Something new

Reason:
  The first half of a sentence that the kernel had to wrap,
  and the second.

At:
  filter @ filter.ts:12:3
  Source context:
      10 | const table = tables.get(1);
      11 | ...
  >>> 12 | return load<u8>(place);
         | ^-- error: this is the first line of what is wrong
         |     and this is the second
      13 | ...
  Instruction context:
      1 | (bf) r6 = r0
  >>> 2 | (71) r0 = *(u8 *)(r6 +0)
      3 | (95) exit

Causal path:
  filter @ filter.ts:10:5
  >>> 10 | const table = tables.get(1);
         | ^-- branch: took the false branch of this conditional, goto not followed
  Instruction context:
  >>> 0 | (55) if r0 != 0x0 goto pc+1

  insn 1
        | ^-- update: R6 changed from uninitialized value to map value

Suggestion:
  Do what is
  suggested.

`;

describe("the report of Linux 7.3", () => {
  test("is read by sections, and is no cause itself", () => {
    const { report, cause, slot } = readLog(`2: (71) r0 = *(u8 *)(r6 +0)\nR6 is something new\n${REPORT}${STATISTICS}`);
    expect(cause).toEqual(["R6 is something new"]);
    expect(slot).toBe(2);
    expect(report).toMatchObject({
      category: "Memory Safety",
      problem: "Something new",
      reason: "The first half of a sentence that the kernel had to wrap, and the second.",
      suggestion: "Do what is suggested.",
      slot: 2,
    });
    expect(report?.place?.note).toBe("error: this is the first line of what is wrong and this is the second");
    expect(report?.path.map(({ line, slot: at, note }) => [line, at, note])).toEqual([
      [10, 0, "branch: took the false branch of this conditional, goto not followed"],
      [0, 1, "update: R6 changed from uninitialized value to map value"],
    ]);
  });

  test("speaks for itself where no reason knows the words", () => {
    const error = explainLog(
      BARE_SUBJECT,
      `2: (71) r0 = *(u8 *)(r6 +0)\nR6 is something new\n${REPORT}${STATISTICS}`,
      "",
    );
    expect(error).toMatchObject({
      code: "R000",
      name: null,
      reason: "The first half of a sentence that the kernel had to wrap, and the second.",
      suggestion: "Do what is suggested.",
      at: { kind: "source", file: "filter.ts", line: 12, column: 3 },
      slot: 2,
      words: "R6 is something new",
    });
    expect(error.path.map(({ note }) => note)).toHaveLength(2);
  });

  test("stands behind the line of old where there is one", () => {
    const log = `0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\n${REPORT}${STATISTICS}`;
    expect(explainLog(BARE_SUBJECT, log, "")).toMatchObject({ code: "R101", words: "R0 !read_ok" });
  });

  test("without it, the title and the reason tell", () => {
    const told = (title: string, reason: string): string =>
      explainLog(BARE_SUBJECT, `\nVerification failed: ${title}\n\nReason:\n  ${reason}\n\n${STATISTICS}`, "").code;
    expect(told("Resource Lifetime Safety: Unreleased resource", "Owned resource (id=2) was acquired ...")).toBe(
      "R601",
    );
    expect(told("Register Type Safety: Unreadable register", "R0 has never been initialized")).toBe("R101");
    expect(told("Register Type Safety: Invalid dereference", "R6 is an integer scalar here, not a pointer")).toBe(
      "R211",
    );
    expect(told("Register Type Safety: Invalid dereference", "R6 may be NULL here (mem_or_null).")).toBe("R210");
    expect(told("Memory Safety: Access outside bounds", "The verifier cannot prove ...")).toBe("R225");
  });
});
