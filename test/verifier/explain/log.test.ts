/** Kernels' logs of several releases: where the walk was, what it says the cause is, and the path that failed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLog } from "../../../lib/verifier/explain/log.ts";
import { explainLog } from "../../../lib/verifier/explain/index.ts";
import { BARE_SUBJECT } from "./subject.ts";

const STATISTICS = "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

// Each row: name, log (without the statistics at its end), cause, slot, source line.
// prettier-ignore
const LOGS: readonly (readonly [string, string, readonly string[], number | null, { text: string; file: string | null; line: number } | null])[] = [
  ["null check missing (6.18)",
   "0: R1=ctx() R10=fp0\n; const n = flows.get(0); @ sample.ts:20\n0: (62) *(u32 *)(r10 -4) = 0         ; R10=fp0 fp-8=0000????\n5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=flows,ks=4,vs=8)\n; return n.value; @ sample.ts:22\n6: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n",
   ["R0 invalid mem access 'map_value_or_null'"], 6, { text: "return n.value;", file: "sample.ts", line: 22 }],
  ["null check missing (5.10, level 2)",
   "func#0 @0\n0: R1=ctx(id=0,off=0,imm=0) R10=fp0\n; const n = flows.get(0);\n0: (62) *(u32 *)(r10 -4) = 0\n1: R1=ctx(id=0,off=0,imm=0) R10=fp0 fp-8=0000????\n5: (85) call bpf_map_lookup_elem#1\n6: R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0 fp-8=0000????\n; return n.value;\n6: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n",
   ["R0 invalid mem access 'map_value_or_null'"], 6, { text: "return n.value;", file: null, line: 0 }],
  ["packet, two telling lines",
   "0: R1=ctx() R10=fp0\n0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=pkt(r=0)\n1: (71) r0 = *(u8 *)(r2 +14)\ninvalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)\nR2 offset is outside of the packet\n",
   ["invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)", "R2 offset is outside of the packet"], 1, null],
  ["line info before 6.10 names no file",
   "func#0 @0\n0: R1=ctx(off=0,imm=0) R10=fp0\n; return x;\n0: (95) exit\nR0 !read_ok\n",
   ["R0 !read_ok"], 0, { text: "return x;", file: null, line: 0 }],
  ["a source line that holds an at sign",
   "; send(\"a @ b\") @ mail.ts:3\n0: (95) exit\nR0 !read_ok\n", ["R0 !read_ok"], 0, { text: 'send("a @ b")', file: "mail.ts", line: 3 }],
  ["unreachable code, before the walk", "unreachable insn 2\n", ["unreachable insn 2"], 2, null],
  ["back edge", "back-edge from insn 5 to 2\n", ["back-edge from insn 5 to 2"], 5, null],
  ["walk with branches and precision tracking",
   "func#0 @0\n0: R1=ctx() R10=fp0\n0: (85) call bpf_get_prandom_u32#7    ; R0_w=scalar()\n1: (25) if r0 > 0x3 goto pc+1         ; R0_w=scalar(umax=3)\nmark_precise: frame0: last_idx 1 first_idx 0 subseq_idx -1 \nmark_precise: frame0: regs=r0 stack= before 0: (85) call bpf_get_prandom_u32#7\n\nfrom 1 to 3: R0_w=scalar(umin=4) R10=fp0\n3: (95) exit\nAt program exit the register R0 has unknown scalar value should have been in [0, 1]\n",
   ["At program exit the register R0 has unknown scalar value should have been in [0, 1]"], 3, null],
  ["an endless loop, with the states that are alike",
   "0: R1=ctx() R10=fp0\n0: (05) goto pc-1\ninfinite loop detected at insn 0\ncur state: R1=ctx() R10=fp0\nold state: R1=ctx() R10=fp0\n", ["infinite loop detected at insn 0"], 0, null],
  ["too complex", "BPF program is too large. Processed 1000001 insn\n", ["BPF program is too large. Processed 1000001 insn"], null, null],
  ["too complex, told on the line of a conditional jump",
   "7: (85) call bpf_get_prandom_u32#7    ; R0=scalar()\n8: (ae) if w6 < w0 goto pc-6 BPF program is too large. Processed 1000001 insn\n", ["BPF program is too large. Processed 1000001 insn"], 8, null],
  ["a state on the line of a conditional jump", "8: (ae) if w6 < w0 goto pc-6 3: R0=scalar(umin=1) R10=fp0\n", [], 8, null],
  ["statistics only", "", [], null, null],
];

describe("verifier logs", () => {
  test.each(LOGS)("%s", (_, log, cause, slot, source) => {
    expect(readLog(log + STATISTICS)).toMatchObject({ cause, slot, source, report: null });
    const more = readLog(`${log}verification time 31 usec\nstack depth 4\n${STATISTICS}`);
    expect(more).toMatchObject({ cause, slot, source });
  });

  test("any text is survived, and no statistics are a message", () => {
    const words = LOGS.flatMap(([, log]) => log.split(/(?<=\n)|(?<= )/));
    const part = fc.oneof(fc.constantFrom(...words), fc.string({ unit: "binary", maxLength: 20 }));
    const text = fc.array(part, { maxLength: 12 });
    const survives = (parts: readonly string[]): void => {
      const error = explainLog(BARE_SUBJECT, parts.join("") + `\n${STATISTICS}`, "permission denied");
      expect(error.reason).not.toBe("");
      expect(error.reason).not.toContain("processed 7 insns");
      expect(error.suggestion).not.toBe("");
    };
    fc.assert(fc.property(text, survives));
  });
});

/** Two branches, both put aside; the second one that is taken up fails. */
const LEVEL_2 = `0: R1=ctx() R10=fp0
0: (85) call bpf_get_prandom_u32#7    ; R0_w=scalar()
1: (25) if r0 > 0x3 goto pc+4         ; R0_w=scalar(smin=smin32=0,smax=umax=umax32=3,var_off=(0x0; 0x3))
2: (15) if r0 == 0x1 goto pc+2        ; R0_w=scalar(smin=smin32=0,smax=umax=umax32=3,var_off=(0x0; 0x3))
3: (b7) r0 = 0                        ; R0_w=0
4: (95) exit

from 2 to 5: R0_w=1 R10=fp0
5: (95) exit

from 1 to 6: R0_w=scalar(umin=4) R10=fp0
6: (bf) r2 = r0                       ; R0_w=scalar(id=1,umin=4) R2_w=scalar(id=1,umin=4)
7: (85) call pc+1
caller:
 R10=fp0
callee:
 frame1: R1=ctx() R2=scalar(id=1,umin=4) R10=fp0
9: (71) r0 = *(u8 *)(r2 +0)
R2 invalid mem access 'scalar'
`;

test("what the kernel notes of the main function's context is no cause where another is told", () => {
  const note = "arg#0 reference type('UNKNOWN ') size cannot be determined: -22\n";
  const nameOf = (log: string): string | null => explainLog(BARE_SUBJECT, log + STATISTICS, "").name;
  expect(nameOf(`${note}BPF program is too large. Processed 1000001 insn\n`)).toBe("too_many_steps");
  expect(nameOf(note)).not.toBe("too_many_steps");
});

describe("the path that failed", () => {
  test("starts again at the branch that is taken up", () => {
    const { trail, slot } = readLog(LEVEL_2);
    expect(trail.steps.map(({ slot, frame }) => [slot, frame])).toEqual([
      [0, 0],
      [1, 0],
      [6, 0],
      [7, 0],
      [9, 1],
    ]);
    expect(slot).toBe(9);
    expect(trail.changed(1, 0)).toMatchObject({ text: "a number, 4 or more" });
    expect(trail.changed(2, 2)).toMatchObject({ kind: "scalar" });
    expect(trail.changed(2, 3)).toBeNull();
  });
});
