/**
 * Which registers and stack slots matter, going one instruction back: `R` matters after `R = S + 1`, so `S` does before it. Each
 * frame has its own masks; going back over a return enters the function, over its call leaves it.
 */
import { HELPER_NAMES } from "../../kernel/index.ts";
import type { CallTarget, Insn } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { unsupported } from "../env.ts";
import type { HistoryEntry, Linked } from "../state/index.ts";
import { MOST_FRAMES, WORDS, wordOf } from "./marks.ts";

const TAIL_CALL = HELPER_NAMES.indexOf("tail_call");
const R0 = 1;
const ARGUMENTS = 0b11_1110;
const FRAME_POINTER = 10;

export class Backtrack {
  /** The frame that the instruction being looked at is executed in. */
  frame = 0;
  /** Words as those of a state's marks. */
  readonly words = new Int32Array(WORDS * MOST_FRAMES);

  clear(): void {
    this.frame = 0;
    this.words.fill(0);
  }

  /** Nothing matters any more in the current frame and its callers. */
  get isEmpty(): boolean {
    const { words } = this;
    for (let word = WORDS * this.frame + WORDS - 1; word >= 0; word -= 1) if (words[word] !== 0) return false;
    return true;
  }

  setReg(frame: number, register: number): void {
    this.#set(WORDS * frame, register);
  }

  setSlot(frame: number, slot: number): void {
    this.#set(wordOf(frame, slot), slot);
  }

  #set(word: number, bit: number): void {
    this.words[word] = (this.words[word] as number) | (1 << bit);
  }

  clearReg(frame: number, register: number): void {
    this.#clear(WORDS * frame, register);
  }

  clearSlot(frame: number, slot: number): void {
    this.#clear(wordOf(frame, slot), slot);
  }

  #clear(word: number, bit: number): void {
    this.words[word] = (this.words[word] as number) & ~(1 << bit);
  }

  hasReg(frame: number, register: number): boolean {
    return ((this.words[WORDS * frame] as number) & (1 << register)) !== 0;
  }

  hasSlot(frame: number, slot: number): boolean {
    return ((this.words[wordOf(frame, slot)] as number) & (1 << slot)) !== 0;
  }

  get #hasSlots(): boolean {
    const word = WORDS * this.frame;
    return this.words[word + 1] !== 0 || this.words[word + 2] !== 0;
  }

  /** The registers of the current frame. */
  get #regs(): number {
    return this.words[WORDS * this.frame] as number;
  }

  set #regs(mask: number) {
    this.words[WORDS * this.frame] = mask;
  }

  /**
   * Back over the instruction at `slot`; `later` is the slot executed after it. False where it cannot be told what mattered:
   * then everything has to.
   */
  over(env: Env, slot: number, later: number, entry: HistoryEntry | null): boolean {
    const insn = env.program.insns[slot];
    // The second half of a 64-bit load.
    if (insn === null || insn === undefined) return true;
    if (entry !== null && entry.linked.length > 0) this.#join(entry.linked);
    if (!this.#step(env, insn, slot, later, entry)) return false;
    if (entry !== null && entry.linked.length > 0) this.#join(entry.linked);
    return true;
  }

  /** Numbers bounded together matter together. */
  #join(linked: readonly Linked[]): void {
    if (!linked.some((l) => ("reg" in l ? this.hasReg(l.frame, l.reg) : this.hasSlot(l.frame, l.slot)))) return;
    for (const l of linked) {
      if ("reg" in l) this.setReg(l.frame, l.reg);
      else this.setSlot(l.frame, l.slot);
    }
  }

  #step(env: Env, insn: Insn, slot: number, later: number, entry: HistoryEntry | null): boolean {
    const { frame } = this;
    switch (insn.kind) {
      case "alu": {
        if (!this.hasReg(frame, insn.dst)) return true;
        if (insn.op === "mov") this.clearReg(frame, insn.dst);
        if ("reg" in insn.src && insn.src.reg !== FRAME_POINTER) this.setReg(frame, insn.src.reg);
        return true;
      }
      case "movsx":
      case "addr_space_cast":
        if (!this.hasReg(frame, insn.dst)) return true;
        this.clearReg(frame, insn.dst);
        if (insn.src !== FRAME_POINTER) this.setReg(frame, insn.src);
        return true;
      case "load":
      case "load_acquire":
        if (!this.hasReg(frame, insn.dst)) return true;
        this.clearReg(frame, insn.dst);
        // Numbers keep their bounds on the stack only.
        if (entry !== null && entry.stack !== null) this.setSlot(entry.stack.frame, entry.stack.slot);
        return true;
      case "store":
        return this.#overStore(insn.base, "reg" in insn.src ? insn.src.reg : -1, entry);
      case "atomic":
      case "store_release":
        return this.#overStore(insn.base, insn.src, entry);
      case "load_imm64":
        this.clearReg(frame, insn.dst);
        return true;
      case "load_packet":
        return !this.hasReg(frame, 0);
      case "jump_if":
        if (!("reg" in insn.src)) return true;
        if (!this.hasReg(frame, insn.dst) && !this.hasReg(frame, insn.src.reg)) return true;
        if (entry === null || (entry.stackOperands & 2) === 0) this.setReg(frame, insn.src.reg);
        if (entry === null || (entry.stackOperands & 1) === 0) this.setReg(frame, insn.dst);
        return true;
      case "call":
        return this.#overCall(env, insn.target, slot, later);
      case "exit":
        this.#overExit(env, later);
        return true;
      default:
        return true;
    }
  }

  #overStore(base: number, source: number, entry: HistoryEntry | null): boolean {
    // An address that matters as a number: pointers were subtracted.
    if (this.hasReg(this.frame, base)) return false;
    if (entry === null || entry.stack === null) return true;
    const { frame, slot } = entry.stack;
    if (!this.hasSlot(frame, slot)) return true;
    this.clearSlot(frame, slot);
    if (source >= 0) this.setReg(this.frame, source);
    return true;
  }

  #overCall(env: Env, target: CallTarget, slot: number, later: number): boolean {
    const { frame } = this;
    const mask = this.#regs;
    if (target.kind === "local") {
      const callee = env.program.subprogramOf[slot + 1 + target.delta] as number;
      if (env.program.subprograms[callee]?.global === true) {
        this.clearReg(frame, 0);
        if ((mask & ARGUMENTS) !== 0) lost();
      } else this.#leave(mask, true);
    } else if (env.program.callsCallback[slot] === 1 && slot !== later - 1) {
      this.#leave(mask, false);
    } else {
      if (target.kind === "kfunc" && target.btfId === 0) return false;
      this.clearReg(frame, 0);
      if ((mask & ARGUMENTS) !== 0) lost();
      // What followed was not the next instruction: the tail call was the end of its function, and gave the result.
      if (target.kind === "helper" && target.id === TAIL_CALL && later !== slot + 1) this.#enter();
    }
    return true;
  }

  /** From the first instruction of a function back to its call; a callback's arguments come from nowhere. */
  #leave(mask: number, passArguments: boolean): void {
    if ((mask & ~ARGUMENTS) !== 0 || this.#hasSlots || this.frame === 0) lost();
    this.#regs = 0;
    this.frame -= 1;
    if (passArguments) this.#regs |= mask;
  }

  #enter(): void {
    if (this.frame === MOST_FRAMES - 1) lost();
    this.frame += 1;
  }

  /** From what follows a call back into the function that returned there. */
  #overExit(env: Env, later: number): void {
    const { insns, callsCallback } = env.program;
    let mask = this.#regs;
    if (later >= 0 && callsCallback[later] === 1) mask &= ~ARGUMENTS;
    if ((mask & ARGUMENTS) !== 0) lost();
    const before = later > 0 ? insns[later - 1] : null;
    const isCall = before?.kind === "call" && before.target.kind === "local";
    const resultMatters = isCall && (mask & R0) !== 0;
    this.#regs = mask & ~R0;
    this.#enter();
    if (resultMatters) this.setReg(this.frame, 0);
  }
}

/** A path backwards that the walk forwards cannot have taken: the kernel calls it a bug of its own. */
function lost(): never {
  return unsupported("precision of this path");
}
