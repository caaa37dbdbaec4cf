/**
 * Speculation, where pointers may not be seen (no CAP_PERFMON): the processor may run what no program path does. The kernel masks
 * numbers that are added to pointers, so that even a wrong guess stays in bounds, and walks the paths that a wrong guess takes.
 * What breaks a rule on such a path is no mistake of the program: the kernel puts a barrier in front of the instruction.
 */
import type { Alu, Insn } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { hasBarrierBehind } from "../memory/index.ts";
import { Rejection } from "../outcome.ts";
import type { ReasonCode } from "../reasons/index.ts";
import { forgetLow } from "../scalar/index.ts";
import { change, topFrame } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { END } from "./end.ts";
import { sourceOf, unknown } from "./operands.ts";
import { pushPath } from "./paths.ts";

/** How the kernel guards an addition: by a mask of one form and size, whichever path leads there. */
export interface Guard {
  readonly form: number;
  readonly limit: number;
}

/** What speculation has made of each instruction, by slot. */
export interface Speculation {
  readonly guards: Map<number, Guard>;
  /** A barrier stands in front: no speculation gets here. */
  readonly barriers: Set<number>;
}

export function newSpeculation(): Speculation {
  return { guards: new Map(), barriers: new Set() };
}

/** Bits of `Guard.form`. */
const NUMBER = 1;
const NEGATIVE = 2;
const CONSTANT = 4;
const MASK_SOURCE = 8;
const MASK_DESTINATION = 16;

const STACK_BYTES = 512;

/** Not for immediates, nor behind a barrier. */
function isUnguarded(env: Env, insn: Alu): boolean {
  return env.privileges.perfmon || sourceOf(insn.src) < 0 || env.speculation.barriers.has(env.slot);
}

/** Numbers are added here: then no pointer may be on another path. */
export function guardNumbers(env: Env, insn: Alu): void {
  if (insn.op !== "add" && insn.op !== "sub") return;
  if (isUnguarded(env, insn)) return;
  setGuard(env, insn, NUMBER, 0);
}

/** A pointer is about to be moved: what is needed to check the move, null where nothing is to be guarded. */
export interface Move {
  readonly form: number;
  readonly limit: number;
  readonly toLeft: boolean;
}

/** Before `pointer op number`; the path on which the mask makes the number 0 is walked, too. */
export function guardMove(env: Env, insn: Alu, pointer: Reg, number: Reg, reversed: boolean): Move | null {
  const { op, dst } = insn;
  if ((op !== "add" && op !== "sub") || isUnguarded(env, insn)) return null;
  const { num } = number;
  const isNegative = num.smin < 0n;
  let move: Move | null = null;
  if (!env.state.speculative) {
    if (!num.isConst && isNegative !== num.smax < 0n) refuse(env, "a number that may be negative or not is added");
    const toLeft = op === "add" ? isNegative : !isNegative;
    const limit = limitOf(env, pointer, toLeft);
    const form =
      (isNegative ? NEGATIVE : 0) | (num.isConst ? CONSTANT : 0) | (reversed ? MASK_DESTINATION : MASK_SOURCE);
    if (!num.isConst) env.pruning.exactNumbers = true;
    move = { form, limit, toLeft };
  }
  if (!num.isConst) {
    // A pointer in its place has lost the ranges of its low half by then; one that is copied there has not.
    const unmoved = reversed ? pointer : change(pointer, { num: forgetLow(pointer.num) });
    topFrame(pushPath(env, env.slot + 1, true)).regs[dst] = unmoved;
  }
  return move;
}

/** After the move: where it led is in bounds, and the mask the same on all paths. */
export function guardMoved(env: Env, insn: Alu, moved: Reg, move: Move | null): void {
  checkMoved(env, moved);
  if (move === null) return;
  setGuard(env, insn, move.form, Math.abs(move.limit - limitOf(env, moved, move.toLeft)));
}

function refuse(env: Env, what: string): never {
  return reject(env, "speculative_arithmetic", { what });
}

/** How far the pointer may be moved. */
function limitOf(env: Env, pointer: Reg, toLeft: boolean): number {
  const { kind, flags, num, off, map } = pointer;
  let limit: number;
  let most: number;
  if (kind === "stack") {
    most = toLeft ? STACK_BYTES + 1 : STACK_BYTES;
    limit = -(Number(num.smin) + off) >>> 0;
  } else if (kind === "map_value" && flags === 0 && map !== null) {
    most = map.map.spec.valueSize;
    limit = (Number(BigInt.asIntN(32, toLeft ? num.smin : num.umax)) + off) >>> 0;
  } else {
    return refuse(env, `${kind} is moved by a variable`);
  }
  if (limit >= most) refuse(env, "the pointer may leave its memory");
  return limit;
}

function setGuard(env: Env, insn: Alu, form: number, limit: number): void {
  const { guards } = env.speculation;
  const before = guards.get(env.slot);
  if (before !== undefined && (before.form !== form || before.limit !== limit)) {
    refuse(env, `${insn.op} of different pointers or numbers on different paths`);
  }
  guards.set(env.slot, { form, limit });
}

/** Pointers stay in bounds even where nothing is accessed. */
function checkMoved(env: Env, { kind, num, off, map }: Reg): void {
  if (env.privileges.perfmon) return;
  if (kind === "stack") {
    if (!num.isConst) reject(env, "stack_arithmetic_unprivileged", { what: "by a variable on the stack" });
    const at = Number(num.smin) + off;
    if (at >= 0 || at < -STACK_BYTES) reject(env, "stack_arithmetic_unprivileged", { what: "out of the stack" });
  } else if (kind === "map_value" && map !== null) {
    const first = num.smin + BigInt(off);
    const last = num.umax + BigInt(off);
    if (first < 0n || last >= BigInt(map.map.spec.valueSize)) {
      reject(env, "stack_arithmetic_unprivileged", { what: "out of the map's value" });
    }
    // nor may it point to what only helpers touch
    for (const { offset, size } of map.record.fields) {
      if (first < BigInt(offset + size) && BigInt(offset) <= last) {
        reject(env, "stack_arithmetic_unprivileged", { what: "to a special field of the map's value" });
      }
    }
  }
}

/** A condition is certain, but the processor may guess otherwise: there its operands may be anything. */
export function guessOtherwise(env: Env, slot: number, dst: number, source: number): void {
  if (env.privileges.perfmon) return;
  const { regs } = topFrame(pushPath(env, slot, true));
  regs[dst] = unknown(env);
  if (source >= 0) regs[source] = unknown(env);
}

/** Rules whose breach ends the walk on any path: the kernel has run out of something. */
const FATAL: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "too_many_jumps",
  "too_many_steps",
  "call_depth",
  "kernel_bug",
  "jump_out_of_range",
]);

/** Walks one instruction; on a path that only speculation takes, what breaks a rule gets a barrier, and ends the path. */
export function stepGuarded(env: Env, insn: Insn, step: (env: Env, insn: Insn) => number): number {
  const { state, slot, speculation } = env;
  if (!state.speculative) return step(env, insn);
  if (speculation.barriers.has(slot)) return END;
  try {
    const next = step(env, insn);
    return hasBarrierBehind(env, slot) ? END : next;
  } catch (problem) {
    if (isGuessed(env, problem)) return END;
    throw problem;
  }
}

/** What breaks a rule on a path that only speculation takes: from now on a barrier stands in front of the current instruction. */
export function isGuessed({ state, slot, speculation }: Env, problem: unknown): boolean {
  if (!state.speculative || !(problem instanceof Rejection) || FATAL.has(problem.code)) return false;
  speculation.barriers.add(slot);
  speculation.guards.delete(slot);
  return true;
}
