/** Which registers are live: read later before they are written. Backward dataflow over bit sets. */
import {
  copySource,
  effectsOf,
  FRAME_POINTER,
  machineSuccessors,
  terminatorUses,
  type Effects,
  type MachineReg,
} from "../lower/mir.ts";
import type { AllocatedBlock, Item } from "./allocation.ts";

export class BitSet {
  readonly words: Uint32Array;

  constructor(size: number, words = new Uint32Array((size + 31) >>> 5)) {
    this.words = words;
  }

  has(i: number): boolean {
    return (((this.words[i >>> 5] as number) >>> (i & 31)) & 1) === 1;
  }

  add(i: number): void {
    (this.words[i >>> 5] as number) |= 1 << (i & 31);
  }

  delete(i: number): void {
    (this.words[i >>> 5] as number) &= ~(1 << (i & 31));
  }

  copy(): BitSet {
    return new BitSet(0, this.words.slice());
  }

  /** Adds all of `other`; true when something was new. */
  union(other: BitSet): boolean {
    let changed = false;
    for (let i = 0; i < this.words.length; i++) {
      const before = this.words[i] as number;
      const after = (before | (other.words[i] as number)) >>> 0;
      if (after === before) continue;
      this.words[i] = after;
      changed = true;
    }
    return changed;
  }

  forEach(visit: (i: number) => void): void {
    for (let w = 0; w < this.words.length; w++) {
      for (let bits = this.words[w] as number; bits !== 0; bits &= bits - 1) {
        visit(w * 32 + 31 - Math.clz32(bits & -bits));
      }
    }
  }
}

const NONE: readonly MachineReg[] = [];

/** Registers that an item reads and writes. */
export function itemEffects(item: Item): Effects {
  switch (item.kind) {
    case "original":
      return effectsOf({ ...item.from, body: item.body });
    case "spill":
      return { uses: [item.reg], defs: NONE, clobbers: NONE };
    case "reload":
      return { uses: NONE, defs: [item.reg], clobbers: NONE };
    case "remake":
      return effectsOf({ ...item.from, body: item.body });
    case "move":
      return { uses: [item.reg], defs: [item.to], clobbers: NONE };
    case "elided":
      return { uses: NONE, defs: NONE, clobbers: NONE };
  }
}

/** The source of an item that only copies a register, or null. */
export function itemCopySource(item: Item): MachineReg | null {
  return item.kind === "original" ? copySource(item.body) : null;
}

/** Live registers at the end of each block, before its terminator reads: block by block. */
export function liveAtEnd(blocks: readonly AllocatedBlock[], registerEnd: number): BitSet[] {
  const index = new Map(blocks.map((b, i) => [b.from, i]));
  const next = blocks.map((b) => machineSuccessors(b.from).map((s) => index.get(s) as number));
  const start = blocks.map(() => new BitSet(registerEnd));
  const end = blocks.map(() => new BitSet(registerEnd));
  const summaries = blocks.map((b) => summarise(b, registerEnd));
  for (let changed = true; changed;) {
    changed = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      const out = end[i] as BitSet;
      for (const s of next[i] as number[]) out.union(start[s] as BitSet);
      changed = transfer(start[i] as BitSet, out, summaries[i] as Summary) || changed;
    }
  }
  return end;
}

/** Read before written, and written, in a block. */
interface Summary {
  readonly reads: BitSet;
  readonly writes: BitSet;
}

function summarise(block: AllocatedBlock, registerEnd: number): Summary {
  const reads = new BitSet(registerEnd);
  const writes = new BitSet(registerEnd);
  for (const reg of terminatorUses(block.terminator)) reads.add(reg);
  for (const item of block.items.toReversed()) {
    const { uses, defs, clobbers } = itemEffects(item);
    for (const reg of [...defs, ...clobbers]) {
      reads.delete(reg);
      writes.add(reg);
    }
    for (const reg of uses) if (reg !== FRAME_POINTER) reads.add(reg);
  }
  return { reads, writes };
}

/** start = reads + (end - writes); true when it grew. */
function transfer(start: BitSet, end: BitSet, { reads, writes }: Summary): boolean {
  const through = end.copy();
  for (let i = 0; i < through.words.length; i++) {
    through.words[i] = ((through.words[i] as number) & ~(writes.words[i] as number)) | (reads.words[i] as number);
  }
  return start.union(through);
}
