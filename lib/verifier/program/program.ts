/**
 * A program made ready for the walk: decoded instructions, and all that can be known without walking.
 * `analyse` (program/analyse.ts) makes it, or throws a Rejection.
 */
import type { Rejection } from "../outcome.ts";
import type { Insn } from "../../isa/index.ts";
import type { TypeId } from "../../btf/index.ts";
import type { VerifierMap } from "./maps.ts";

export interface Subprogram {
  readonly index: number;
  readonly name: string;
  /** Slots: first, and behind the last. */
  readonly start: number;
  readonly end: number;
  /** The `func` type in the request's BTF, or 0. */
  readonly type: TypeId;
  /** A global function is verified by itself, once. Subprogram 0 counts as static unless its linkage is global. */
  readonly global: boolean;
  /** Used as a callback by some helper or kernel function; async: by a timer or workqueue. */
  callback: boolean;
  asyncCallback: boolean;
  exceptionCallback: boolean;
  readonly hasTailCall: boolean;
  /** Loads by absolute or indirect packet offset. */
  readonly hasPacketLoads: boolean;
  /** It, or something it calls, moves the packet / may sleep / throws. */
  readonly changesPacket: boolean;
  readonly mightSleep: boolean;
  readonly mightThrow: boolean;
  /** Bytes of stack used, known after the walk (grows while walking). */
  stackDepth: number;
}

/** Where control goes within a function (calls come back). Slots, -1 for none. */
export interface Flow {
  /** The next instruction when it does not jump. */
  readonly next: Int32Array;
  /** Where a jump goes when taken. */
  readonly target: Int32Array;
  /** 1 for instructions of the classes JMP and JMP32: jumps, calls, exit. */
  readonly isJump: Uint8Array;
  /** What leads to slot `s` within its function: `before` from `firstBefore[s]` to before `firstBefore[s + 1]`. */
  readonly firstBefore: Int32Array;
  readonly before: Int32Array;
  /** Slots of each subprogram in postorder. */
  readonly postorder: readonly Int32Array[];
}

export interface Program {
  /** By slot; null at the second slot of a 64-bit immediate load, and where `badEncodings` says what is wrong. */
  readonly insns: readonly (Insn | null)[];
  /**
   * What is wrong with an instruction of a known opcode, by slot: reserved fields, register numbers. The kernel looks at these
   * only when a path gets there: whoever walks a slot whose insn is null throws this.
   */
  readonly badEncodings: ReadonlyMap<number, Rejection>;
  readonly flow: Flow;
  readonly subprograms: readonly Subprogram[];
  /** Index of the subprogram of each slot. */
  readonly subprogramOf: Int32Array;
  readonly maps: readonly VerifierMap[];
  /** 1 where states are compared and may be stored. */
  readonly prunePoint: Uint8Array;
  /** 1 where a state is always stored. */
  readonly checkpoint: Uint8Array;
  /** 1 where a walk backwards has to know where the path came from. */
  readonly jumpPoint: Uint8Array;
  /** 1 at calls that run a callback synchronously. */
  readonly callsCallback: Uint8Array;
  /** 1 at calls that take an iterator a step further. */
  readonly iteratorNext: Uint8Array;
  /** 1 for instructions that may write to the stack: stores, atomics, calls of helpers and kernel functions. */
  readonly mayWriteStack: Uint8Array;
  /** Bit r: register r is read before it is written on some path from here (within the function). */
  readonly liveRegisters: Uint16Array;
  /** Number of the strongly connected component (loop) of each slot, 0: in none. */
  readonly loop: Int32Array;
}
