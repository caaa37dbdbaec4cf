/**
 * The path that leads to a rejection, instruction by instruction from the start: what both a walk of ours and a kernel's log can
 * tell of it.
 */
import type { Known } from "./known.ts";

export interface Step {
  readonly slot: number;
  /** Depth of the function: 0 for the program. */
  readonly frame: number;
}

export interface Trail {
  /** The last is the instruction that breaks the rule. */
  readonly steps: readonly Step[];
  /** What is known of a register of the step's frame after it; null: the step did not change that, or it is not told. */
  readonly changed: (step: number, register: number) => Known | null;
  /** The same of eight bytes of stack: slot 0 is fp-8 to fp-1. */
  readonly stackChanged: (step: number, slot: number) => Known | null;
  /** What is known of a register of the step's frame before it; null where that is not told. */
  readonly before: (step: number, register: number) => Known | null;
}

export const NO_TRAIL: Trail = { steps: [], changed: () => null, stackChanged: () => null, before: () => null };

/** The trail's beginning: `length` steps. */
export function startOf(trail: Trail, length: number): Trail {
  return {
    steps: trail.steps.slice(0, length),
    changed: (step, register) => trail.changed(step, register),
    stackChanged: (step, slot) => trail.stackChanged(step, slot),
    before: (step, register) => trail.before(step, register),
  };
}
