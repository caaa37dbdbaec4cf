/** Memory accesses of instructions, and which instructions keep pointers pointers. */
import type { Insn, Reg } from "../../isa/index.ts";
import type { Placed } from "./blocks.ts";

/** Bytes of an array's key. */
const KEY = 4;

interface Access {
  readonly base: Reg;
  readonly off: number;
  readonly size: number;
  readonly loads: boolean;
  readonly stores: boolean;
}

/** The memory access of an instruction, null when it has none. A lookup in an array reads its key. */
export function accessOf({ insn, array }: Placed): Access | null {
  if (array !== undefined) return { base: 2, off: 0, size: KEY, loads: true, stores: false };
  switch (insn.kind) {
    case "load":
    case "load_acquire":
      return { base: insn.base, off: insn.off, size: insn.size, loads: true, stores: false };
    case "store":
    case "store_release":
      return { base: insn.base, off: insn.off, size: insn.size, loads: false, stores: true };
    case "atomic":
      return { base: insn.base, off: insn.off, size: insn.size, loads: true, stores: true };
    default:
      return null;
  }
}

/** Kinds of access as bits: loads of 1, 2, 4, 8 bytes, then stores. */
export type Kinds = number;

export function kindOf(size: number, stores: boolean): number {
  return (size === 8 ? 3 : size >> 1) + (stores ? 4 : 0);
}

/** Whether the written register's window is one that is there already: its own, or that of the source. */
export function keepsWindow(insn: Insn): insn is Extract<Insn, { kind: "alu" }> {
  if (insn.kind !== "alu" || insn.width !== 64) return false;
  return insn.op === "add" || insn.op === "sub" || (insn.op === "mov" && "reg" in insn.src);
}
