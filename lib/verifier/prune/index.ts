/** Which states are worth walking, and what has to be exact. */
export { visitState } from "./visit.ts";
export { startInsn, recordHistory } from "./history.ts";
export { copyState } from "./copy.ts";
export { endPath } from "./end.ts";
export { isInUnknownLoop } from "./loops.ts";
export { newPruning, startRoot } from "./pruning.ts";
export type { Pruning } from "./pruning.ts";
export { leaveFrame, markStackRead, markStackWrite } from "./stack-liveness.ts";
export { markPrecise, markSlotPrecise } from "./precision.ts";
export { previousEntry, widen } from "./widen.ts";
