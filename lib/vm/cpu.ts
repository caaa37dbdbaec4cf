/**
 * The state of a running program: registers, frames, and the code that is being executed.
 *
 * A program is decoded once into `Code`: one closure (`Step`) for each slot. A step does its instruction and returns the
 * slot that comes next, or DONE. A local call pushes a frame and returns the callee's slot; a tail call replaces
 * `cpu.code`. So the loop that runs a program is three lines, and everything known beforehand (register numbers,
 * constants, targets) is in the closures.
 */
import { LIMITS } from "../kernel/index.ts";
import { faultOf } from "./engine.ts";
import type { Executable, Execution } from "./engine.ts";
import { Trap } from "./fault.ts";
import type { Memory, Region } from "./memory.ts";

/** Executes one instruction; the next slot, or DONE. */
export type Step = (cpu: Cpu) => number;
export const DONE = -1;

/** A program ready to be interpreted. */
export interface Code extends Executable {
  /** By slot; one more than the program has, which traps. */
  readonly steps: readonly Step[];
}

interface Frame {
  readonly code: Code;
  readonly returnTo: number;
  readonly saved: readonly [r6: bigint, r7: bigint, r8: bigint, r9: bigint];
}

/** Bytes of stack of each frame. The kernel allows 512 for all frames of a chain together; its verifier holds that. */
export const STACK_BYTES = LIMITS.stackBytes;

/** What r1 to r5 hold after a call, which may change them: no address, and easy to recognise. */
const SCRATCH = 0xdead_beef_dead_beefn;

/** Turns of a loop that may_goto allows (BPF_MAX_LOOPS, Linux 6.18). */
const MAY_GOTO_TURNS = 8 * 1024 * 1024;

export class Cpu {
  readonly memory: Memory;
  /** r0 to r10, each in 0..2^64-1. */
  readonly registers: bigint[] = Array.from({ length: 11 }, () => 0n);
  /** The program whose instruction is being executed; set by `run`. */
  code!: Code;
  private readonly stacks: Region[];
  private readonly frames: Frame[] = [];
  private mayGotoLeft = 0;

  constructor(memory: Memory) {
    this.memory = memory;
    this.stacks = Array.from({ length: LIMITS.callFrames }, (_, depth) =>
      memory.map(depth === 0 ? "the stack" : `the stack of frame ${depth}`, STACK_BYTES),
    );
  }

  /** Enters a subprogram at `slot`. */
  call(slot: number, returnTo: number): number {
    const r = this.registers;
    this.frames.push({ code: this.code, returnTo, saved: [r[6]!, r[7]!, r[8]!, r[9]!] });
    this.enterFrame();
    return slot;
  }

  /** Leaves the current frame; DONE when it was the first. */
  exit(): number {
    const frame = this.frames.pop();
    if (frame === undefined) return DONE;
    [this.registers[6], this.registers[7], this.registers[8], this.registers[9]] = frame.saved;
    this.registers[10] = BigInt(this.stackEnd());
    this.code = frame.code;
    this.scratch();
    return frame.returnTo;
  }

  /** A call may change r1 to r5: make sure that it does, so that a program that relies on them is found out. */
  scratch(): void {
    const r = this.registers;
    r[1] = r[2] = r[3] = r[4] = r[5] = SCRATCH;
  }

  /** Whether may_goto falls through (true) or jumps. */
  mayGoOn(): boolean {
    return this.mayGotoLeft-- > 0;
  }

  /** Runs `code` from its first slot with these arguments until it ends, faults, or has executed `limit` instructions. */
  run(code: Code, r1: bigint, r2: bigint, limit: number): Execution {
    this.start(code, r1, r2);
    let slot = 0;
    let next = 0;
    let count = 0;
    try {
      while (next !== DONE) {
        slot = next;
        if (count === limit) throw new Trap("budget", `the program did not end within ${limit} instructions`);
        count++;
        next = this.code.steps[slot]!(this);
      }
    } catch (error) {
      return { r0: this.registers[0]!, instructions: count, fault: faultOf(error, this.code, slot) };
    }
    return { r0: this.registers[0]!, instructions: count, fault: null };
  }

  private start(code: Code, r1: bigint, r2: bigint): void {
    this.registers.fill(0n);
    this.registers[1] = r1;
    this.registers[2] = r2;
    this.code = code;
    this.frames.length = 0;
    this.mayGotoLeft = MAY_GOTO_TURNS;
    this.enterFrame();
  }

  private enterFrame(): void {
    const stack = this.stacks[this.frames.length];
    if (stack === undefined) throw new Trap("call_depth", `a call chain of more than ${LIMITS.callFrames} frames`);
    stack.bytes.fill(0);
    this.registers[10] = BigInt(this.stackEnd());
  }

  private stackEnd(): number {
    return (this.stacks[this.frames.length]?.start ?? 0) + STACK_BYTES;
  }
}
