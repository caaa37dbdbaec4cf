/** Which states are worth walking, and what has to be exact. */
import type { Env } from "../env.ts";

export { visitState } from "./visit.ts";
export { startInsn, recordHistory } from "./history.ts";
export { copyState } from "./copy.ts";
export { endPath } from "./end.ts";
export { newPruning, startRoot } from "./pruning.ts";
export type { Pruning } from "./pruning.ts";
export { leaveFrame, markStackRead, markStackWrite } from "./stack-liveness.ts";
/** The bounds of a register of the current frame matter: it, and what it was made of, is precise in all parent states. */
export function markPrecise(_env: Env, _register: number): void {}
