/** Which states are worth walking, and what has to be exact. OWNER: prune. */
import type { Env } from "../env.ts";
import type { Linked, State } from "../state/state.ts";

/**
 * At a prune point, before the instruction is walked: "pruned" when an explored state covers this one; else the state is stored
 * when that is worth it (`env.state.parent` moves on) and the walk goes on. Rejects endless loops.
 */
export declare function visitState(env: Env): "pruned" | "walk";
/** The current instruction has to be known to walks backwards (jump points, stack accesses through pointers, linked scalars). */
export declare function recordHistory(
  env: Env,
  entry?: { stack?: { frame: number; slot: number }; linked?: readonly Linked[] },
): void;
/** The bounds of a register of the current frame matter: it, and what it was made of, is precise in all parent states. */
export declare function markPrecise(env: Env, register: number): void;
/** The path is at its end: its states have one branch less to explore. */
export declare function endPath(env: Env, state: State | null): void;
/** A copy to walk another branch with. */
export declare function copyState(state: State): State;

/** Liveness of stack slots (slot numbers as in `Frame.slots`): the current instruction may read / surely writes all of the slot. */
export declare function markStackRead(env: Env, frame: number, slot: number): void;
export declare function markStackWrite(env: Env, frame: number, slot: number): void;
