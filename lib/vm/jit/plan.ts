/** What is found out about a function before its code is written. */
import { reversePostorder } from "../../graph/index.ts";
import type { Insn, Reg } from "../../isa/index.ts";
import { countOf, edgesOf } from "./blocks.ts";
import type { Block, Code, Fn, Placed } from "./blocks.ts";
import { countsOf } from "./counts.ts";
import type { Counts } from "./counts.ts";
import { DYNAMIC, frameOf } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { makeReducible } from "./irreducible.ts";
import { KEPT, R0, SCRATCHED, bit, isTailCall, reads } from "./effects.ts";
import { liveness } from "./registers.ts";
import type { Mask } from "./effects.ts";
import type { Liveness } from "./registers.ts";
import { windowsOf } from "./windows.ts";
import type { Windows } from "./windows.ts";

export interface Plan {
  /** Index of its function in the module. */
  readonly index: number;
  /** The program itself: its frame is zeroed by who starts it, and a tail call gets it as it is. */
  readonly main: boolean;
  readonly fn: Fn;
  /** Instructions. */
  readonly size: number;
  /** Local calls of it in the program. */
  readonly callers: number;
  readonly tailCalls: boolean;
  readonly liveness: Liveness;
  /** Registers that it reads of its caller. */
  readonly parameters: readonly Reg[];
  readonly counts: Counts;
  readonly frame: Frame;
  readonly windows: Windows;
  /** Its frame's address is used at all. */
  readonly usesFrame: boolean;
  /** r10 is used as a value. */
  readonly usesFramePointer: boolean;
  /** By the slot of a local call: the registers that the callee reads. */
  calleeReads(slot: number): Mask;
  /** After this call, memory may be elsewhere. */
  moves(placed: Placed): boolean;
}

interface Draft {
  readonly fn: Fn;
  readonly main: boolean;
  readonly order: readonly Block[];
  live: Liveness;
  moves: boolean;
}

/**
 * Plans of all functions: the program's first, then those at the slots of `entries` and those that are called. `moves`:
 * calls of the host after which memory may be elsewhere.
 */
// prettier-ignore
export function planFunctions(code: Code, entries: Iterable<number>, firstIndex: number, moves: (insn: Insn) => boolean): { readonly main: Plan; readonly others: ReadonlyMap<number, Plan> } {
  const main = draft(code, 0, true);
  const others = new Map<number, Draft>();
  const work = [...entries];
  const calledBack = work.length > 0;
  collectCalls(main.fn, work);
  for (let slot = work.pop(); slot !== undefined; slot = work.pop()) {
    if (others.has(slot)) continue;
    const made = draft(code, slot, false);
    others.set(slot, made);
    collectCalls(made.fn, work);
  }
  const calleeAt = (slot: number): Draft | undefined => others.get(calledBy(code.insnAt[slot], slot) ?? -1);
  const calleeReads = (slot: number): Mask => calleeAt(slot)?.live.atEntry ?? 0;
  const movesAt = ({ insn, slot }: Placed): boolean => insn.kind === "call" && (calleeAt(slot)?.moves ?? moves(insn));
  // Functions of the host see r1 to r5; those that call back pass all on.
  const hostSees = SCRATCHED | (calledBack ? R0 | KEPT : 0);
  const seen = ({ insn, slot }: Placed): Mask =>
    insn.kind !== "call" ? 0 : insn.target.kind === "local" ? calleeReads(slot) : hostSees;
  const drafts = [main, ...others.values()];
  for (let changed = true; changed; ) {
    changed = false;
    for (const one of drafts) {
      const live = liveness(one.fn, calleeReads);
      const moved = one.fn.blocks.some(({ insns }) => insns.some(movesAt));
      if (live.atEntry !== one.live.atEntry || moved !== one.moves) changed = true;
      one.live = live;
      one.moves = moved;
    }
  }
  // prettier-ignore
  const called = drafts.flatMap(({ fn }) => fn.blocks.flatMap(({ insns }) => insns.map(({ slot }) => calleeAt(slot))));
  const finish = (one: Draft, index: number): Plan => {
    const frame = frameOf(one.fn, one.order, one.main, seen);
    const usesFramePointer = readsFramePointer(one.fn, frame);
    return {
      index,
      main: one.main,
      fn: one.fn,
      size: one.fn.blocks.reduce((sum, block) => sum + countOf(block), 0),
      callers: called.filter((draftAt) => draftAt === one).length,
      tailCalls: one.fn.blocks.some(({ insns }) => insns.some(({ insn }) => isTailCall(insn))),
      liveness: one.live,
      parameters: registersIn(one.live.atEntry),
      counts: countsOf(one.fn),
      frame,
      windows: windowsOf(one.fn, one.order, frame, one.main, movesAt),
      usesFrame: usesFramePointer || frame.offsets.some((list) => list.some((at) => at !== DYNAMIC && !frame.slots.has(at))),
      usesFramePointer,
      calleeReads,
      moves: movesAt,
    };
  };
  let index = firstIndex;
  const first = finish(main, index++);
  return { main: first, others: new Map([...others].map(([slot, one]) => [slot, finish(one, index++)])) };
}

function draft(code: Code, slot: number, main: boolean): Draft {
  const fn = code.function(slot);
  makeReducible(fn);
  const order = reversePostorder(fn.blocks[0], (block) => edgesOf(block).map(({ to }) => to));
  return { fn, main, order, live: { atEnd: [], atEntry: 0 }, moves: false };
}

/** The slot that a local call leads to; null for other instructions. */
function calledBy(insn: Insn | undefined, slot: number): number | null {
  return insn?.kind === "call" && insn.target.kind === "local" ? slot + 1 + insn.target.delta : null;
}

function collectCalls(fn: Fn, into: number[]): void {
  for (const { insns } of fn.blocks) {
    for (const { insn, slot } of insns) {
      const called = calledBy(insn, slot);
      if (called !== null) into.push(called);
    }
  }
}

/** Whether r10 is read by anything but accesses at constant offsets from it. */
function readsFramePointer(fn: Fn, frame: Frame): boolean {
  return fn.blocks.some(({ id, insns, end }) => {
    const last = end.kind === "branch" ? reads(end.at.insn, 0) & bit(10) : 0;
    if (last !== 0) return true;
    return insns.some(({ insn }, i) => {
      if ((reads(insn, 0) & bit(10)) === 0) return false;
      const fixed = frame.offsets[id]![i] !== DYNAMIC;
      return (
        !fixed ||
        (insn.kind === "store" && "reg" in insn.src && insn.src.reg === 10) ||
        ("src" in insn && insn.src === 10)
      );
    });
  });
}

function registersIn(mask: Mask): Reg[] {
  return ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const).filter((reg) => (mask >> reg) & 1);
}
