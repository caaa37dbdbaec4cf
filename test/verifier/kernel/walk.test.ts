/**
 * The walk's log and the running kernel's, line by line at level 2: random programs of moves, arithmetic, jumps, spills and
 * packet comparisons, right ones and wrong ones. What is compared: every instruction walked on every path, in order, with the
 * registers and stack slots that it changed. (The kernel also logs how it finds what must be precise; that is left out.)
 */
import { describe, expect, test } from "vitest";
import { canLoad } from "../../../loader/index.ts";
import { requestOf } from "../request.ts";
import { Random } from "../scalar/random.ts";
import { askKernel, askModel } from "./ask.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const PROGRAMS = Number(process.env["COUNT"] ?? 40);
const LENGTH = 24;

/** Lines of the kernel about its own work, and blank ones. */
const NOISE =
  /^(func#|Live regs|\s+(\d+ +)?\d+: [0-9.]{10}|\([\d,]+\) (frame|live)|verification time|stack depth|mark_precise|force_precise|SCC |frame \d+: propagating|$)/;

/** Instructions and states apart: the kernel puts a state on a line of its own when it has logged something in between. */
function linesOf(log: string): string[] {
  const lines: string[] = [];
  for (const line of log.split("\n")) {
    if (NOISE.test(line)) continue;
    const [, insn, behind] = /^(\d+: \([0-9a-f]{2}\).*?) *(?:;(.*))?$/.exec(line.trimEnd()) ?? [];
    const alone = /^\d+: ((?:R\d|frame|fp-).*)$/.exec(line)?.[1];
    if (insn !== undefined) lines.push(insn);
    const state = alone ?? behind;
    if (state !== undefined) lines.push(`state ${state.trim()}`);
    else if (insn === undefined) lines.push(line.trimEnd());
  }
  return lines;
}

const REGISTERS = ["r0", "r2", "r3", "r4", "r6", "r7", "r8"];
const NUMBERS = ["0", "1", "-1", "5", "63", "255", "4096", "-4096", "2147483647", "-2147483648"];
const OPERATORS = ["+=", "-=", "*=", "&=", "|=", "^=", "/=", "%="];
const CONDITIONS = ["==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"];

/** r1 stays the context, r9 the packet, r5 its end; the others are whatever comes out. */
function programOf(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const narrow = (register: string): string => register.replace("r", "w");
  const lines = ["r9 = *(u32 *)(r1 + 0)", "r5 = *(u32 *)(r1 + 4)"];
  for (const register of REGISTERS) lines.push(`${register} = *(u32 *)(r1 + ${12 + 4 * random.below(2)})`);
  for (let i = 0; i < LENGTH; i++) {
    const a = pick(REGISTERS);
    const b = pick(REGISTERS);
    const operand = random.below(2) === 0 ? b : pick(NUMBERS);
    const short = operand === b ? narrow(b) : operand;
    const slot = 8 + 8 * random.below(3);
    const choices = [
      `${a} ${pick(OPERATORS)} ${operand === "0" ? "3" : operand}`,
      `${narrow(a)} ${pick(OPERATORS)} ${short === "0" ? "3" : short}`,
      `${a} ${pick(["<<=", ">>=", "s>>="])} ${random.below(64)}`,
      `${narrow(a)} ${pick(["<<=", ">>=", "s>>="])} ${random.below(32)}`,
      `${a} = ${operand}`,
      `${narrow(a)} = ${short}`,
      `${a} = (s${pick([8, 16, 32])})${b}`,
      `${a} = -${a}`,
      `${a} = ${pick(["be16", "be32", "be64", "le16", "le64", "bswap32"])} ${a}`,
      `if ${a} ${pick(CONDITIONS)} ${operand} goto +${random.below(3)}`,
      `if ${narrow(a)} ${pick(CONDITIONS)} ${short} goto +${random.below(3)}`,
      `*(u${pick([8, 16, 32, 64])} *)(r10 - ${slot}) = ${a}`,
      `*(u64 *)(r10 - ${slot}) = ${a}\n${b} = *(u64 *)(r10 - ${slot})`,
      `${a} = r9\n${a} += ${8 + random.below(30)}\nif ${a} ${pick([">", ">=", "<", "<="])} r5 goto +1\n${b} = *(u8 *)(r9 + ${random.below(32)})`,
      `${a} &= ${pick([7, 63, 255])}\n${b} = r9\n${b} += ${a}`,
    ];
    lines.push(pick(choices));
  }
  lines.push("r0 = 0", "r0 = 0", "r0 = 1", "exit");
  return lines.join("\n");
}

describe.skipIf(!canLoad())("the walk and the running kernel", () => {
  test(`${PROGRAMS} random programs, seed ${SEED}: the same log`, () => {
    let walked = 0;
    for (let i = 0; i < PROGRAMS; i++) {
      const request = requestOf(programOf(new Random(SEED * 1_000_003 + i)), { type: "xdp" });
      const theirs = askKernel(request);
      const ours = askModel(request);
      if (theirs === null) throw new Error("the kernel was not asked");
      expect([i, ours.verdict]).toEqual([i, theirs.verdict]);
      const expected = linesOf(theirs.log);
      const found = linesOf(ours.log);
      // A rejection ends the kernel's log with its words, ours with the instruction.
      const length = theirs.verdict === "accept" ? Math.max(expected.length, found.length) : found.length - 1;
      const at = found.findIndex((line, k) => k < length && line !== expected[k]);
      if (at >= 0) {
        const from = Math.max(0, at - 3);
        expect({ i, lines: found.slice(from, at + 2) }).toEqual({ i, lines: expected.slice(from, at + 2) });
      }
      walked += found.length;
    }
    expect(walked).toBeGreaterThan(PROGRAMS * LENGTH);
  });
});
