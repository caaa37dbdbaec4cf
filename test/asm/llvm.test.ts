// An independent decoder as oracle: what llvm-mc reads in our bytes is what the text assembler makes of its text.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Insn } from "../../lib/isa/index.ts";
import { encode, exit, parse, textOf } from "../../lib/asm/index.ts";
import { GOLDEN } from "./golden.ts";

/** llvm-mc's text of each instruction, in its own notation; null when the tool is not there. */
function llvmTexts(insns: readonly Insn[]): string[] | null {
  // It drops what it does not know, so an `exit` after each instruction keeps them apart.
  const bytes = insns.flatMap((insn) => [...encode([insn, exit()])]);
  const input = bytes.map((byte) => `0x${byte.toString(16)}`).join(" ");
  try {
    const output = execFileSync("llvm-mc", ["-triple=bpfel", "--disassemble"], {
      input,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const lines = output
      .toString()
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && line !== ".text");
    return lines
      .join("\n")
      .split(/\n?^exit$\n?/m)
      .slice(0, -1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

// LLVM 14 (2022) knows ISA v3 without immediate stores and remainders; it prints fetching atomics in a notation of its own.
const KNOWN: Partial<Record<Insn["kind"], (insn: Insn) => boolean>> = {
  alu: (insn) => insn.kind === "alu" && !["sdiv", "smod", "mod"].includes(insn.op),
  swap: (insn) => insn.kind === "swap" && insn.op !== "bswap",
  neg: () => true,
  load: (insn) => insn.kind === "load" && !insn.signed,
  store: (insn) => insn.kind === "store" && "reg" in insn.src,
  atomic: (insn) => insn.kind === "atomic" && insn.size === 8 && !/fetch|xchg/.test(insn.op),
  load_imm64: (insn) => insn.kind === "load_imm64" && insn.pseudo === "none",
  load_packet: (insn) => insn.kind === "load_packet" && insn.src === null,
  jump: (insn) => insn.kind === "jump" && !insn.long,
  jump_if: (insn) => insn.kind === "jump_if" && insn.op !== "set",
  call: (insn) => insn.kind === "call" && insn.target.kind === "helper",
};

test("llvm-mc reads the same instructions", (context) => {
  const insns = GOLDEN.map((g) => g.insn).filter((insn) => KNOWN[insn.kind]?.(insn) ?? false);
  const texts = llvmTexts(insns);
  if (texts === null) return context.skip("llvm-mc is not installed");
  expect(texts.length).toBe(insns.length);
  expect(insns.length).toBeGreaterThan(100);
  for (const [i, insn] of insns.entries())
    expect(parse(texts[i] ?? ""), `${textOf(insn)} / ${texts[i]}`).toEqual([insn]);
});
