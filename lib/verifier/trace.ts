/**
 * The walk's log, line by line as the kernel writes it: instructions with the registers and stack slots that they changed, where a
 * path starts (`from 8 to 10: ...`), what happens at calls. At level 1 only the path that leads to the end stays: taking up an
 * older path takes back what was written since it was left. Nothing of this runs at level 0.
 */
import { rowOf } from "../isa/index.ts";
import type { Atomic, Insn, Load, Store } from "../isa/index.ts";
import { textOf } from "../asm/index.ts";
import type { SourceLine } from "../object/index.ts";
import type { Env } from "./env.ts";
import { frameOf } from "./env.ts";
import type { WalkLog } from "./log.ts";
import type { Frame, Slot, State } from "./state/index.ts";
import { ALL, printFrame } from "./state/print.ts";

/** Of a stack slot. */
const BYTES = 8;
const LARGEST_STACK = 512;
const ALL_REGISTERS = 0x7ff;
/** Columns: where the state behind an instruction starts, and in what steps it moves right behind long ones. */
const COLUMN = 40;
const STEP = 8;

export class Trace {
  readonly #log: WalkLog;
  readonly #lines: readonly SourceLine[];
  /** Level 1: lines of the path so far. */
  #kept: string[] = [];
  /** The instruction's line, waiting for what it changed. */
  #open: string | null = null;
  #source: SourceLine | null = null;
  /** What was touched since the last state was printed: a bit for each register; slots, null for all of them. */
  #registers = ALL_REGISTERS;
  #slots: Set<number> | null = null;
  /** The state is printed in full before the next instruction (a path was taken up, or a function returned). */
  #isNewPath = false;
  /** The slots of the frame before the instruction. */
  #before: readonly Slot[] = [];

  constructor(log: WalkLog, lines: readonly SourceLine[]) {
    this.#log = log;
    this.#lines = lines;
  }

  /** Before the instruction at `env.slot` is walked. */
  instruction(env: Env, insn: Insn): void {
    const frame = frameOf(env);
    if (this.#isNewPath && this.#log.level === 2) {
      this.#write("");
      this.#write(`${arrival(env)}:${printFrame(env.state, frame)}`);
    }
    this.#isNewPath = false;
    this.changes(env);
    const source = this.#lines.findLast((line) => line.slot <= env.slot) ?? null;
    const last = this.#source;
    if (source !== null && source !== last && (source.line !== last?.line || source.file !== last.file)) {
      this.#write(`; ${source.text.trimStart()} @ ${source.file.replace(/^.*\//, "")}:${source.line}`);
      this.#source = source;
    }
    const code = (rowOf(insn)?.code ?? 0).toString(16).padStart(2, "0");
    this.#open = `${env.slot}: (${code}) ${namedText(env, insn)}`;
    this.#before = frame.slots.slice();
    this.#registers |= touched(insn);
    if (insn.kind === "load" || insn.kind === "store" || insn.kind === "atomic") this.#touchStack(frame, insn);
  }

  /** A condition is shown with what it told of its operands at once; what others learn by it is not. */
  branched(env: Env): void {
    this.#before = frameOf(env).slots.slice();
    this.changes(env);
  }

  /** What has changed since states were printed last, behind the instruction or on a line of its own. */
  changes(env: Env): void {
    const frame = frameOf(env);
    const slots = this.#slots;
    const before = this.#before;
    const shown = {
      registers: this.#registers,
      slots: (slot: number) => slots === null || slots.has(slot) || before[slot] !== frame.slots[slot],
    };
    const isTouched =
      shown.registers !== 0 || slots === null || slots.size > 0 || frame.slots.some((_, slot) => shown.slots(slot));
    if (isTouched) {
      const state = printFrame(env.state, frame, shown);
      const open = this.#open;
      this.#open = null;
      if (open === null) this.#write(`${env.slot}:${state}`);
      else this.#write(`${open}${" ".repeat(padding(open.length + 1))};${state}`);
    }
    this.#flush();
    this.#registers = 0;
    this.#slots = new Set();
    this.#before = frame.slots.slice();
  }

  /** Slots that are read or written are shown, even if they stay as they are. */
  #touchStack(frame: Frame, { base, off, size }: Load | Store | Atomic): void {
    const pointer = frame.regs[base];
    if (pointer?.kind !== "stack" || pointer.frame !== frame.number) return;
    const from = pointer.off + Number(pointer.num.smin) + off;
    if (from < -LARGEST_STACK) return;
    for (let at = from; at < from + size; at++) this.#slots?.add(Math.floor((-at - 1) / BYTES));
  }

  /** A whole frame, under a heading: `caller:`. */
  frame(heading: string, state: State, frame: Frame): void {
    this.#write(heading);
    this.#write(printFrame(state, frame, ALL));
  }

  /** Another frame is the current one: all of it is shown next. */
  entered(): void {
    this.#registers = ALL_REGISTERS;
    this.#slots = null;
  }

  /** The path ends here because an explored state covers it. */
  pruned(env: Env): void {
    if (this.#isNewPath) {
      this.#write("");
      this.#write(`${arrival(env)}: safe`);
    } else this.#write(`${env.slot}: safe`);
  }

  /** A function returned: its caller is shown in full next. */
  returned(caller: Frame): void {
    this.#isNewPath = true;
    this.#before = caller.slots.slice();
  }

  /** How much of the log belongs to the path up to here. */
  get length(): number {
    return this.#kept.length + (this.#open === null ? 0 : 1);
  }

  /** Goes on with a path that was left when the log was `length` long. */
  resume(length: number): void {
    this.#flush();
    if (this.#log.level === 1) this.#kept.length = length;
    this.#registers = ALL_REGISTERS;
    this.#slots = null;
    this.#isNewPath = true;
  }

  /** The walk of a root is over, or stops. At level 1 a path that was rejected is shown now. */
  end(isRejected: boolean): void {
    this.#flush();
    if (this.#log.level === 1 && isRejected) for (const line of this.#kept) this.#log.line(line);
    this.#kept = [];
    this.#isNewPath = false;
    this.#registers = ALL_REGISTERS;
    this.#slots = null;
  }

  note(line: string): void {
    this.#write(line);
  }

  #flush(): void {
    const line = this.#open;
    this.#open = null;
    if (line !== null) this.#write(line);
  }

  #write(line: string): void {
    this.#flush();
    if (this.#log.level === 1) this.#kept.push(line);
    else this.#log.line(line);
  }
}

function arrival(env: Env): string {
  return `from ${env.previous} to ${env.slot}${env.state.speculative ? " (speculative execution)" : ""}`;
}

/** Blanks between an instruction of `length` characters (its newline counted) and what it changed. */
function padding(length: number): number {
  return Math.ceil(Math.max(length + STEP / 2, COLUMN) / STEP) * STEP - length - 1;
}

/** Calls of kernel functions by name. */
function namedText(env: Env, insn: Insn): string {
  const text = textOf(insn);
  if (insn.kind !== "call" || insn.target.kind !== "kfunc") return text;
  const func = env.request.kernel?.types[insn.target.btfId];
  return func?.kind === "func" ? text.replace("kernel-function", func.name) : text;
}

/** Registers that an instruction names, a bit each. */
function touched(insn: Insn): number {
  let bits = 0;
  if ("dst" in insn) bits |= 1 << insn.dst;
  if ("base" in insn) bits |= 1 << insn.base;
  if ("src" in insn) {
    const { src } = insn;
    if (typeof src === "number") bits |= 1 << src;
    else if (src !== null && "reg" in src) bits |= 1 << src.reg;
  }
  switch (insn.kind) {
    case "call":
      return bits | 1;
    case "load_packet":
      return bits | 1 | (1 << 6);
    case "atomic":
      return insn.op === "cmpxchg" ? bits | 1 : bits;
    default:
      return bits;
  }
}
