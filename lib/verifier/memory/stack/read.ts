/** Loads from the stack: fills of spilled registers, numbers, and loads whose place is not known exactly. */
import { reject } from "../../env.ts";
import type { Env } from "../../env.ts";
import { markStackRead, recordHistory } from "../../prune/index.ts";
import { BYTE, kindOf, ownNumber } from "../../state/index.ts";
import type { Frame, Reg, Slot } from "../../state/index.ts";
import { isHidden, unknown } from "../../step/index.ts";
import { isZero, readsUninitialised, zeroNumber } from "../registers.ts";
import { leastOffset, stackRange } from "./bounds.ts";
import { readRange } from "./range.ts";
import { frameOfPointer, isSpill, slotOf } from "./slots.ts";
import { fits } from "./write.ts";

/**
 * `size` aligned bytes at `off` from the frame pointer, within the stack. `used`: the value goes to a register; else the
 * bytes are only looked at (atomics). What is loaded, not yet cut to its size.
 */
export function readStack(env: Env, register: number, base: Reg, off: number, size: number, used: boolean): Reg {
  if (base.num.isConst) return readFixed(env, frameOfPointer(env, base), leastOffset(base, off), size, used);
  if (!used) reject(env, "stack_variable", { register });
  readRange(env, register, base, off, size, { zeroAllowed: false, write: false });
  const [least, greatest] = stackRange(base, off);
  return onlyZeros(frameOfPointer(env, base), least, greatest + size) ? zeroNumber(env) : unknown(env);
}

function readFixed(env: Env, frame: Frame, off: number, size: number, used: boolean): Reg {
  const index = slotOf(off);
  const slot = frame.slots[index] as Slot;
  markStackRead(env, frame.number, index);
  if (!isSpill(slot)) {
    checkWritten(env, slot, off, size);
    return onlyZeros(frame, off, off + size) ? zeroNumber(env) : unknown(env);
  }
  const reg = slot.reg as Reg;
  const whole = size === 8 && kindOf(slot, 7) === BYTE.spill && spilledBytes(slot) === 8;
  if (whole) {
    if (!used && isHidden(env, reg)) reject(env, "pointer_leak", { where: "the stack", offset: off });
    recordHistory(env, { stack: { frame: frame.number, slot: index } });
    return reg;
  }
  if (reg.kind !== "scalar") reject(env, "partial_fill", { offset: off, size });
  return used ? readPart(env, frame, index, slot, reg, off, size) : unknown(env);
}

/** Part of a slot that holds a spilled number, or more than what was spilled. */
function readPart(env: Env, frame: Frame, index: number, slot: Slot, reg: Reg, off: number, size: number): Reg {
  const stack = { frame: frame.number, slot: index };
  if (size !== spilledBytes(slot) && !env.profile.has("narrow_fills")) {
    checkPart(env, slot, off, size);
    return unknown(env);
  }
  if (size <= spilledBytes(slot) && (off & 7) === 0) {
    recordHistory(env, { stack });
    // Cut off bits make it another number than the register that it came from.
    return fits(reg, size) ? reg : ownNumber(reg, reg.num);
  }
  checkPart(env, slot, off, size);
  if (isZero(reg) && allOf(slot, off, size, BYTE.spill)) {
    recordHistory(env, { stack });
    return zeroNumber(env);
  }
  return allOf(slot, off, size, BYTE.zero) ? zeroNumber(env) : unknown(env);
}

/** Bytes of the register that was spilled to the slot. */
function spilledBytes(slot: Slot): number {
  let count = 1;
  while (count < 8 && kindOf(slot, count) === BYTE.spill) count++;
  return count;
}

function allOf(slot: Slot, off: number, size: number, kind: number): boolean {
  for (let i = 0; i < size; i++) if (kindOf(slot, (off + i) & 7) !== kind) return false;
  return true;
}

function checkPart(env: Env, slot: Slot, off: number, size: number): void {
  for (let i = 0; i < size; i++) {
    const kind = kindOf(slot, (off + i) & 7);
    if (kind !== BYTE.spill) checkByte(env, kind, off, i, size);
  }
}

function checkWritten(env: Env, slot: Slot, off: number, size: number): void {
  for (let i = 0; i < size; i++) checkByte(env, kindOf(slot, (off + i) & 7), off, i, size);
}

/** A byte that is a number by itself. */
function checkByte(env: Env, kind: number, off: number, byte: number, size: number): void {
  if (kind === BYTE.misc || kind === BYTE.zero) return;
  if (kind === BYTE.invalid && readsUninitialised(env)) return;
  reject(env, "uninitialised_stack", { offset: off + byte, start: off, size });
}

function onlyZeros(frame: Frame, from: number, to: number): boolean {
  for (let off = from; off < to; off++)
    if (kindOf(frame.slots[slotOf(off)] as Slot, off & 7) !== BYTE.zero) return false;
  return true;
}
