/** What pruning remembers during one verification. Made by `newPruning`; only prune/ looks inside. */
import type { Program } from "../program/program.ts";
import type { Env } from "../env.ts";
import type { Frame, HistoryEntry, LoopVisit, Stored } from "../state/index.ts";
import { Backtrack } from "./backtrack.ts";
import { IdMap } from "./ids.ts";
import { StackLiveness } from "./stack-liveness.ts";

export interface Pruning {
  /** Lists of stored states, latest last, by a hash of slot and call site. */
  readonly lists: (Stored[] | null)[];
  /** States in lists; dropped from lists but still needed; copies kept at loops: for the peak of states. */
  listed: number;
  dropped: number;
  kept: number;
  /** Loops being walked, by number of the loop: one visit for each chain of callers. */
  readonly loops: LoopVisit[][];
  /** The history entry of the current instruction, null when it has none yet. */
  entry: HistoryEntry | null;
  readonly liveness: StackLiveness;
  /** Scratch pads of comparing and of walking back. */
  readonly ids: IdMap;
  readonly backtrack: Backtrack;
  /** Numbers are compared exactly, needed or not: set when speculation past pointer arithmetic has to be guarded against. */
  exactNumbers: boolean;
}

export function newPruning(program: Program): Pruning {
  return {
    lists: Array.from<Stored[] | null>({ length: program.insns.length }).fill(null),
    listed: 0,
    dropped: 0,
    kept: 0,
    loops: [],
    entry: null,
    liveness: new StackLiveness(program),
    ids: new IdMap(),
    backtrack: new Backtrack(),
    exactNumbers: false,
  };
}

/** Before another root is walked: states of the one before are no use. */
export function startRoot(pruning: Pruning): void {
  pruning.lists.fill(null);
  pruning.loops.length = 0;
  pruning.entry = null;
}

/** The list of states that one stored at `slot` by the current frame stands in. */
export function listOf(env: Env, slot: number): Stored[] {
  const { lists } = env.pruning;
  const { frames } = env.state;
  const { callSite } = frames[frames.length - 1] as Frame;
  return (lists[((slot ^ callSite) >>> 0) % lists.length] ??= []);
}

/** The most states ever kept at a time, counted as the kernel does. */
export function updatePeak({ pruning, counts }: Env): void {
  const states = pruning.listed + pruning.dropped + pruning.kept;
  if (states > counts.peakStates) counts.peakStates = states;
}
