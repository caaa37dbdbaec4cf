/**
 * Whether what was explored from an old state covers all that the current one can do.
 *
 *   covers   the old state's marks are complete: what nobody needed exactly may differ
 *   within   they are not (a loop is still being walked): all numbers lie within the old ones
 *   exact    nothing changed at all: an endless loop
 */
import type { Env } from "../env.ts";
import { contains, sameScalar } from "../scalar/index.ts";
import { BYTE, kindOf, scalar } from "../state/index.ts";
import type { Extra, Frame, Reg, Slot, State } from "../state/index.ts";
import { FLAG } from "./ids.ts";
import type { IdMap } from "./ids.ts";
import { WORDS, marked, wordOf } from "./marks.ts";

export type Mode = "covers" | "within" | "exact";

export function statesEqual(env: Env, old: State, now: State, mode: Mode): boolean {
  const frames = old.frames.length;
  if (frames !== now.frames.length) return false;
  // What only speculation reaches proves nothing of the rest.
  if (old.speculative && !now.speculative) return false;
  if (old.sleepable !== now.sleepable) return false;
  env.pruning.ids.reset(env.lastId);
  if (!sameHeld(env, old, now)) return false;
  // The innermost frame first: states seldom differ in those of callers alone.
  for (let i = frames - 1; i >= 0; i -= 1) {
    const a = old.frames[i] as Frame;
    const b = now.frames[i] as Frame;
    if (a.callSite !== b.callSite || a.callbackDepth > b.callbackDepth) return false;
    const slot = i === frames - 1 ? old.slot : (old.frames[i + 1] as Frame).callSite;
    if (!sameRegs(env, old, now, i, env.program.liveRegisters[slot] as number, mode)) return false;
    if (!sameStack(env, old, now, i, mode)) return false;
  }
  return true;
}

function sameHeld({ pruning: { ids } }: Env, old: State, now: State): boolean {
  const count = old.held.length;
  if (count !== now.held.length || old.activeLocks !== now.activeLocks) return false;
  if (old.preempt !== now.preempt || old.rcu !== now.rcu) return false;
  if (!ids.same(old.activeIrq, now.activeIrq)) return false;
  if (!ids.same(old.activeLock?.id ?? 0, now.activeLock?.id ?? 0)) return false;
  if (old.activeLock?.of !== now.activeLock?.of) return false;
  for (let i = 0; i < count; i += 1) {
    const a = old.held[i] as State["held"][number];
    const b = now.held[i] as State["held"][number];
    if (!ids.same(a.id, b.id) || a.kind !== b.kind || a.of !== b.of) return false;
  }
  return true;
}

/** The registers in `live` of frame number `frame`. */
function sameRegs(env: Env, old: State, now: State, frame: number, live: number, mode: Mode): boolean {
  const a = (old.frames[frame] as Frame).regs;
  const b = (now.frames[frame] as Frame).regs;
  const marks = marked(old, WORDS * frame);
  for (let i = 0; i < 10; i += 1) {
    const bit = 1 << i;
    if ((live & bit) === 0) continue;
    if (!sameReg(env, a[i] as Reg, b[i] as Reg, mode, (marks & bit) !== 0)) return false;
  }
  return true;
}

/** What was safe with `old` is safe with `now`; `precise`: the bounds of `old` matter. */
function sameReg(env: Env, old: Reg, now: Reg, mode: Mode, precise: boolean): boolean {
  const { ids } = env.pruning;
  if (old === now && old.id === 0 && old.ref === 0) return true;
  if (mode === "exact") return regsExact(env, old, now);
  if (old.kind === "none" && (mode === "covers" || now.kind === "none")) return true;
  if (old.kind !== now.kind || old.flags !== now.flags) return false;
  switch (old.kind) {
    case "scalar":
      return sameNumber(env, old, now, mode, precise);
    case "map_key":
    case "map_value":
    case "mem":
    case "buf":
    case "tp_buffer":
      return (
        old.off === now.off &&
        old.map === now.map &&
        old.mapUid === now.mapUid &&
        old.size === now.size &&
        old.dynptr === now.dynptr &&
        covers(old, now) &&
        ids.same(old.id, now.id) &&
        ids.same(old.ref, now.ref)
      );
    case "packet":
    case "packet_meta":
      // At least as many bytes are proven. The offset has to be the same for alignment, and lest it runs out of the range.
      return coversRange(old.range, now.range) && old.off === now.off && ids.same(old.id, now.id) && covers(old, now);
    case "arena":
      return true;
    default:
      return regsExact(env, old, now);
  }
}

function sameNumber(env: Env, old: Reg, now: Reg, mode: Mode, precise: boolean): boolean {
  const { ids, exactNumbers } = env.pruning;
  if (exactNumbers) return sameScalar(old.num, now.num) && old.off === now.off && sameGroup(ids, old, now);
  if (!precise && !old.precise && mode === "covers") return true;
  // A number that had nothing to do with others before may have now: that tells more of it, not less.
  if (old.id !== 0 && (old.link !== now.link || (old.link !== 0 && old.off !== now.off))) return false;
  return covers(old, now) && sameGroup(ids, old, now);
}

/** Numbers that were one, or a constant apart, are so now. */
function sameGroup(ids: IdMap, old: Reg, now: Reg): boolean {
  if (old.id === 0) return true;
  return ids.sameNumber(idOf(old), idOf(now)) && (old.link === 0 || ids.sameNumber(old.id, now.id));
}

/** At least as many bytes are proven. A pointer that is known to be at the end or behind it (below 0) covers none but its like. */
function coversRange(old: number, now: number): boolean {
  return old < 0 || now < 0 ? old === now : old <= now;
}

function covers(old: Reg, now: Reg): boolean {
  return old.num === now.num || contains(old.num, now.num);
}

function idOf(reg: Reg): number {
  return reg.link === 0 ? reg.id : reg.id + FLAG;
}

/** The same but for which numbers their ids are. */
export function regsExact(env: Env, old: Reg, now: Reg): boolean {
  const { ids } = env.pruning;
  return sameFacts(old, now) && old.frame === now.frame && ids.same(idOf(old), idOf(now)) && ids.same(old.ref, now.ref);
}

function sameFacts(a: Reg, b: Reg): boolean {
  if (a === b) return true;
  return (
    a.kind === b.kind &&
    a.flags === b.flags &&
    a.off === b.off &&
    a.range === b.range &&
    a.map === b.map &&
    a.mapUid === b.mapUid &&
    a.btf === b.btf &&
    a.type === b.type &&
    a.size === b.size &&
    a.dynptr === b.dynptr &&
    (a.num === b.num || sameScalar(a.num, b.num)) &&
    sameExtra(a.extra, b.extra)
  );
}

/** Registers that a turn of a loop has left as they were, ids included: worth looking closer whether it ever ends. */
export function mayLoop(old: State, now: State): boolean {
  if (old.frames.length !== now.frames.length) return false;
  const a = (old.frames.at(-1) as Frame).regs;
  const b = (now.frames.at(-1) as Frame).regs;
  for (let i = 0; i < 11; i += 1) {
    const before = a[i] as Reg;
    const after = b[i] as Reg;
    if (before === after) continue;
    if (before.id !== after.id || before.ref !== after.ref || before.link !== after.link) return false;
    if (!sameFacts(before, after)) return false;
  }
  return true;
}

function sameExtra(a: Extra | null, b: Extra | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (a.kind === "dynptr") return b.kind === "dynptr" && a.of === b.of && a.firstSlot === b.firstSlot;
  if (a.kind === "irq") return b.kind === "irq" && a.by === b.by;
  // How many turns an iterator has taken does not matter: else no loop would come to an end.
  return b.kind === "iterator" && a.type === b.type && a.state === b.state;
}

/** Each byte is `misc` or `invalid`: the lowest and the highest bit of its kind are 0. */
const MISC_ONLY = 0o55555555;
const SPILLED = 0o11111111;
const ANY_NUMBER: Reg = scalar();

function sameStack(env: Env, old: State, now: State, frame: number, mode: Mode): boolean {
  const mayReadAnything = env.privileges.perfmon;
  const before = (old.frames[frame] as Frame).slots;
  const after = (now.frames[frame] as Frame).slots;
  const slots = after.length;
  for (let i = 0; i < before.length; i += 1) {
    const a = before[i] as Slot;
    const b = i < slots ? (after[i] as Slot) : null;
    if (mode === "covers") {
      if (mayReadAnything ? (a.bytes & MISC_ONLY) === 0 : a.bytes === 0) continue;
      if (b === null) return false;
    } else if (b === null) return false;
    const precise = (marked(old, wordOf(frame, i)) & (1 << i)) !== 0;
    if (!sameSlot(env, a, b, mode, mayReadAnything, precise)) return false;
  }
  return true;
}

function sameSlot(env: Env, old: Slot, now: Slot, mode: Mode, mayReadAnything: boolean, precise: boolean): boolean {
  if (old === now && old.reg === null) return true;
  if (old.bytes === SPILLED && now.bytes === SPILLED)
    return sameReg(env, old.reg as Reg, now.reg as Reg, mode, precise);
  if (mode !== "covers" && old.bytes !== now.bytes) return false;
  const oldNumber = numberIn(old, mayReadAnything);
  const number = oldNumber === null ? null : numberIn(now, mayReadAnything);
  if (oldNumber !== null && number !== null) return sameReg(env, oldNumber, number, mode, precise);
  for (let byte = 0; byte < 8; byte += 1) {
    const a = kindOf(old, byte);
    if (a === BYTE.invalid || (a === BYTE.misc && mayReadAnything)) continue;
    const b = kindOf(now, byte);
    if (a !== b && !(a === BYTE.misc && b === BYTE.zero)) return false;
  }
  // The lowest byte says what the slot holds.
  switch (kindOf(old, 0)) {
    case BYTE.spill:
      return sameReg(env, old.reg as Reg, now.reg as Reg, mode, precise);
    case BYTE.dynptr:
    case BYTE.iterator:
    case BYTE.irq: {
      const a = old.reg as Reg;
      const b = now.reg as Reg;
      return sameExtra(a.extra, b.extra) && a.btf === b.btf && env.pruning.ids.same(a.ref, b.ref);
    }
    default:
      return true;
  }
}

/** What a load of all eight bytes gives, where it is a number. */
function numberIn(slot: Slot, mayReadAnything: boolean): Reg | null {
  if (slot.bytes === SPILLED && slot.reg?.kind === "scalar") return slot.reg;
  const unknown = mayReadAnything ? (slot.bytes & MISC_ONLY) === 0 : slot.bytes === ALL_MISC;
  return unknown ? ANY_NUMBER : null;
}

const ALL_MISC = 0o22222222;
