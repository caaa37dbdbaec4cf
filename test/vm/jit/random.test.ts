// Random programs do the same on the JIT as on the interpreter: r0, memory, faults to the word, counts to the instruction.
// EBPF_TS_PROGRAMS sets how many; EBPF_TS_SEED repeats a run.
import { expect, test } from "vitest";
import { disassemble } from "../../../lib/asm/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import { chooseSeed, randomFrom } from "../../differential/packets.ts";
import { play } from "./compare.ts";
import { generateInsns } from "./generate.ts";

const seed = chooseSeed();
const programs = Number(process.env["EBPF_TS_PROGRAMS"] ?? 1000);
const LIMIT = 3000;

const same = (sources: readonly (readonly Insn[])[]): boolean =>
  JSON.stringify(play("jit", sources, LIMIT), replacer) ===
  JSON.stringify(play("interpreter", sources, LIMIT), replacer);

const replacer = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}n` : value);

const NOTHING: Insn = { kind: "alu", op: "mov", width: 64, dst: 0, src: { reg: 0 } };

/** The sources with as many instructions as possible replaced by one that does nothing, and still a difference. */
function smallest(sources: readonly (readonly Insn[])[]): Insn[][] {
  const best = sources.map((insns) => [...insns]);
  for (const insns of best) {
    for (let i = insns.length - 1; i >= 0; i--) {
      const kept = insns[i] as Insn;
      if (kept.kind === "load_imm64") continue;
      insns[i] = NOTHING;
      if (same(best)) insns[i] = kept;
    }
  }
  return best;
}

/** Slots that are not listed do nothing. */
const text = (insns: readonly Insn[]): string =>
  disassemble(insns)
    .filter((_, i) => insns[i] !== NOTHING)
    .map(({ slot, text: line }) => `${slot}: ${line}`)
    .join("\n");

test(`${programs} random programs (seed ${seed})`, { timeout: 60_000 + programs * 50 }, () => {
  let faults = 0;
  for (let i = 0; i < programs; i++) {
    const random = randomFrom(seed + i);
    const lengths = [8 + (random() % 40), 6 + (random() % 10)];
    const sources = lengths.map((length) => generateInsns(random, length));
    if (!same(sources)) {
      const found = smallest(sources);
      const at = `EBPF_TS_SEED=${seed + i} EBPF_TS_PROGRAMS=1\n${found.map(text).join("\n--\n")}`;
      expect(play("jit", found, LIMIT), at).toEqual(play("interpreter", found, LIMIT));
    }
    if (play("interpreter", sources, LIMIT)[0]?.fault != null) faults++;
  }
  // Neither all nor none, else the programs say little.
  expect(faults).toBeGreaterThan(programs / 10);
  expect(faults).toBeLessThan((programs * 49) / 50);
});
