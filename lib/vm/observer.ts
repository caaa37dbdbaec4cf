/**
 * Watching the interpreter: an observer is told of every instruction before and after it is executed. A machine without
 * one pays nothing for the possibility.
 */
import type { Insn } from "../isa/index.ts";
import type { SourceLine } from "../object/index.ts";

/** A program as observers see it; the same object for the same program of a machine. */
export interface Watched {
  readonly name: string;
  readonly lines: readonly SourceLine[];
  /** The instruction that starts at a slot; null where none does (reaching it is a fault). */
  insnAt(slot: number): Insn | null;
}

/** An instruction of a run. */
export interface Moment {
  readonly code: Watched;
  readonly slot: number;
  readonly insn: Insn | null;
  /** Frames above the current one: 0 in the main function. Callbacks count, runs within runs start at 0. */
  readonly depth: number;
  /** r0 to r10, unsigned; the live ones, so copy what is to be kept. */
  readonly registers: ArrayLike<bigint>;
}

export interface Observer {
  /** The instruction is about to be executed. */
  before?(moment: Moment): void;
  /** It was executed, and `next` is the slot that comes next; -1 when it left the main function or a callback. Not called after a fault. */
  after?(moment: Moment, next: number): void;
}
