/** A program made ready for the walk, and what is checked of it as a whole. */
export { analyse } from "./analyse.ts";
export { checkRemovedFunctions } from "./removed.ts";
export { checkStackDepth } from "./stack-depth.ts";
export type { Flow, Program, Subprogram } from "./program.ts";
export type { VerifierMap } from "./maps.ts";
