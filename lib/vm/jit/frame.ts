/**
 * What is known of the stack frame when a function is compiled.
 *
 * - Which accesses are at a constant offset from the frame pointer: those need no check. A forward analysis keeps for each
 *   register its offset from the frame's start when it has one on all ways.
 * - Which slots can be locals: those that are only accessed at one offset and size, in a frame whose address is used for
 *   nothing but accesses at constant offsets. Leaving stores them.
 * - Which bytes must be zero at the entry. The interpreter zeroes all 512; where the frame's address is used for nothing
 *   but such accesses, only bytes that may be read before they are written count.
 */
import type { Insn, Reg } from "../../isa/index.ts";
import { STACK_BYTES } from "../engine.ts";
import { accessOf } from "./access.ts";
import { edgesOf } from "./blocks.ts";
import type { Block, Fn, Placed } from "./blocks.ts";
import { isTailCall, writes } from "./effects.ts";
import type { Mask } from "./effects.ts";

/** No constant offset. */
export const DYNAMIC = -1;

export interface Frame {
  /** By block id and index of the instruction: the offset in the frame that a memory access goes to, or DYNAMIC. */
  readonly offsets: readonly Int32Array[];
  /** Bytes that must be zero at the entry, as a bit set (bit 0: the lowest byte of the frame). */
  readonly clear: bigint;
  /** Slots that are locals, by offset. They are not in `clear`. */
  readonly slots: ReadonlyMap<number, Slot>;
}

export interface Slot {
  readonly size: number;
  /** It may be read before it is written, and must be zero at the entry. */
  readonly zeroed: boolean;
}

/** Offsets from the frame's start by register; null: not known to have one. */
type Offsets = (number | null)[];

const ALL_BYTES = (1n << BigInt(STACK_BYTES)) - 1n;

/**
 * `main`: a tail call may lead to the function, and gives it the frame as it is. `seen`: registers that what is called at an
 * instruction may look at.
 */
// prettier-ignore
export function frameOf(fn: Fn, order: readonly Block[], main: boolean, seen: (placed: Placed) => Mask): Frame {
  const offsets = fn.blocks.map(({ insns }) => new Int32Array(insns.length).fill(DYNAMIC));
  const entry: Offsets = Array.from({ length: 11 }, () => null);
  entry[10] = STACK_BYTES;
  const starts: (Offsets | undefined)[] = fn.blocks.map(() => undefined);
  starts[0] = entry;
  let escapes = false;
  for (let changed = true; changed;) {
    changed = false;
    for (const block of order) {
      const start = starts[block.id];
      if (start === undefined) continue;
      const known = [...start];
      escapes = walk(block, known, offsets[block.id]!, seen) || escapes;
      for (const { to } of edgesOf(block)) {
        const joined = join(starts[to.id], known);
        if (joined.lost) escapes = true;
        if (joined.offsets === starts[to.id]) continue;
        starts[to.id] = joined.offsets;
        changed = true;
      }
    }
  }
  if (escapes) return { offsets, clear: ALL_BYTES, slots: new Map() };
  const clear = readFirst(fn, order, offsets);
  const slots = slotsOf(fn, offsets, clear, main);
  return {
    offsets,
    clear: [...slots].reduce((bytes, [offset, { size }]) => bytes & ~bytesAt(offset, size), clear),
    slots,
  };
}

function bytesAt(offset: number, size: number): bigint {
  return ((1n << BigInt(size)) - 1n) << BigInt(offset);
}

function slotsOf(fn: Fn, offsets: readonly Int32Array[], clear: bigint, main: boolean): Map<number, Slot> {
  const sizes = new Map<number, number>();
  const spoiled = new Set<number>();
  for (const { id, insns } of fn.blocks) {
    insns.forEach((placed, i) => {
      const offset = offsets[id]![i]!;
      const access = offset === DYNAMIC ? null : accessOf(placed);
      if (access === null) return;
      const { size } = access;
      if ((sizes.get(offset) ?? size) !== size || placed.insn.kind === "atomic") spoiled.add(offset);
      sizes.set(offset, Math.max(size, sizes.get(offset) ?? 0));
    });
  }
  const slots = new Map<number, Slot>();
  for (const [offset, size] of sizes) {
    const zeroed = (clear & bytesAt(offset, size)) !== 0n;
    const overlaps = [...sizes].some(([at, length]) => at !== offset && at < offset + size && offset < at + length);
    if (!spoiled.has(offset) && !overlaps && !(main && zeroed)) slots.set(offset, { size, zeroed });
  }
  return slots;
}

/** What holds whichever way one came; `lost`: a register that had an offset has none any more. */
function join(a: Offsets | undefined, b: Offsets): { offsets: Offsets; lost: boolean } {
  if (a === undefined) return { offsets: [...b], lost: false };
  if (a.every((offset, reg) => offset === b[reg])) return { offsets: a, lost: false };
  // prettier-ignore
  const lost = a.some((offset, reg) => offset !== b[reg]);
  const offsets = a.map((offset, reg) => (offset === b[reg] ? offset : null));
  return { offsets: offsets.every((offset, reg) => offset === a[reg]) ? a : offsets, lost };
}

/** Brings `known` through a block and notes accesses; true when the frame's address gets out of sight. */
function walk({ insns, end }: Block, known: Offsets, offsets: Int32Array, seen: (placed: Placed) => Mask): boolean {
  let escapes = false;
  insns.forEach((placed, i) => {
    const { insn } = placed;
    const access = accessOf(placed);
    const at = access === null ? null : (known[access.base] ?? null);
    offsets[i] = DYNAMIC;
    if (access !== null && at !== null) {
      const offset = at + access.off;
      if (offset >= 0 && offset + access.size <= STACK_BYTES) offsets[i] = offset;
      else escapes = true;
    }
    escapes = escapes || (placed.array === undefined && leaks(insn, known, seen(placed)));
    const moved = movedFrom(insn, known);
    const written = writes(insn);
    for (let reg = 0; reg < 10; reg++) if ((written >> reg) & 1) known[reg] = null;
    if (moved !== null && "dst" in insn) known[insn.dst] = moved;
  });
  return escapes || (end.kind === "exit" && known[0] !== null);
}

/** The offset that the written register has, null for none. */
function movedFrom(insn: Insn, known: Offsets): number | null {
  if (insn.kind !== "alu" || insn.width !== 64) return null;
  if (insn.op === "mov" && "reg" in insn.src) return known[insn.src.reg] ?? null;
  if ((insn.op !== "add" && insn.op !== "sub") || !("imm" in insn.src)) return null;
  const from = known[insn.dst] ?? null;
  return from === null ? null : from + (insn.op === "add" ? insn.src.imm : -insn.src.imm);
}

/** Whether the instruction uses the frame's address for anything but accesses and constant offsets. */
function leaks(insn: Insn, known: Offsets, seen: Mask): boolean {
  const held = (reg: Reg): boolean => known[reg] !== null;
  switch (insn.kind) {
    case "alu": {
      const uses = "reg" in insn.src && held(insn.src.reg);
      if (insn.op === "mov") return uses && insn.width !== 64;
      return uses || (held(insn.dst) && movedFrom(insn, known) === null);
    }
    case "movsx":
    case "addr_space_cast":
      return held(insn.src);
    case "neg":
    case "swap":
      return held(insn.dst);
    case "store":
      return "reg" in insn.src && held(insn.src.reg);
    case "store_release":
    case "atomic":
      return held(insn.src) || (insn.kind === "atomic" && insn.op === "cmpxchg" && held(0));
    case "call":
      // A program that is called by a tail call has this frame.
      return isTailCall(insn) || known.some((offset, reg) => offset !== null && ((seen >> reg) & 1) !== 0);
    case "load":
    case "load_acquire":
    case "load_imm64":
    case "load_packet":
    case "jump":
    case "jump_if":
    case "may_goto":
    case "exit":
      return false;
  }
}

/** Bytes that may be read before they are written. */
function readFirst(fn: Fn, order: readonly Block[], offsets: readonly Int32Array[]): bigint {
  const written: (bigint | undefined)[] = fn.blocks.map(() => undefined);
  written[0] = 0n;
  let clear = 0n;
  for (let changed = true; changed;) {
    changed = false;
    clear = 0n;
    for (const block of order) {
      let done = written[block.id] ?? 0n;
      block.insns.forEach((placed, i) => {
        const offset = offsets[block.id]![i]!;
        const access = offset === DYNAMIC ? null : accessOf(placed);
        if (access === null) return;
        const bytes = bytesAt(offset, access.size);
        if (access.loads) clear |= bytes & ~done;
        if (access.stores) done |= bytes;
      });
      for (const { to } of edgesOf(block)) {
        const before = written[to.id];
        const joined = before === undefined ? done : before & done;
        if (joined === before) continue;
        written[to.id] = joined;
        changed = true;
      }
    }
  }
  return clear;
}
