/**
 * The state of one run: registers, frames, and the code that is being executed.
 *
 * A program is decoded once into `Code`: one closure (`Step`) for each slot. A step does its instruction and returns the
 * slot that comes next, or DONE. A local call pushes a frame and returns the callee's slot; a tail call replaces
 * `cpu.code`. So the loop that runs a program is three lines, and everything known beforehand (register numbers,
 * constants, targets) is in the closures.
 *
 * A callback runs the same loop again from within the step that called the helper, until its frame is left.
 */
import { SCRATCH, STACK_BYTES, faultOf, overLimit, tooDeep } from "./engine.ts";
import type { CallArguments, Executable, Execution } from "./engine.ts";
import { Unwinding } from "./fault.ts";
import type { Memory, Region } from "./memory.ts";
import type { Observer, Watched } from "./observer.ts";

/** Executes one instruction; the next slot, or DONE. */
export type Step = (cpu: Cpu) => number;
export const DONE = -1;

/** A program ready to be interpreted. */
export interface Code extends Executable, Watched {
  /** By slot; one more than the program has, which traps. */
  readonly steps: readonly Step[];
}

interface Frame {
  readonly code: Code;
  readonly returnTo: number;
  readonly saved: readonly [r6: bigint, r7: bigint, r8: bigint, r9: bigint];
}

/** Turns of a loop that may_goto allows (BPF_MAX_LOOPS, Linux 6.18). */
export const MAY_GOTO_TURNS = 8 * 1024 * 1024;

/** A run in the middle of a function, to go on with. */
export interface Suspended {
  readonly code: Code;
  readonly slot: number;
  /** Frames above the function's. */
  readonly depth: number;
  /** r0 to r9. */
  readonly registers: ArrayLike<bigint>;
  /** Instructions executed so far, and how many there may be. */
  readonly count: number;
  readonly limit: number;
  readonly mayGoto: number;
}

export class Cpu {
  readonly memory: Memory;
  /** r0 to r10, each in 0..2^64-1. */
  readonly registers: bigint[] = Array.from({ length: 11 }, () => 0n);
  /** The program whose instruction is being executed; set by `run`. */
  code!: Code;
  private readonly stacks: readonly Region[];
  private readonly observer: Observer | null;
  private readonly frames: Frame[] = [];
  private mayGotoLeft = 0;
  private count = 0;
  private limit = 0;

  constructor(memory: Memory, stacks: readonly Region[], observer: Observer | null) {
    this.memory = memory;
    this.stacks = stacks;
    this.observer = observer;
  }

  /** Frames above the current one. */
  get depth(): number {
    return this.frames.length;
  }

  /** Enters a subprogram at `slot`. */
  call(slot: number, returnTo: number): number {
    this.checkLimit();
    this.pushFrame(returnTo);
    return slot;
  }

  /** Leaves the current frame; DONE when it was the first, or a callback's. */
  exit(): number {
    const frame = this.frames.pop();
    if (frame === undefined) return DONE;
    [this.registers[6], this.registers[7], this.registers[8], this.registers[9]] = frame.saved;
    this.registers[10] = BigInt(this.stackEnd());
    this.code = frame.code;
    this.scratch();
    return frame.returnTo;
  }

  /** Goes on in another program, in the same frame. */
  tailCall(code: Code, context: bigint): number {
    this.checkLimit();
    this.code = code;
    this.scratch();
    this.registers[1] = context;
    return 0;
  }

  /** A jump to `slot` or before it is checked: without one, a program ends. */
  jumpBack(slot: number): number {
    this.checkLimit();
    return slot;
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

  /** Runs `code` from `slot` with these arguments until it ends, faults, or exceeds `limit` instructions. */
  run(code: Code, slot: number, args: CallArguments, limit: number): Execution {
    this.registers.fill(0n);
    this.setArguments(args);
    this.code = code;
    this.frames.length = 0;
    this.mayGotoLeft = MAY_GOTO_TURNS;
    this.count = 0;
    this.limit = limit;
    this.enterFrame();
    try {
      this.execute(slot);
    } catch (error) {
      if (!(error instanceof Unwinding)) throw error;
      return { r0: this.registers[0]!, instructions: this.count, fault: error.fault };
    }
    return { r0: this.registers[0]!, instructions: this.count, fault: null };
  }

  /** Goes on where another engine left off, until that function returns. Throws Unwinding. */
  enter({ code, slot, depth, registers, count, limit, mayGoto }: Suspended): void {
    const above: Frame = { code, returnTo: DONE, saved: [0n, 0n, 0n, 0n] };
    this.frames.length = 0;
    for (let i = 0; i < depth; i++) this.frames.push(above);
    for (let i = 0; i < 10; i++) this.registers[i] = registers[i] ?? 0n;
    this.registers[10] = BigInt(this.stackEnd());
    this.code = code;
    this.count = count;
    this.limit = limit;
    this.mayGotoLeft = mayGoto;
    this.execute(slot);
  }

  /** Instructions executed. */
  get executed(): number {
    return this.count;
  }
  /** Turns that may_goto still allows. */
  get turnsLeft(): number {
    return this.mayGotoLeft;
  }

  /** Calls a function from within a helper that the current instruction calls; gives r0. */
  callBack(code: Code, slot: number, args: CallArguments): bigint {
    this.checkLimit();
    this.pushFrame(DONE);
    this.setArguments(args);
    this.code = code;
    this.execute(slot);
    return this.registers[0]!;
  }

  /** Executes until the frame is left. Throws Unwinding. */
  private execute(first: number): void {
    let slot = first;
    let next = first;
    try {
      if (this.observer !== null) return this.observe(first, this.observer);
      while (next !== DONE) {
        slot = next;
        this.count++;
        next = this.code.steps[slot]!(this);
      }
    } catch (error) {
      throw new Unwinding(faultOf(error, this.code, slot));
    }
  }

  /** As the loop of `execute`, with the observer told of each instruction. */
  private observe(first: number, observer: Observer): void {
    let slot = first;
    let next = first;
    try {
      while (next !== DONE) {
        slot = next;
        const { code, depth, registers } = this;
        const insn = code.insnAt(slot);
        const moment = { code, slot, insn, depth, registers };
        observer.before?.(moment);
        this.count++;
        next = code.steps[slot]!(this);
        observer.after?.(moment, next);
      }
    } catch (error) {
      throw new Unwinding(faultOf(error, this.code, slot));
    }
  }

  private checkLimit(): void {
    if (this.count > this.limit) throw overLimit(this.limit);
  }

  private setArguments(args: CallArguments): void {
    args.forEach((value, i) => (this.registers[i + 1] = value));
  }

  private pushFrame(returnTo: number): void {
    const r = this.registers;
    this.frames.push({ code: this.code, returnTo, saved: [r[6]!, r[7]!, r[8]!, r[9]!] });
    this.enterFrame();
  }

  private enterFrame(): void {
    const stack = this.stacks[this.frames.length];
    if (stack === undefined) throw tooDeep();
    stack.bytes.fill(0);
    this.registers[10] = BigInt(this.stackEnd());
  }

  private stackEnd(): number {
    return (this.stacks[this.frames.length]?.start ?? 0) + STACK_BYTES;
  }
}
