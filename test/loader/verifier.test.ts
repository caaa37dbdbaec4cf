/** A rejected program as the loader throws it: what the log says, explained (test/verifier/explain has the rest). */
import { describe, expect, test } from "vitest";
import { VerifierError } from "../../loader/index.ts";

const STATISTICS = "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

// prettier-ignore
const LINKED = {
  name: "p", type: "xdp", attach: null, flags: 0, license: "GPL", insns: [{ kind: "exit" }], functions: [], mapReferences: [],
  kernelCalls: [],
  kernelAddresses: [],
} as const;
const LOG = `; comment @ log.ts:9\n0: (95) exit\nR0 !read_ok\n${STATISTICS}`;

describe("VerifierError", () => {
  test("place, reason, the kernel's words, the remedy", () => {
    const lines = [{ slot: 0, file: "table.ts", line: 4, column: 7, text: "      exit()" }];
    const error = new VerifierError({ ...LINKED, lines }, 13, LOG);
    expect(error.message.split("\n")).toEqual([
      'table.ts:4:7: error R101: the verifier rejected program "p": r0 has no value on this path',
      "          exit()",
      "          ^",
      "  found:    R0 !read_ok",
      "  remedy:   give the variable a value on every path that leads here",
    ]);
    expect(error).toMatchObject({
      program: "p",
      code: "R101",
      slot: 0,
      errno: 13,
      words: "R0 !read_ok",
      log: LOG,
      path: [],
    });
  });

  test("without a line table the log's comment is the place; without both there is none", () => {
    expect(new VerifierError({ ...LINKED, lines: [] }, 13, LOG).at).toMatchObject({ file: "log.ts", line: 9 });
    expect(new VerifierError({ ...LINKED, lines: [] }, 13, STATISTICS)).toMatchObject({
      at: null,
      code: "R000",
      reason: "permission denied (EACCES)",
    });
  });
});
