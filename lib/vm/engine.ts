/**
 * The seam between a machine and what executes its programs: an engine takes a linked program and what the program refers
 * to, and gives something that runs. Engines differ in speed, never in what can be observed: return values, memory, maps,
 * faults and counts are the same.
 */
import type { LinkedProgram, SourceLine } from "../object/index.ts";
import type { Insn, LoadImm64 } from "../isa/index.ts";
import { Trap } from "./fault.ts";
import type { Fault } from "./fault.ts";

/** `interpreter`: the reference, which can be watched step by step. */
export type EngineName = "interpreter";

/** What a helper gets: r1 to r5. Gives r0. */
export type HelperFunction = (r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint) => bigint;

/** What an engine needs of a program. */
export type EngineProgram = Pick<LinkedProgram, "name" | "lines"> & { readonly insns: readonly Insn[] };

/** What the code refers to outside itself. `E`: what the engine's programs are. */
export interface Linkage<E extends Executable = Executable> {
  /** The helper of a number, null when this machine does not have it. */
  helper(id: number): HelperFunction | null;
  /** What a 64-bit load of a map (or other pseudo value) at a slot gives; null when it means nothing here. */
  pseudo(insn: LoadImm64, slot: number): bigint | null;
  /** The program that a tail call continues in; null when there is none and the program goes on. */
  tailCall(map: bigint, index: bigint): E | null;
  /** A legacy packet load; null leaves the function with r0 = 0, as the kernel does for bytes that are not there. */
  loadPacket(offset: number, size: 1 | 2 | 4, context: bigint): bigint | null;
}

/** A program ready to run. */
export interface Executable {
  readonly name: string;
  readonly lines: readonly SourceLine[];
  /** Runs from the first slot with these arguments until the program ends, faults, or has executed `limit` instructions. */
  run(r1: bigint, r2: bigint, limit: number): Execution;
}

/** How a run ended. `r0` (0..2^64-1) is meaningless after a fault. */
export interface Execution {
  readonly r0: bigint;
  /** Instructions executed. */
  readonly instructions: number;
  readonly fault: Fault | null;
}

export interface Engine {
  readonly name: EngineName;
  /** All programs that tail-call each other must be of one engine. */
  prepare(program: EngineProgram, linkage: Linkage): Executable;
}

/** A trap and where it was as a fault; anything else is a defect of the machine and goes on. */
export function faultOf(error: unknown, code: Pick<Executable, "name" | "lines">, slot: number): Fault {
  if (!(error instanceof Trap)) throw error;
  const source = code.lines.findLast((line) => line.slot <= slot) ?? null;
  return { kind: error.kind, message: error.message, slot, program: code.name, source };
}
