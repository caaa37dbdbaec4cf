/**
 * The seam between a machine and what executes its programs: an engine takes a linked program and what the program refers
 * to, and gives something that runs. Engines differ in speed, never in what can be observed: return values, memory, maps,
 * faults and counts are the same. What they must agree on:
 *
 * - **Counting.** Every executed instruction counts one, a 64-bit load too, and so does the one that faults. Callbacks count
 *   to the run that they are called in; a run within a run (a helper caused an event) has a count of its own.
 * - **The limit** is looked at in few places: when a jump backwards is taken (to its own slot or an earlier one, conditional
 *   or not), at a local call, a tail call that is taken, and a callback. With that instruction counted, a count over the
 *   limit is a fault `budget` at it. A callback's is at the call of the helper that calls back. Other reasons to fault
 *   (no such slot, too many frames) come after this one; for a jump to where nothing starts there is no look.
 * - **Registers.** At the start r1 and r2 are the arguments and the others 0. After a call r1 to r5 hold `SCRATCH`.
 * - **Frames.** Each has `STACK_BYTES` bytes of stack, zero when it is entered (stack.ts); a tail call keeps its frame, a
 *   callback gets one. A run within a run has stacks of its own.
 * - **Functions** have addresses (`FUNCTION_BASE` and up) in the order of `prepare`, see functions.ts.
 */
import { HELPER_NAMES, LIMITS } from "../kernel/index.ts";
import type { LinkedProgram } from "../object/index.ts";
import type { Insn, LoadImm64 } from "../isa/index.ts";
import { Trap, Unwinding, sourceOf } from "./fault.ts";
import type { Fault, FaultKind } from "./fault.ts";
import type { Watched } from "./observer.ts";
import { originOf } from "./origin.ts";

/** `interpreter`: the reference, which can be watched step by step. `jit`: compiles to WebAssembly. */
export type EngineName = "interpreter" | "jit";

/** What a helper gets: r1 to r5. Gives r0. */
export type HelperFunction = (r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint) => bigint;

/** What an engine needs of a program. */
export type EngineProgram = Pick<LinkedProgram, "name" | "lines"> & { readonly insns: readonly Insn[] };

/** Bytes of stack of each frame. The kernel allows 512 for all frames of a chain together; its verifier holds that. */
export const STACK_BYTES = LIMITS.stackBytes;

/** What r1 to r5 hold after a call, which may change them: no address, and easy to recognise. */
export const SCRATCH = 0xdead_beef_dead_beefn;

/** What the code refers to outside itself. `E`: what the engine's programs are. */
export interface Linkage<E extends Executable = Executable> {
  /** The helper of a number, null when this machine does not have it. */
  helper(id: number): HelperFunction | null;
  /** The kernel function that the call at a slot names by BTF id, null when this machine does not have it. */
  kfunc(btfId: number, slot: number): HelperFunction | null;
  /** What a 64-bit load of a map (or other pseudo value but `func`) at a slot gives; null when it means nothing here. */
  pseudo(insn: LoadImm64, slot: number): bigint | null;
  /** The program that a tail call continues in; null when there is none and the program goes on. */
  tailCall(map: bigint, index: bigint): E | null;
  /** The array map that `pseudo` gave this value for: what map_lookup_elem finds in it. Null for anything else. */
  arrayAt(map: bigint): ArrayLayout | null;
  /** A legacy packet load; null leaves the function with r0 = 0, as the kernel does for bytes that are not there. */
  loadPacket(offset: number, size: 1 | 2 | 4, context: bigint): bigint | null;
}

/** The values of an array map that all CPUs share: `entries` of them, each `size` bytes, `stride` bytes apart. */
export interface ArrayLayout {
  /** Address of the first. */
  readonly start: number;
  readonly entries: number;
  readonly size: number;
  readonly stride: number;
  /** Programs may store to them. */
  readonly writable: boolean;
}

/** A program ready to run. */
export interface Executable extends Watched {
  /** Runs from the first slot with these arguments until the program ends, faults, or exceeds `limit` instructions. */
  run(r1: bigint, r2: bigint, limit: number): Execution;
  /** Runs `count` times, one after the other, with arguments from a ring. Stops at the first fault. */
  runBatch(ring: Ring, count: number, limit: number): BatchExecution;
}

/** Arguments and results of many runs: run i uses entry i modulo the length, a power of two up to `RING`. */
export interface Ring {
  /** r1 and r2 of each entry, in turn. */
  readonly args: Uint32Array;
  /** r0 of each entry; at the fault the entry is left as it was. */
  readonly results: BigUint64Array;
}

/** Most entries of a ring. */
export const RING = 2048;

/** How a batch ended. */
export interface BatchExecution {
  /** Runs that ended without a fault. */
  readonly done: number;
  /** Instructions executed in all of them, and in the one that faulted. */
  readonly instructions: number;
  readonly fault: Fault | null;
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
  /** Which run of the batch is going on, from 0. */
  readonly batchIndex: number;
  /** All programs that tail-call each other must be of one engine. */
  prepare(program: EngineProgram, linkage: Linkage): Executable;
  /**
   * For helpers that take a function: calls the function at this address in a new frame of the run that is going on, and
   * gives r0. What goes wrong in it is thrown, and ends the run; helpers let it pass.
   */
  call(address: bigint, ...args: CallArguments): bigint;
  /** Calls a function when no run is going on, or apart from it (a timer that expires): a run of its own. */
  run(address: bigint, args: CallArguments, limit: number): Execution;
}

/** r1 to r5. */
export type CallArguments = [r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint];

/** A trap and where it was as a fault; anything else is a defect of the machine and goes on. */
export function faultOf(error: unknown, code: Watched, slot: number): Fault {
  if (error instanceof Unwinding) return error.fault;
  if (!(error instanceof Trap)) throw error;
  const origin = originOf(code, slot);
  return {
    kind: error.kind,
    message: `${accessor(error.kind, code, slot)}${error.message}`,
    slot,
    program: code.name,
    source: sourceOf(code, slot),
    origin: origin === null ? null : { ...origin, source: sourceOf(code, origin.slot) },
  };
}

/** Whose access to memory it was, when it was not the instruction's own: `map_lookup_elem: `. */
function accessor(kind: FaultKind, code: Watched, slot: number): string {
  const insn = code.insnAt(slot);
  const isAccess = kind === "memory" || kind === "null" || kind === "read_only";
  if (!isAccess || insn?.kind !== "call" || insn.target.kind !== "helper") return "";
  return `${HELPER_NAMES[insn.target.id] ?? `helper ${insn.target.id}`}: `;
}

/** The fault of a run that executed more instructions than it may. */
export function overLimit(limit: number): Trap {
  return new Trap("budget", `the program did not end within ${limit} instructions`);
}

/** The fault of a chain of calls and callbacks that is too long. */
export function tooDeep(): Trap {
  return new Trap("call_depth", `a call chain of more than ${LIMITS.callFrames} frames`);
}
