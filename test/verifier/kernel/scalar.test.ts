/**
 * Numbers as the running kernel knows them: random arithmetic and jumps are loaded at log level 2, and what the verifier prints
 * after each instruction is what lib/verifier/scalar says.
 *
 * The log leads: a line gives the instruction, the model makes its step and prints the registers; jumps (and the two ways of a
 * sign mask) leave states that a later "from A to B" takes up again, last in first out.
 */
import { describe, expect, test } from "vitest";
// prettier-ignore
import {
  alu32, alu64, call, exit, jmp, jmp32, label, lddw, mov32, mov64, movsx32, movsx64, neg32, neg64, r0, r6, r7, r8, r9, swap,
} from "../../../lib/asm/index.ts";
import type { Item, Register } from "../../../lib/asm/index.ts";
import type { JumpOp, Width } from "../../../lib/isa/index.ts";
// prettier-ignore
import {
  UNKNOWN, alu, branchTaken, constant, negate, printScalar, refine, signExtend, splitSign, swap as swapScalar, zeroExtend,
} from "../../../lib/verifier/scalar/index.ts";
import type { Scalar } from "../../../lib/verifier/scalar/index.ts";
import { canLoad, load } from "../../../loader/index.ts";
import { object, program } from "../../kernel/specs.ts";
import { Random, interesting } from "../scalar/random.ts";
import { OPERATIONS } from "../scalar/concrete.ts";

const loadable = canLoad();
const SEED = Number(process.env["SEED"] ?? 1);
const PROGRAMS = Number(process.env["COUNT"] ?? 60);
const STEPS = 50;

const REGISTERS = [r6, r7, r8, r9] as const;
const JUMPS = ["eq", "ne", "set", "gt", "ge", "lt", "le", "sgt", "sge", "slt", "sle"] as const;

type Numbers = Record<number, Scalar>;
interface Jump {
  readonly op: JumpOp;
  readonly width: Width;
  readonly dst: number;
  readonly src: number | Scalar;
}
/** What an instruction does to the model: registers change, or the path divides. */
type Step =
  | {
      readonly items: readonly Item[];
      readonly run: (regs: Numbers) => void;
      readonly split?: { dst: number; src: number | Scalar };
    }
  | { readonly items: readonly Item[]; readonly jump: Jump; readonly target: string };

describe.skipIf(!loadable.ok)("numbers as the kernel knows them", () => {
  test.each(Array.from({ length: PROGRAMS }, (_, i) => SEED * 10_000 + i))("seed %i", async (seed) => {
    const { items, steps, slots } = generate(new Random(seed));
    using loaded = await load(object([program("p", "tc", items)]), { logLevel: 2 });
    compare(loaded.program("p").log, steps, slots);
  });
});

/** A straight line of random steps; every jump goes to an exit of its own, so that nothing is pruned on the way. */
function generate(random: Random): { items: Item[]; steps: Map<number, Step>; slots: Map<string, number> } {
  const list: Step[] = REGISTERS.map((register) => unknown(register));
  while (list.length < STEPS) list.push(randomStep(random, `exit${list.length}`));
  const items: Item[] = [];
  const steps = new Map<number, Step>();
  const slots = new Map<string, number>();
  let slot = 0;
  for (const step of list) {
    steps.set(slot, step);
    for (const item of step.items) {
      items.push(item);
      slot += "kind" in item && item.kind === "load_imm64" ? 2 : 1;
    }
  }
  const end = (name: string): void => {
    slots.set(name, slot);
    items.push(label(name), mov64(r0, 0), exit());
    slot += 2;
  };
  end("end");
  for (const step of list) if ("target" in step) end(step.target);
  return { items, steps, slots };
}

/** A number that nothing is known of. */
function unknown(dst: Register): Step {
  return { items: [call(5), mov64(dst, r0), mov64(r0, 0)], run: (regs) => void (regs[index(dst)] = UNKNOWN) };
}

function randomStep(random: Random, target: string): Step {
  const dst = random.pick(REGISTERS);
  const d = index(dst);
  const width: Width = random.chance(0.6) ? 64 : 32;
  const kind = random.below(100);
  if (kind < 5) return unknown(dst);
  if (kind < 10) {
    const value = interesting(random);
    return { items: [lddw(dst, BigInt.asIntN(64, value))], run: (regs) => void (regs[d] = constant(value)) };
  }
  if (kind < 14)
    return {
      items: [width === 64 ? neg64(dst) : neg32(dst)],
      run: (regs) => void (regs[d] = negate(width, of(regs, d))),
    };
  if (kind < 18) {
    const op = random.pick(["le", "be", "bswap"] as const);
    const bits = random.pick([16, 32, 64] as const);
    return { items: [swap(op, bits, dst)], run: (regs) => void (regs[d] = swapScalar(op, bits, of(regs, d))) };
  }
  if (kind < 23) {
    const bits = width === 64 ? random.pick([8, 16, 32] as const) : random.pick([8, 16] as const);
    const item = width === 64 ? movsx64(bits, dst, dst) : movsx32(bits as 8 | 16, dst, dst);
    return { items: [item], run: (regs) => void (regs[d] = signExtend(of(regs, d), (bits / 8) as 1 | 2 | 4, width)) };
  }
  if (kind < 25) return { items: [mov32(dst, dst)], run: (regs) => void (regs[d] = zeroExtend(of(regs, d), 4)) };
  const immediate = random.chance(0.6);
  const other = random.pick(REGISTERS.filter((register) => register !== dst));
  const value = immediateOf(random);
  const src = immediate ? constant(value) : index(other);
  if (kind < 55) {
    const op = random.pick(JUMPS);
    const item = (width === 64 ? jmp : jmp32)(op, dst, immediate ? value : other, target);
    return { items: [item], jump: { op, width, dst: d, src }, target };
  }
  const op = random.pick(OPERATIONS);
  let by: number | Register = immediate ? value : other;
  let from: Scalar | number = src;
  if (immediate && (op === "lsh" || op === "rsh" || op === "arsh")) by = random.below(width);
  if (immediate && (op === "div" || op === "mod" || op === "sdiv" || op === "smod") && value === 0) by = 1;
  if (typeof by === "number") from = constant(by);
  const item = (width === 64 ? alu64 : alu32)(op, dst, by);
  const run = (regs: Numbers): void =>
    void (regs[d] = alu(op, width, of(regs, d), typeof from === "number" ? of(regs, from) : from));
  return op === "and" || op === "or" ? { items: [item], run, split: { dst: d, src: from } } : { items: [item], run };
}

function immediateOf(random: Random): number {
  return Number(BigInt.asIntN(32, interesting(random)));
}

function index(register: Register): number {
  return REGISTERS.indexOf(register as (typeof REGISTERS)[number]) + 6;
}

function of(regs: Numbers, register: number): Scalar {
  return regs[register] as Scalar;
}

interface Waiting {
  readonly from: number;
  readonly to: number;
  readonly regs: Numbers;
}

/** Follows the log. */
function compare(log: string, steps: ReadonlyMap<number, Step>, slots: ReadonlyMap<string, number>): void {
  const waiting: Waiting[] = [];
  let regs: Numbers = {};
  let checked = 0;
  for (const line of log.slice(log.indexOf("\n0: R1")).split("\n")) {
    const resumed = /^from (\d+) to (\d+)(?: \(speculative execution\))?: (.*)$/.exec(line);
    if (resumed !== null) {
      const next = waiting.pop();
      if (next === undefined) throw new Error(`not waiting: ${line}`);
      expect([next.from, next.to], line).toEqual([Number(resumed[1]), Number(resumed[2])]);
      regs = next.regs;
      check(line, resumed[3] as string, regs);
      continue;
    }
    const walked = /^(\d+): \([0-9a-f]{2}\) [^;]*(?:; (.*))?$/.exec(line);
    if (walked === null) continue;
    const slot = Number(walked[1]);
    const step = steps.get(slot);
    if (step === undefined) continue;
    checked++;
    if ("jump" in step) regs = follow(step.jump, slot, slots.get(step.target) as number, regs, waiting);
    else {
      const { split } = step;
      const known = split !== undefined && (typeof split.src === "number" ? of(regs, split.src) : split.src).isConst;
      const ways = known ? splitSign(of(regs, split.dst)) : null;
      if (ways !== null && split !== undefined) {
        waiting.push({ from: slot, to: slot, regs: { ...regs, [split.dst]: ways[0] } });
        regs = { ...regs, [split.dst]: ways[1] };
      } else regs = { ...regs };
      step.run(regs);
    }
    // The number that nothing is known of is in r0 first.
    if (step.items.length === 1) check(line, walked[2] ?? "", regs);
  }
  expect(checked).toBeGreaterThan(REGISTERS.length);
}

/** Returns the registers where the walk goes on, and leaves the others waiting. */
function follow(
  { op, width, dst, src }: Jump,
  slot: number,
  target: number,
  regs: Numbers,
  waiting: Waiting[],
): Numbers {
  const a = of(regs, dst);
  const b = typeof src === "number" ? of(regs, src) : src;
  if (branchTaken(op, width, a, b) !== null) return { ...regs };
  const { taken, fallThrough } = refine(op, width, a, b);
  const apply = (pair: readonly [Scalar, Scalar]): Numbers =>
    typeof src === "number" ? { ...regs, [dst]: pair[0], [src]: pair[1] } : { ...regs, [dst]: pair[0] };
  waiting.push({ from: slot, to: target, regs: apply(taken) });
  return apply(fallThrough);
}

function check(line: string, printed: string, regs: Numbers): void {
  for (const [, register, text] of printed.matchAll(/R(\d+)=(.*?)(?= R\d+=|$)/g)) {
    const known = regs[Number(register)];
    if (known === undefined) continue;
    const plain = /^P?(?:scalar\((.*)\)|(.*))$/.exec((text as string).trim());
    const kernel = (plain?.[1] ?? plain?.[2] ?? "").replace(/^id=\d+(?:[+-]\d+)?,?/, "");
    expect(`R${register}=${printScalar(known)}`, line).toBe(`R${register}=${kernel}`);
  }
}
