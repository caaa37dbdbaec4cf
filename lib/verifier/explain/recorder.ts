/**
 * The trail of a walk of ours. A walk that ends with a rejection is walked again with a recorder: walks are deterministic, and
 * those that are not rejected do not pay for it.
 */
import type { Env } from "../env.ts";
import { frameOf } from "../env.ts";
import type { Reg, Slot } from "../state/index.ts";
import { NONE } from "../state/index.ts";
import type { Known } from "./known.ts";
import { knownOfReg } from "./known.ts";
import type { Step, Trail } from "./trail.ts";

/** Registers and stack of the frame being executed, before the step. */
interface Snapshot {
  readonly step: number;
  readonly regs: readonly Reg[];
  readonly slots: readonly Slot[];
}

/** Of longer paths only the last steps' registers are kept. A power of two. */
const KEPT = 1 << 14;

export class Recorder implements Trail {
  readonly steps: Step[] = [];
  readonly #snapshots: (Snapshot | undefined)[] = Array.from({ length: KEPT });

  /** The instruction at `env.slot` is about to be walked. */
  enter(env: Env): void {
    const { regs, slots, number } = frameOf(env);
    const step = this.steps.length;
    this.steps.push({ slot: env.slot, frame: number });
    this.#snapshots[step % KEPT] = { step, regs: regs.slice(), slots: slots.slice() };
  }

  /** Goes on with a path that was left after `length` steps. */
  resume(length: number): void {
    this.steps.length = length;
  }

  /** A root is walked from its start. */
  restart(): void {
    this.steps.length = 0;
  }

  changed(step: number, register: number): Known | null {
    const [before, after] = this.#around(step);
    const reg = after?.regs[register];
    return reg === undefined || reg === before?.regs[register] ? null : knownOfReg(reg);
  }

  stackChanged(step: number, slot: number): Known | null {
    const [before, after] = this.#around(step);
    const now = after?.slots[slot];
    return now === undefined || now === before?.slots[slot] ? null : knownOfReg(now.reg ?? NONE);
  }

  before(step: number, register: number): Known | null {
    const reg = this.#at(step)?.regs[register];
    return reg === undefined ? null : knownOfReg(reg);
  }

  #at(step: number): Snapshot | null {
    const snapshot = this.#snapshots[step % KEPT];
    return snapshot?.step === step ? snapshot : null;
  }

  /** Before and after a step that stays in its frame. */
  #around(step: number): readonly [Snapshot | null, Snapshot | null] {
    if (this.steps[step]?.frame !== this.steps[step + 1]?.frame) return [null, null];
    return [this.#at(step), this.#at(step + 1)];
  }
}
