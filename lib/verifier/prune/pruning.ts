/** What pruning remembers during one verification. Made by `newPruning`; only prune/ looks inside. */
import type { Program } from "../program/program.ts";
import type { HistoryEntry, State, Stored } from "../state/index.ts";
import { StackLiveness } from "./stack-liveness.ts";

export interface Pruning {
  /** Lists of stored states, latest last, by a hash of slot and call site. */
  readonly lists: Stored[][];
  /** States in lists; dropped from lists but still needed; copies kept at loops: for the peak of states. */
  listed: number;
  dropped: number;
  kept: number;
  /** Loops being walked, by number of the loop: one visit for each chain of callers. */
  readonly loops: LoopVisit[][];
  /** The history entry of the current instruction, null when it has none yet. */
  entry: HistoryEntry | null;
  readonly liveness: StackLiveness;
}

/** A loop as walked from one chain of callers, from the first state stored in it until all paths from there are explored. */
export interface LoopVisit {
  readonly loop: number;
  /** Call sites that lead to the frame that the loop is in. */
  readonly callers: readonly number[];
  /** The first stored state; null when all was explored. */
  entry: State | null;
  /** Ends of turns: states that were found equal to one (`equal`) whose marks were not complete yet. */
  backEdges: readonly BackEdge[];
}

export interface BackEdge {
  readonly state: State;
  readonly equal: State;
}

export function newPruning(program: Program): Pruning {
  return {
    lists: emptyLists(program),
    listed: 0,
    dropped: 0,
    kept: 0,
    loops: [],
    entry: null,
    liveness: new StackLiveness(program),
  };
}

/** Before another root is walked: states of the one before are no use. */
export function startRoot(pruning: Pruning): void {
  for (const list of pruning.lists) list.length = 0;
  pruning.loops.length = 0;
  pruning.entry = null;
}

function emptyLists(program: Program): Stored[][] {
  return program.insns.map(() => []);
}
