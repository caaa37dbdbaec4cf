/**
 * Where a value comes from: the steps of a path that made it, moved it, or learned something about it, found by walking back
 * from where it is used. Registers and stack slots that it passed through are followed, into and out of functions.
 */
import type { Insn } from "../../isa/index.ts";
import type { Known } from "./known.ts";
import { takesPointers } from "./losses.ts";
import { calleeAt } from "./subject.ts";
import type { Subject } from "./subject.ts";
import type { Trail } from "./trail.ts";

/**
 *   made     the value (or one that it was computed from) comes from here: a load, a constant, a call's result
 *   computed arithmetic with it
 *   checked  a conditional jump on this path told something about it
 *   lost     the step took its value: a call that clobbers registers, releases what it points to or moves the packet
 */
export type Role = "made" | "computed" | "checked" | "lost";

export interface Origin {
  /** Index into the trail's steps. */
  readonly step: number;
  readonly role: Role;
  /** The place that held the value after the step: a register, or a stack slot (negative: -1 is fp-8). */
  readonly place: number;
  /** What is known of it after the step. */
  readonly known: Known | null;
}

/** How far back: longer paths are loops, whose early rounds tell nothing new. */
const REACH = 20_000;

/** A register is its number; slot n of the stack is -1 - n. */
type Places = Map<string, { frame: number; place: number }>;

const keyOf = (frame: number, place: number): string => `${frame}:${place}`;

/**
 * The steps before step `from` that matter to what `register` holds there, oldest first.
 * @param from - index into the trail's steps, by default the last: the value is the one before this step
 */
export function lineageOf(subject: Subject, trail: Trail, register: number, from = trail.steps.length - 1): Origin[] {
  const start = trail.steps[from];
  if (start === undefined) return [];
  const places: Places = new Map();
  const add = (frame: number, place: number): unknown => places.set(keyOf(frame, place), { frame, place });
  const found: Origin[] = [];
  add(start.frame, register);
  for (let i = from - 1; i >= Math.max(0, from - REACH) && places.size > 0; i--) {
    const { slot, frame } = trail.steps[i] as Trail["steps"][number];
    const insn = subject.insns[slot];
    if (insn === null || insn === undefined) continue;
    const next = trail.steps[i + 1] as Trail["steps"][number];
    const note = (role: Role, place: number): void => {
      const known = place >= 0 ? trail.changed(i, place) : trail.stackChanged(i, -1 - place);
      found.push({ step: i, role, place, known });
    };
    const isWanted = (place: number): boolean => places.has(keyOf(frame, place));
    const take = (place: number): boolean => places.delete(keyOf(frame, place));

    if (next.frame > frame) enter(places, frame, next.frame, note);
    else if (next.frame < frame) leave(places, frame, next.frame);
    else {
      const written = writtenBy(insn);
      if (written !== null && isWanted(written)) {
        const sources = sourcesOf(insn);
        if (!isCopy(insn)) note(sources.length > 0 && insn.kind !== "load" ? "computed" : "made", written);
        if (!keepsOld(insn)) take(written);
        for (const source of sources) add(frame, source);
      } else if (insn.kind === "call") {
        for (let r = 1; r <= 5; r++) if (isWanted(r) && take(r)) note("lost", r);
      }
      if (insn.kind === "jump_if") {
        const operands = [insn.dst as number, ...("reg" in insn.src ? [insn.src.reg as number] : [])];
        const checked = operands.find(isWanted) ?? changedOf(trail, i, places, frame);
        if (checked !== undefined) note("checked", checked);
      } else if (written === null || !isWanted(written)) {
        const lost = changedOf(trail, i, places, frame);
        if (lost !== undefined && isLost(trail, i, lost)) {
          found.push({ step: takerOf(subject, trail, i), role: "lost", place: lost, known: null });
        }
      }
    }
  }
  return found.reverse().filter((origin, i) => origin.role !== "lost" || isLoss(found, i));
}

/** What was a number before is none that was lost. */
function isLoss(found: readonly Origin[], at: number): boolean {
  const before = found.slice(0, at).findLast(({ known }) => known !== null)?.known;
  return before?.kind !== "scalar";
}

/** A wanted place of the frame that the step changed without naming it. */
function changedOf(trail: Trail, step: number, places: Places, frame: number): number | undefined {
  for (const wanted of places.values()) {
    if (wanted.frame !== frame) continue;
    const { place } = wanted;
    const known = place >= 0 ? trail.changed(step, place) : trail.stackChanged(step, -1 - place);
    if (known !== null) return place;
  }
  return undefined;
}

/** The place holds no pointer any more. */
function isLost(trail: Trail, step: number, place: number): boolean {
  const known = place >= 0 ? trail.changed(step, place) : trail.stackChanged(step, -1 - place);
  return known !== null && (known.kind === "none" || known.kind === "scalar");
}

/**
 * The call that took a value, from the step where that was noticed on: a kernel's log shows what a call took only when the
 * register is next used.
 */
function takerOf(subject: Subject, trail: Trail, noticed: number): number {
  for (let i = noticed; i >= Math.max(0, noticed - REACH); i--) {
    const callee = calleeAt(subject, trail.steps[i]?.slot ?? -1);
    if (callee !== null && takesPointers(callee)) return i;
  }
  return noticed;
}

/** The step calls a function: what its r1 to r5 hold is what the caller's held. Other registers of the caller stay wanted. */
function enter(places: Places, caller: number, callee: number, note: (role: Role, place: number) => void): void {
  for (const [key, { frame, place }] of places) {
    if (frame !== callee) continue;
    places.delete(key);
    if (place >= 1 && place <= 5) places.set(keyOf(caller, place), { frame: caller, place });
    else note("lost", place);
  }
}

/** The step returns from a function: the caller's r0 is the callee's; its r1 to r5 are lost. */
function leave(places: Places, callee: number, caller: number): void {
  if (places.delete(keyOf(caller, 0))) places.set(keyOf(callee, 0), { frame: callee, place: 0 });
  for (let r = 1; r <= 5; r++) places.delete(keyOf(caller, r));
}

function isCopy(insn: Insn): boolean {
  return (
    (insn.kind === "alu" && insn.op === "mov" && "reg" in insn.src) ||
    (insn.kind === "load" && insn.base === 10) ||
    (insn.kind === "store" && insn.base === 10 && "reg" in insn.src)
  );
}

/** The old value of the place is part of the new one. */
function keepsOld(insn: Insn): boolean {
  return (insn.kind === "alu" && insn.op !== "mov") || insn.kind === "neg" || insn.kind === "swap";
}

/** Slot of the stack that an 8-byte aligned offset from r10 is in, as a place. */
const stackPlace = (off: number): number => -1 - Math.floor((-off - 1) / 8);

/** The place that an instruction writes. */
function writtenBy(insn: Insn): number | null {
  switch (insn.kind) {
    case "alu":
    case "movsx":
    case "neg":
    case "swap":
    case "load":
    case "load_acquire":
    case "load_imm64":
    case "addr_space_cast":
      return insn.dst;
    case "load_packet":
    case "call":
      return 0;
    case "store":
      return insn.base === 10 && insn.off < 0 ? stackPlace(insn.off) : null;
    case "atomic":
      if (insn.op === "cmpxchg") return 0;
      return insn.op === "xchg" || insn.op.startsWith("fetch") ? insn.src : null;
    case "store_release":
    case "jump":
    case "jump_if":
    case "may_goto":
    case "exit":
      return null;
  }
}

/** The places that what is written is made of, but for the place itself. */
function sourcesOf(insn: Insn): number[] {
  switch (insn.kind) {
    case "alu":
    case "store":
      return "reg" in insn.src ? [insn.src.reg] : [];
    case "movsx":
    case "addr_space_cast":
      return [insn.src];
    case "load":
      return insn.base === 10 && insn.off < 0 ? [stackPlace(insn.off)] : [];
    default:
      return [];
  }
}
