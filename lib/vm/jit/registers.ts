/**
 * Which registers are alive where: a subprogram is given the registers that it reads before it writes them, whatever the
 * calling convention says, because the interpreter's subprograms see them too.
 */
import { edgesOf } from "./blocks.ts";
import type { Block, Fn } from "./blocks.ts";
import { R0, bit, reads, writes } from "./effects.ts";
import type { Mask } from "./effects.ts";

/** Registers alive at the end of each block, by block id, and at the function's entry. */
export interface Liveness {
  readonly atEnd: readonly Mask[];
  readonly atEntry: Mask;
}

/** `calleeReads`: by the slot of a local call. */
export function liveness(fn: Fn, calleeReads: (slot: number) => Mask): Liveness {
  const atStart: Mask[] = fn.blocks.map(() => 0);
  const atEnd: Mask[] = fn.blocks.map(() => 0);
  for (let changed = true; changed;) {
    changed = false;
    for (let i = fn.blocks.length - 1; i >= 0; i--) {
      const block = fn.blocks[i] as Block;
      let after = 0;
      for (const { to } of edgesOf(block)) after |= atStart[to.id] ?? 0;
      atEnd[i] = after;
      let live = beforeEnd(block, after);
      for (let k = block.insns.length - 1; k >= 0; k--) {
        const { insn, slot } = block.insns[k]!;
        live = (live & ~writes(insn)) | reads(insn, calleeReads(slot));
      }
      if (live !== atStart[i]) [atStart[i], changed] = [live, true];
    }
  }
  return { atEnd, atEntry: (atStart[0] ?? 0) & ~bit(10) };
}

/** What is alive before the block's last instruction. */
function beforeEnd({ end }: Block, after: Mask): Mask {
  switch (end.kind) {
    case "branch":
      return after | reads(end.at.insn, 0);
    case "exit":
      return R0;
    // The interpreter traps there.
    case "leave":
      return 0;
    case "goto":
    case "dispatch":
      return after;
  }
}
