/**
 * Where control goes: the edges between slots, what is reached, whether it comes back; and the places that the walk marks:
 * where states are compared, where one is always stored, and where a walk backwards cannot just go one slot up.
 */
import { Rejection } from "../outcome.ts";
import type { Callee } from "./callees.ts";
import type { Flow } from "./program.ts";
import type { FunctionRange } from "./subprograms.ts";
import type { RawCode } from "./raw.ts";

/** Edges within functions. */
export type Edges = Pick<Flow, "next" | "target" | "isJump">;

export function edgesOf(raw: RawCode): Edges {
  const next = new Int32Array(raw.length).fill(-1);
  const target = new Int32Array(raw.length).fill(-1);
  const isJump = new Uint8Array(raw.length);
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    isJump[slot] = raw.isJump(slot) ? 1 : 0;
    if (raw.isExit(slot)) continue;
    if (!raw.isGoto(slot)) next[slot] = raw.after(slot);
    if (raw.isJump(slot) && !raw.isCall(slot)) target[slot] = raw.targetOf(slot);
  }
  return { next, target, isJump };
}

export interface Marks {
  readonly prunePoint: Uint8Array;
  readonly checkpoint: Uint8Array;
  readonly jumpPoint: Uint8Array;
  readonly callsCallback: Uint8Array;
  readonly iteratorNext: Uint8Array;
}

/** The marks that Linux 6.18 sets. `callees`: of helper and kernel function calls, by slot. */
export function marksOf(raw: RawCode, callees: ReadonlyMap<number, Callee>): Marks {
  const marks = {
    prunePoint: new Uint8Array(raw.length + 1),
    checkpoint: new Uint8Array(raw.length + 1),
    jumpPoint: new Uint8Array(raw.length + 1),
    callsCallback: new Uint8Array(raw.length + 1),
    iteratorNext: new Uint8Array(raw.length + 1),
  };
  const arriveAt = (slot: number): void => {
    marks.prunePoint[slot] = 1;
    marks.jumpPoint[slot] = 1;
  };
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if (raw.isCall(slot) || raw.isFunctionLoad(slot)) {
      arriveAt(raw.after(slot));
      markCallee(marks, slot, callees.get(slot));
      if (raw.isLocalCall(slot) || raw.isFunctionLoad(slot)) {
        marks.prunePoint[slot] = 1;
        arriveAt(raw.targetOf(slot));
      }
    } else if (raw.isJump(slot) && !raw.isExit(slot)) {
      arriveAt(raw.targetOf(slot));
      if (!raw.isGoto(slot)) marks.prunePoint[slot] = 1;
      if (raw.isMayGoto(slot)) marks.checkpoint[slot] = 1;
    }
  }
  return marks;
}

function markCallee(marks: Marks, slot: number, callee: Callee | undefined): void {
  if (callee === undefined) return;
  if (callee.callback !== null || callee.iteratorNext) marks.prunePoint[slot] = 1;
  if (callee.callback === "sync" || callee.iteratorNext) marks.checkpoint[slot] = 1;
  if (callee.iteratorNext) marks.iteratorNext[slot] = 1;
  if (callee.callback !== "sync") return;
  marks.callsCallback[slot] = 1;
  marks.jumpPoint[slot] = 1;
}

/** What may close a loop: nothing, jumps only, or any edge. */
export type Loops = "none" | "jumps" | "all";

/**
 * Every instruction is reached from the main function or the exception callback, and none jumps into the middle of another.
 * `loops`: which edges may lead back to where they came from: calls never, nor what falls through on older kernels.
 */
export function checkReachable(raw: RawCode, edges: Edges, functions: readonly FunctionRange[], loops: Loops): void {
  const colour = new Uint8Array(raw.length);
  visit(0);
  for (const f of functions) if (f.exceptionCallback && colour[f.start] === WHITE) visit(f.start);
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if (colour[slot] !== BLACK) throw new Rejection("unreachable_code", slot, { slot });
    if (raw.isLoadImm64(slot) && colour[slot + 1] !== WHITE) throw new Rejection("jump_into_wide_load", slot, {});
  }

  /** Depth first, with an explicit stack of slots and of the number of edges already followed. */
  function visit(root: number): void {
    const stack = [root];
    const followed = [0];
    colour[root] = GREY;
    while (stack.length > 0) {
      const slot = stack.at(-1) as number;
      const edge = followed[followed.length - 1] as number;
      if (edge === 2) {
        colour[slot] = BLACK;
        stack.pop();
        followed.pop();
        continue;
      }
      followed[followed.length - 1] = edge + 1;
      const to = edge === 0 ? (edges.next[slot] as number) : branchOf(slot);
      if (to === -1) continue;
      if (to < 0 || to >= raw.length) throw new Rejection("jump_out_of_range", slot, { slot, target: to });
      if (colour[to] === GREY && !mayClose(slot, edge)) throw new Rejection("back_edge", slot, { slot, target: to });
      if (colour[to] !== WHITE) continue;
      colour[to] = GREY;
      stack.push(to);
      followed.push(0);
    }
  }

  /** A callback may name itself: the address of a function is no call. */
  function mayClose(slot: number, edge: number): boolean {
    if (loops !== "jumps") return loops === "all";
    return (raw.isJump(slot) && !raw.isCall(slot)) || (edge === 1 && raw.isFunctionLoad(slot));
  }

  function branchOf(slot: number): number {
    return raw.isLocalCall(slot) || raw.isFunctionLoad(slot) ? raw.targetOf(slot) : (edges.target[slot] as number);
  }
}

const WHITE = 0;
const GREY = 1;
const BLACK = 2;

/** The edges the other way round. */
export function edgesBack({ next, target }: Edges): Pick<Flow, "firstBefore" | "before"> {
  const firstBefore = new Int32Array(next.length + 2);
  const count = (to: number): void => {
    if (to >= 0 && to < next.length) firstBefore[to + 2] = (firstBefore[to + 2] as number) + 1;
  };
  next.forEach(count);
  target.forEach(count);
  for (let i = 2; i < firstBefore.length; i += 1)
    firstBefore[i] = (firstBefore[i] as number) + (firstBefore[i - 1] as number);
  const before = new Int32Array(firstBefore[next.length + 1] as number);
  const note = (to: number, from: number): void => {
    if (to < 0 || to >= next.length) return;
    const at = firstBefore[to + 1] as number;
    before[at] = from;
    firstBefore[to + 1] = at + 1;
  };
  next.forEach(note);
  target.forEach(note);
  return { firstBefore, before };
}

/** Slots of a function, each after those it leads to but for loops. */
export function postorderOf(edges: Edges, start: number): Int32Array {
  const order: number[] = [];
  const seen = new Uint8Array(edges.next.length);
  seen[start] = 1;
  const stack = [start];
  const followed = [0];
  while (stack.length > 0) {
    const slot = stack.at(-1) as number;
    const edge = followed[followed.length - 1] as number;
    if (edge === 2) {
      order.push(slot);
      stack.pop();
      followed.pop();
      continue;
    }
    followed[followed.length - 1] = edge + 1;
    const to = (edge === 0 ? edges.next : edges.target)[slot] as number;
    if (to < 0 || seen[to] === 1) continue;
    seen[to] = 1;
    stack.push(to);
    followed.push(0);
  }
  return Int32Array.from(order);
}
