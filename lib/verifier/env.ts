/**
 * The walk's tool box: the program, the kernel it is meant for, the state of the path being walked, and the paths still to walk.
 * One `Env` per verification; every step takes it as first argument.
 */
import type { LoadRequest } from "./request.ts";
import type { Privileges } from "./privileges.ts";
import type { Program } from "./program/program.ts";
import type { KernelProfile } from "./profiles/index.ts";
import { Rejection, Unsupported } from "./outcome.ts";
import type { Facts } from "./outcome.ts";
import type { ReasonCode } from "./reasons/index.ts";
import type { Pruning } from "./prune/pruning.ts";
import { topFrame } from "./state/own.ts";
import type { OwnFrame, State } from "./state/state.ts";
import type { Reg } from "./state/reg.ts";
import type { Trace } from "./trace.ts";
import type { Recorder } from "./explain/recorder.ts";
import type { Speculation } from "./step/speculation.ts";
import type { WalkLog } from "./log.ts";

/** A path to be walked later: the state at `slot`, reached from `previous`. */
export interface Pending {
  readonly state: State;
  readonly slot: number;
  readonly previous: number;
  /** Length of the log when the path was left. */
  readonly logged: number;
  /** Length of the recorded path when it was left. */
  readonly recorded: number;
}

export interface Env {
  readonly request: LoadRequest;
  readonly program: Program;
  readonly profile: KernelProfile;
  readonly privileges: Privileges;
  /** Demand alignment of every access (BPF_F_STRICT_ALIGNMENT), not only of what the hardware cannot do. */
  readonly strictAlignment: boolean;
  /** Which subprogram is being verified as a root: 0, then global functions. */
  root: number;
  /** The path being walked. */
  state: State;
  /** The instruction being looked at, and the one before it on the path. */
  slot: number;
  previous: number;
  /** Last in, first out. */
  readonly pending: Pending[];
  /** Stored states and what else comparing them needs (`newPruning`). */
  readonly pruning: Pruning;
  /** The last id given out. */
  lastId: number;
  readonly counts: Counts;
  readonly log: WalkLog;
  /** Writes the log; null at level 0. */
  readonly trace: Trace | null;
  /** Remembers the path being walked, for the explanation of a rejection; null in the first walk. */
  readonly trail: Recorder | null;
  /** A number of which nothing is known. Without CAP_BPF it is precise: nothing walks backwards then. */
  readonly unknown: Reg;
  /** By size in bytes: the same as a load leaves it. */
  readonly loaded: readonly Reg[];
  /** By slot: the instruction's immediate as a register, once it was needed. */
  readonly immediates: (Reg | undefined)[];
  /** By slot: the kind of pointer that a load or store met first. */
  readonly accessed: (Reg | undefined)[];
  /** By subprogram: 1 when a call of the global function was walked, so that it has to be verified. */
  readonly called: Uint8Array;
  /** Without CAP_PERFMON: what guards against speculation, by slot. */
  readonly speculation: Speculation;
  /** Set by a kernel function that does not return (bpf_throw): the path ends with the call. */
  thrown: boolean;
  /** What the walk found that the result needs, e.g. `helper calls by slot`; modules keep their own under their name. */
  readonly notes: Map<string, unknown>;
}

export interface Counts {
  /** Instructions walked, all paths together. */
  processed: number;
  /** How often each slot was walked. */
  readonly visits: Uint32Array;
  totalStates: number;
  peakStates: number;
  maxStatesPerInsn: number;
  /** Instructions of the classes JMP and JMP32 walked (calls and exits, too); counted by prune's `startInsn`. */
  jumps: number;
  /** `processed` and `jumps` when the last state was stored (pruning heuristics). */
  previousProcessed: number;
  previousJumps: number;
}

/** The frame being executed. */
export function frameOf(env: Env): OwnFrame {
  return topFrame(env.state);
}

/** A register of the frame being executed, 0 to 10. */
export function regOf(env: Env, register: number): Reg {
  return frameOf(env).regs[register] as Reg;
}

export function setReg(env: Env, register: number, reg: Reg): void {
  frameOf(env).regs[register] = reg;
}

export function newId(env: Env): number {
  return ++env.lastId;
}

/** Ends the walk: the program breaks a rule at the current instruction. */
export function reject(env: Env, code: ReasonCode, facts: Facts = {}): never {
  throw new Rejection(code, env.slot, facts);
}

/** Ends the walk: the model does not know this. */
export function unsupported(feature: string): never {
  throw new Unsupported(feature);
}
