// Reads golden.txt: one instruction of every row of the table with its bytes and its text.
import { readFileSync } from "node:fs";
import type { Insn } from "../../lib/isa/index.ts";

export interface Golden {
  readonly bytes: Uint8Array;
  /** Who wrote the text: "kernel", "bpftool" or "own". */
  readonly source: string;
  readonly text: string;
  readonly insn: Insn;
}

export const GOLDEN: readonly Golden[] = readFileSync(new URL("golden.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    // A text may have `|` of its own (`r3 |= r4`), without spaces on both sides.
    const [hex, source, text, json] = line.split(" | ").map((cell) => cell.trim()) as [string, string, string, string];
    const insn = JSON.parse(json, (key, value: unknown) =>
      key === "imm" && typeof value === "string" ? BigInt(value) : value,
    ) as Insn;
    return { bytes: Uint8Array.from(Buffer.from(hex, "hex")), source, text, insn };
  });
