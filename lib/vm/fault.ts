/**
 * A fault: a program did what the kernel's verifier exists to prevent. It ends the run and is data in its result.
 *
 * Deep in the interpreter it travels as a thrown `Trap`, which knows only what went wrong; the interpreter adds where.
 */
import type { SourceLine } from "../object/index.ts";
import type { Origin } from "./origin.ts";

/**
 *   memory        access outside every region, or across the end of one
 *   null          access through (nearly) zero: a lookup's result that was not checked
 *   read_only     store to memory that programs may not write
 *   jump          to a slot that is not the start of an instruction, or past the end of the program
 *   register      store to the frame pointer
 *   helper        a helper that is unknown, not simulated, or not available at this hook
 *   argument      a helper's argument is not what it takes (say, no map)
 *   call_depth    more than 8 frames
 *   budget        more instructions than the run may execute
 *   leak          a ring buffer record neither submitted nor discarded
 *   unsupported   an instruction that this machine does not execute
 */
// prettier-ignore
export type FaultKind =
  | "memory" | "null" | "read_only" | "jump" | "register" | "helper" | "argument" | "call_depth" | "budget" | "leak"
  | "unsupported";

export interface Fault {
  readonly kind: FaultKind;
  /** For instance "read of 4 bytes, 3 bytes past the end of packet (offset 63 of 64 bytes)". */
  readonly message: string;
  /** Slot of the instruction in its program, and the program's name (a tail call may have changed it). */
  readonly slot: number;
  readonly program: string;
  /** The source line of that slot where the program has lines. */
  readonly source: SourceLine | null;
  /** Where the pointer of a bad access came from, as far as that is plain. */
  readonly origin: Origin | null;
}

/** The source line that an instruction came from; null where the program has none. */
export function sourceOf(code: { readonly lines: readonly SourceLine[] }, slot: number): SourceLine | null {
  return code.lines.findLast((line) => line.slot <= slot) ?? null;
}

/** Thrown inside the machine, never out of it. */
export class Trap extends Error {
  readonly kind: FaultKind;
  constructor(kind: FaultKind, message: string) {
    super(message);
    this.name = "Trap";
    this.kind = kind;
  }
}

/** Thrown inside the machine when the place is known already: a fault on its way out of a callback, through its helper. */
export class Unwinding extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.name = "Unwinding";
    this.fault = fault;
  }
}

/** The fault as a person reads it: `filter.ts:41:9: read of 4 bytes, …; r2 comes from … at filter.ts:38:3`. */
export function formatFault(fault: Fault): string {
  return `${placeText(fault.source, `${fault.program}, slot ${fault.slot}`)}: ${explainFault(fault)}`;
}

/** As `formatFault`, without the fault's own place. */
export function explainFault({ message, origin }: Fault): string {
  return origin === null ? message : `${message}; ${origin.text} at ${placeText(origin.source, `slot ${origin.slot}`)}`;
}

function placeText(source: SourceLine | null, otherwise: string): string {
  return source === null ? otherwise : `${source.file}:${source.line}:${source.column}`;
}
