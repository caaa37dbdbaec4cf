/** What is told about a rejection: excerpts of real logs, with the cause beside them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { summarizeLog, VerifierError } from "../../loader/index.ts";

const STATISTICS = "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

// Each row: name, log (without the statistics at its end), cause, slot, source line.
// prettier-ignore
const LOGS: readonly (readonly [string, string, string, number | null, { text: string; file: string | null; line: number } | null])[] = [
  ["null check missing (6.18)",
   "0: R1=ctx() R10=fp0\n; const n = flows.get(0); @ sample.ts:20\n0: (62) *(u32 *)(r10 -4) = 0         ; R10=fp0 fp-8=0000????\n5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=flows,ks=4,vs=8)\n; return n.value; @ sample.ts:22\n6: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n",
   "R0 invalid mem access 'map_value_or_null'", 6, { text: "return n.value;", file: "sample.ts", line: 22 }],
  ["packet, two telling lines",
   "0: R1=ctx() R10=fp0\n0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=pkt(r=0)\n1: (71) r0 = *(u8 *)(r2 +14)\ninvalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)\nR2 offset is outside of the packet\n",
   "invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0); R2 offset is outside of the packet", 1, null],
  ["line info before 6.10 names no file",
   "func#0 @0\n0: R1=ctx(off=0,imm=0) R10=fp0\n; return x;\n0: (95) exit\nR0 !read_ok\n",
   "R0 !read_ok", 0, { text: "return x;", file: null, line: 0 }],
  ["a source line that holds an at sign",
   "; send(\"a @ b\") @ mail.ts:3\n0: (95) exit\nR0 !read_ok\n", "R0 !read_ok", 0, { text: 'send("a @ b")', file: "mail.ts", line: 3 }],
  ["unreachable code, before the walk", "unreachable insn 2\n", "unreachable insn 2", 2, null],
  ["back edge", "back-edge from insn 5 to 2\n", "back-edge from insn 5 to 2", 5, null],
  ["walk with branches and precision tracking",
   "func#0 @0\n0: R1=ctx() R10=fp0\n0: (85) call bpf_get_prandom_u32#7    ; R0_w=scalar()\n1: (25) if r0 > 0x3 goto pc+1         ; R0_w=scalar(umax=3)\nmark_precise: frame0: last_idx 1 first_idx 0 subseq_idx -1 \nmark_precise: frame0: regs=r0 stack= before 0: (85) call bpf_get_prandom_u32#7\n\nfrom 1 to 3: R0_w=scalar(umin=4) R10=fp0\n3: (95) exit\nAt program exit the register R0 has unknown scalar value should have been in [0, 1]\n",
   "At program exit the register R0 has unknown scalar value should have been in [0, 1]", 3, null],
  ["too complex", "BPF program is too large. Processed 1000001 insn\n", "BPF program is too large. Processed 1000001 insn", null, null],
  ["statistics only", "", "", null, null],
];

describe("verifier logs", () => {
  test.each(LOGS)("%s", (_, log, cause, slot, source) => {
    expect(summarizeLog(log + STATISTICS)).toEqual({ cause, slot, source });
    expect(summarizeLog(`${log}verification time 31 usec\nstack depth 4\n${STATISTICS}`)).toEqual({
      cause,
      slot,
      source,
    });
  });

  test("any text is survived", () => {
    const survives = (log: string): void => {
      expect(summarizeLog(log).cause).toBeTypeOf("string");
    };
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 500 }), survives));
  });

  test("the line table tells the place; without one the log's comment; without both there is none", () => {
    const linked = {
      name: "p",
      type: "xdp",
      attach: null,
      flags: 0,
      license: "GPL",
      insns: [{ kind: "exit" }],
      functions: [],
      mapReferences: [],
      kernelCalls: [],
    } as const;
    const log = `; comment @ log.ts:9\n0: (95) exit\nR0 !read_ok\n${STATISTICS}`;
    const lines = [{ slot: 0, file: "table.ts", line: 4, column: 7, text: "      exit()" }];
    expect(new VerifierError({ ...linked, lines }, 13, log).message.split("\n")).toEqual([
      'table.ts:4:7: error L003: the verifier rejected program "p": R0 !read_ok',
      "          exit()",
      "          ^",
    ]);
    expect(new VerifierError({ ...linked, lines: [] }, 13, log).at).toMatchObject({ file: "log.ts", line: 9 });
    expect(new VerifierError({ ...linked, lines: [] }, 13, STATISTICS)).toMatchObject({
      at: null,
      reason: "permission denied (EACCES)",
    });
  });
});
