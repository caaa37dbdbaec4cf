/**
 * The state of one run, and what instructions do that is more than arithmetic and plain memory access: calls, callbacks,
 * atomics, packet loads. The loop itself is in execute.ts.
 *
 * Each program that a run comes to has a register file of its own, because its constants are in there; going from one
 * program to another (tail call, callback, return) takes r0 to r10 along.
 */
import type { LoadPacket } from "../isa/index.ts";
import { LIMITS } from "../kernel/index.ts";
import { DONE, NOWHERE, atomicResult, copyRegisters, helperMissing, jumpToNowhere, registerFile } from "./code.ts";
import type { Code, RegisterFile } from "./code.ts";
import { SCRATCH, STACK_BYTES, faultOf, overLimit, tooDeep } from "./engine.ts";
import type { CallArguments, Execution, HelperFunction } from "./engine.ts";
import { NEVER, execute } from "./execute.ts";
import { Trap, Unwinding } from "./fault.ts";
import type { Fault } from "./fault.ts";
import type { Memory, Region } from "./memory.ts";
import type { Moment, Observer } from "./observer.ts";
import { OP } from "./opcodes.ts";
import { ATOMIC } from "./semantics.ts";

/** Where a call goes on afterwards. */
interface Frame {
  readonly code: Code;
  readonly returnTo: number;
}

/** Turns of a loop that may_goto allows (BPF_MAX_LOOPS, Linux 6.18). */
export const MAY_GOTO_TURNS = 8 * 1024 * 1024;

/** A run in the middle of a function, to go on with. */
export interface Suspended {
  readonly code: Code;
  readonly slot: number;
  /** Frames above those in `outer`. */
  readonly depth: number;
  /** Functions to return to, the outermost first: the first of them, if there is any, is the one to finish. */
  readonly outer: readonly Outer[];
  /** r0 to r9. */
  readonly registers: ArrayLike<bigint>;
  /** Instructions executed so far, and how many there may be. */
  readonly count: number;
  readonly limit: number;
  readonly mayGoto: number;
}

/** A function in the middle of a call. */
export interface Outer {
  readonly returnTo: number;
  /** Its r6 to r9. */
  readonly saved: ArrayLike<bigint>;
}

export class Cpu {
  readonly memory: Memory;
  /** The program whose instruction is being executed, and its registers; set by `run`. */
  code!: Code;
  file!: RegisterFile;
  /** Instructions executed, the current one included. */
  count = 0;
  private readonly files = new Map<Code, RegisterFile>();
  /** By depth of the frame. */
  private readonly stacks: readonly Float64Array[];
  private readonly stackEnds: BigInt64Array;
  private readonly observer: Observer | null;
  private readonly frames: Frame[] = [];
  /** r6 to r9 of each frame. */
  private readonly saved = new BigInt64Array(4 * LIMITS.callFrames);
  /** The slot of the current instruction, where that matters: when it leaves the loop. */
  private slot = 0;
  private mayGotoLeft = 0;
  private limit = 0;

  constructor(memory: Memory, stacks: readonly Region[], observer: Observer | null) {
    this.memory = memory;
    this.stacks = stacks.map(({ bytes }) => new Float64Array(bytes.buffer, bytes.byteOffset, STACK_BYTES / 8));
    this.stackEnds = BigInt64Array.from(stacks, ({ start }) => BigInt(start + STACK_BYTES));
    this.observer = observer;
  }

  /** Runs `code` from `slot` with these arguments until it ends, faults, or exceeds `limit` instructions. */
  run(code: Code, slot: number, args: CallArguments, limit: number): Execution {
    this.start(code, args, limit);
    return this.ending(() => this.execute(slot)) ?? this.ended(null);
  }

  /** Gets ready to run `code`, for `step`. */
  start(code: Code, args: CallArguments, limit: number): void {
    this.code = code;
    this.file = this.fileOf(code);
    this.file.q.fill(0n, 0, 11);
    this.setArguments(args);
    this.frames.length = 0;
    this.mayGotoLeft = MAY_GOTO_TURNS;
    this.count = 0;
    this.limit = limit;
    this.enterFrame();
  }

  /** Executes the instruction at a slot; gives the slot that comes next, or how the run ended. */
  step(slot: number): number | Execution {
    let next = DONE;
    const fault = this.ending(() => (next = this.executeOne(slot)));
    return fault ?? (next === DONE ? this.ended(null) : next);
  }

  /** The instruction at a slot as observers see it. */
  moment(slot: number): Moment {
    const { code } = this;
    // A tail call or a return may lead to another program's register file.
    const registers = (): ArrayLike<bigint> => this.file.unsigned;
    return {
      code,
      slot,
      insn: code.insnAt(slot),
      depth: this.frames.length,
      get registers() {
        return registers();
      },
    };
  }

  /** Where the frames above the current one called, innermost first. */
  callers(): readonly { readonly code: Code; readonly slot: number }[] {
    return this.frames.map(({ code, returnTo }) => ({ code, slot: returnTo - 1 })).reverse();
  }

  /** How a run ended that faults in `execute`; null when it does not. */
  private ending(execute: () => void): Execution | null {
    try {
      execute();
      return null;
    } catch (error) {
      return this.ended(faultOf(error, this.code, this.slot));
    }
  }

  private ended(fault: Fault | null): Execution {
    return { r0: this.register(0), instructions: this.count, fault };
  }

  /** Goes on where another engine left off, until that function returns; gives r0. Throws Unwinding. */
  resume({ code, slot, depth, outer, registers, count, limit, mayGoto }: Suspended): bigint {
    this.code = code;
    this.file = this.fileOf(code);
    for (let i = 0; i < 10; i++) this.file.q[i] = registers[i] ?? 0n;
    this.frames.length = 0;
    for (let i = 0; i < depth; i++) this.frames.push({ code, returnTo: DONE });
    for (const { returnTo, saved } of outer) {
      for (let i = 0; i < 4; i++) this.saved[4 * this.frames.length + i] = saved[i]!;
      this.frames.push({ code, returnTo });
    }
    this.setFramePointer();
    this.count = count;
    this.limit = limit;
    this.mayGotoLeft = mayGoto;
    try {
      this.execute(slot);
      return this.register(0);
    } catch (error) {
      throw new Unwinding(faultOf(error, this.code, this.slot));
    }
  }

  /** Turns that may_goto still allows. */
  get turnsLeft(): number {
    return this.mayGotoLeft;
  }

  /** Calls a function from within a helper that the current instruction calls; gives r0. */
  callBack(code: Code, slot: number, args: CallArguments): bigint {
    const caller = this.slot;
    this.checkLimit();
    this.pushFrame(DONE);
    this.goOnIn(code);
    this.setArguments(args);
    this.execute(slot);
    this.slot = caller;
    return this.register(0);
  }

  /** Executes until the frame is left; with an observer, instruction by instruction. */
  private execute(first: number): void {
    let slot = first;
    if (this.observer === null) {
      while (slot !== DONE) slot = execute(this, slot, NEVER);
      return;
    }
    while (slot !== DONE) slot = this.executeOne(slot);
  }

  private executeOne(slot: number): number {
    const { observer } = this;
    if (observer === null) return execute(this, slot, this.count + 1);
    const moment = this.moment(slot);
    observer.before?.(moment);
    const next = execute(this, slot, this.count + 1);
    observer.after?.(moment, next);
    return next;
  }

  // What the loop asks for. Each is told where it is first, because each may throw.

  /** Throws the trap that an access deserves; returns when it is allowed. */
  check(slot: number, count: number, address: number, size: number, write: boolean): void {
    this.at(slot, count);
    this.memory.check(address, size, write);
  }

  /** A jump backwards, or to nowhere, is taken. */
  lookBack(slot: number, target: number, count: number): void {
    this.at(slot, count);
    const insn = this.code.insnAt(slot);
    if (target === NOWHERE && insn !== null && "delta" in insn) throw new Trap("jump", jumpToNowhere(slot, insn.delta));
    this.checkLimit();
  }

  /** An atomic operation (RFC 9669 section 5.3). */
  atomic(slot: number, count: number): void {
    this.at(slot, count);
    const insn = this.code.insnAt(slot);
    if (insn?.kind !== "atomic") throw new Error(`slot ${slot} is no atomic operation`);
    const { memory } = this;
    const address = Number(this.register(insn.base)) + insn.off;
    const old = memory.read(address, insn.size);
    memory.write(address, insn.size, atomicResult(insn, old, this.register(insn.src), this.register(0)));
    const { fetch } = ATOMIC[insn.op];
    if (fetch !== null) this.file.q[fetch === "r0" ? 0 : insn.src] = old;
  }

  /** Whether may_goto falls through (true) or jumps. */
  mayGoOn(): boolean {
    return this.mayGotoLeft-- > 0;
  }

  /** Whatever may change the program, the registers or the count: calls, exit, traps. Gives the slot that comes next. */
  control(slot: number, count: number, op: number, arg: number): number {
    this.at(slot, count);
    switch (op) {
      case OP.call:
        this.checkLimit();
        this.pushFrame(slot + 1);
        return arg;
      case OP.helper:
        return this.callHelper(this.code.decoded.helpers[arg]!);
      case OP.callRegister:
        return this.callNumbered(Number(BigInt.asUintN(32, this.register(arg))));
      case OP.tailCall:
        return this.tailCall();
      case OP.loadPacket:
        return this.loadPacket();
      case OP.exit:
        return this.exit();
      default: {
        const { kind, message } = this.code.decoded.traps[arg]!;
        throw new Trap(kind, message);
      }
    }
  }

  private callHelper(helper: HelperFunction): number {
    const r = this.file.unsigned;
    const { slot } = this;
    const result = helper(r[1]!, r[2]!, r[3]!, r[4]!, r[5]!);
    this.scratch();
    this.file.q[0] = result;
    return slot + 1;
  }

  /** RFC 9669 section 4.3.1: the register holds a helper's number. */
  private callNumbered(id: number): number {
    const helper = this.code.linkage.helper(id);
    if (helper === null) throw new Trap("helper", helperMissing(id));
    return this.callHelper(helper);
  }

  /** Goes on in another program with the same frame and context; when there is none, after the call. */
  private tailCall(): number {
    const target = this.code.linkage.tailCall(this.register(2), this.register(3));
    if (target === null) return this.slot + 1;
    this.checkLimit();
    const context = this.register(1);
    this.goOnIn(target);
    this.scratch();
    this.file.q[1] = context;
    return 0;
  }

  private loadPacket(): number {
    const { size, imm, src } = this.code.insnAt(this.slot) as LoadPacket;
    const index = src === null ? 0 : Number(BigInt.asIntN(32, this.register(src)));
    const value = this.code.linkage.loadPacket(imm + index, size, this.register(6));
    this.scratch();
    this.file.q[0] = value ?? 0n;
    return value === null ? this.exit() : this.slot + 1;
  }

  /** Leaves the current frame; DONE when it was the first, or a callback's. */
  private exit(): number {
    const frame = this.frames.pop();
    if (frame === undefined) return DONE;
    this.goOnIn(frame.code);
    const { q } = this.file;
    const from = 4 * this.frames.length;
    for (let i = 0; i < 4; i++) q[6 + i] = this.saved[from + i]!;
    this.setFramePointer();
    this.scratch();
    return frame.returnTo;
  }

  private pushFrame(returnTo: number): void {
    const { q } = this.file;
    const to = 4 * this.frames.length;
    for (let i = 0; i < 4; i++) this.saved[to + i] = q[6 + i]!;
    this.frames.push({ code: this.code, returnTo });
    this.enterFrame();
  }

  private enterFrame(): void {
    const stack = this.stacks[this.frames.length];
    if (stack === undefined) throw tooDeep();
    stack.fill(0);
    this.setFramePointer();
  }

  private setFramePointer(): void {
    this.file.q[10] = this.stackEnds[this.frames.length]!;
  }

  /** Makes `code` the program that is executed; registers go along. */
  private goOnIn(code: Code): void {
    if (code === this.code) return;
    const from = this.file;
    this.code = code;
    this.file = this.fileOf(code);
    copyRegisters(from, this.file);
  }

  private fileOf(code: Code): RegisterFile {
    const file = this.files.get(code) ?? registerFile(code.decoded);
    this.files.set(code, file);
    return file;
  }

  private register(index: number): bigint {
    return this.file.unsigned[index]!;
  }

  private setArguments(args: CallArguments): void {
    args.forEach((value, i) => (this.file.q[i + 1] = value));
  }

  /** A call may change r1 to r5: make sure that it does, so that a program that relies on them is found out. */
  private scratch(): void {
    const { q } = this.file;
    for (let i = 1; i <= 5; i++) q[i] = SCRATCH;
  }

  private checkLimit(): void {
    if (this.count > this.limit) throw overLimit(this.limit);
  }

  private at(slot: number, count: number): void {
    this.slot = slot;
    this.count = count;
  }
}
