/** Stores to the stack: spills of registers, numbers, and stores whose place is not known exactly. */
import { frameOf, newId, regOf, reject, setReg } from "../../env.ts";
import type { Env } from "../../env.ts";
import { markPrecise, markStackWrite, recordHistory } from "../../prune/index.ts";
import { BYTE, change, filled, kindOf, ownFrame, ownNumber, ownSlots } from "../../state/index.ts";
import type { ByteKind, OwnFrame, Reg, RegKind, Slot } from "../../state/index.ts";
import { immediate } from "../../step/index.ts";
import { isZero } from "../registers.ts";
import { barrierBehind } from "./speculation.ts";
import { destroyDynptr, isSpecial, isSpill, scrubbed, slotOf, spilled } from "./slots.ts";
import { leastOffset, stackRange } from "./bounds.ts";

/** Pointers that cannot be kept on the stack: their slot holds some number afterwards. */
const NOT_SPILLABLE: ReadonlySet<RegKind> = new Set(["none", "scalar", "tp_buffer", "dynptr"]);

/** The number has no bits above `size` bytes: it keeps its relation to the register that it came from. */
export function fits({ num }: Reg, size: number): boolean {
  return size === 8 || num.umaxRounded < 2 ** (8 * size);
}

/**
 * `size` aligned bytes at `off` from the frame pointer, within the stack. The value is in register `value`; -1: the current
 * instruction's immediate, or what a callee writes.
 */
export function writeStack(env: Env, base: Reg, off: number, size: number, value: number): void {
  const frame = ownFrame(env.state, base.frame);
  if (base.num.isConst) writeFixed(env, frame, leastOffset(base, off), size, value);
  else writeVariable(env, frame, base, off, size, value);
}

function writeFixed(env: Env, frame: OwnFrame, off: number, size: number, value: number): void {
  const index = slotOf(off);
  const byte = off & 7;
  const before = frame.slots[index] as Slot;
  const reg = value >= 0 ? regOf(env, value) : null;
  if (!env.privileges.perfmon) checkUnprivileged(env, before, reg, off, size);
  destroyDynptr(env, frame, index);
  if (size === 8) markStackWrite(env, frame.number, index);
  const kept = byte === 0 ? spillOf(env, frame, reg, size, value) : spillOfPart(env, reg, size);
  if (kept !== null) {
    const { bytes } = frame.slots[index] as Slot;
    ownSlots(frame)[index] = { bytes: spilled(bytes, size), reg: kept };
    recordHistory(env, { stack: { frame: frame.number, slot: index } });
    return;
  }
  let kind: ByteKind = BYTE.misc;
  if (reg === null ? storedImmediate(env) === 0 : isZero(reg)) {
    // The slot forgets which register the zero came from, so the register has to be exactly zero for good.
    if (value >= 0) markPrecise(env, value);
    kind = BYTE.zero;
  }
  overwrite(frame, index, byte, size, kind);
}

function checkUnprivileged(env: Env, before: Slot, reg: Reg | null, off: number, size: number): void {
  if (isSpill(before) && before.reg?.kind !== "scalar" && size !== 8)
    reject(env, "broken_pointer_on_stack", { offset: off, size });
  let guarded = reg !== null && !NOT_SPILLABLE.has(reg.kind);
  for (let i = 0; i < size && !guarded; i++) {
    const kind = kindOf(before, (off + i) & 7);
    guarded = kind !== BYTE.misc && kind !== BYTE.zero;
  }
  if (guarded) barrierBehind(env);
}

/** The register to keep in a slot written from its lowest byte on; null when the bytes are just numbers. */
function spillOf(env: Env, frame: OwnFrame, reg: Reg | null, size: number, value: number): Reg | null {
  if (reg !== null && reg.kind === "scalar") {
    if (!env.privileges.bpf || (size < 8 && !env.profile.has("narrow_spills"))) return null;
    return fits(reg, size) ? related(env, reg, value) : ownNumber(reg, reg.num);
  }
  if (reg === null) {
    const known = env.privileges.bpf && env.profile.has("stored_immediates");
    const stored = known ? storedImmediate(env) : null;
    return stored === null ? null : immediate(env, stored);
  }
  if (NOT_SPILLABLE.has(reg.kind)) return null;
  if (size !== 8) reject(env, "partial_fill", { register: value, size });
  if (frame !== frameOf(env) && reg.kind === "stack") reject(env, "pointer_to_caller", { register: value });
  return reg;
}

/** A pointer cannot be stored in pieces, or across slots. */
function spillOfPart(env: Env, reg: Reg | null, size: number): null {
  if (reg !== null && !NOT_SPILLABLE.has(reg.kind)) reject(env, "partial_fill", { size });
  return null;
}

/** A number and its copy share an id, so that what is learnt of one holds for the other. */
function related(env: Env, reg: Reg, register: number): Reg {
  if (reg.link === 0 && (reg.id !== 0 || reg.num.isConst)) return reg;
  const shared = change(reg, { id: reg.num.isConst ? 0 : newId(env), link: 0, off: 0 });
  setReg(env, register, shared);
  return shared;
}

/** What the current instruction stores; null when it is no store of an immediate. */
export function storedImmediate(env: Env): number | null {
  const insn = env.program.insns[env.slot];
  return insn?.kind === "store" && "imm" in insn.src ? insn.src.imm : null;
}

/** Bytes of a slot are numbers now; whatever else was in the slot is gone. */
export function overwrite(frame: OwnFrame, index: number, byte: number, size: number, kind: ByteKind): void {
  const slot = frame.slots[index] as Slot;
  const mask = ((1 << (size * 3)) - 1) << (byte * 3);
  const rest = isSpecial(slot.bytes) ? scrubbed(slot.bytes) : slot.bytes;
  ownSlots(frame)[index] = { bytes: (rest & ~mask) | (filled(kind) & mask), reg: null };
}

/** Every byte that may be written is a number afterwards, unless a zero is written to where a zero is. */
function writeVariable(env: Env, frame: OwnFrame, base: Reg, off: number, size: number, value: number): void {
  if (!env.profile.has("variable_stack")) reject(env, "stack_variable", { offset: off, size });
  const [least, greatest] = stackRange(base, off);
  const end = greatest + size;
  const zero = value >= 0 ? isZero(regOf(env, value)) : env.profile.has("stored_zeros") && storedImmediate(env) === 0;
  const keepsSpills = zero && env.profile.has("spilled_zeros");
  for (let index = slotOf(least); index >= slotOf(end - 1); index--) destroyDynptr(env, frame, index);
  let zeroMatters = false;
  for (let index = slotOf(least); index >= slotOf(end - 1); index--) {
    const lowest = -8 * (index + 1);
    const from = Math.max(least - lowest, 0);
    const to = Math.min(end - lowest, 8);
    if (!env.privileges.perfmon) checkOnlyNumbers(env, frame.slots[index] as Slot, lowest, from, to);
    if (!writeMaybe(frame, index, from, to, zero, keepsSpills)) continue;
    zeroMatters = true;
  }
  if (zeroMatters && value >= 0) markPrecise(env, value);
}

/** The write may not happen here, so it must not hide that there was a pointer, or nothing at all. */
function checkOnlyNumbers(env: Env, slot: Slot, lowest: number, from: number, to: number): void {
  for (let byte = from; byte < to; byte++) {
    const kind = kindOf(slot, byte);
    if (kind !== BYTE.misc && kind !== BYTE.zero)
      reject(env, "stack_unprivileged", {
        what: "a store may hit a pointer, or bytes that were never written",
        offset: lowest + byte,
      });
  }
}

/** Bytes `from` to `to` of a slot may be written. True when some are known to be zero because a zero is written. */
function writeMaybe(
  frame: OwnFrame,
  index: number,
  from: number,
  to: number,
  zero: boolean,
  keepsSpills: boolean,
): boolean {
  const slot = frame.slots[index] as Slot;
  const zeroSpilled = keepsSpills && isSpill(slot) && slot.reg !== null && isZero(slot.reg);
  let { bytes, reg } = slot;
  let used = false;
  for (let byte = from; byte < to; byte++) {
    if (zeroSpilled && ((bytes >> (byte * 3)) & 7) === BYTE.spill) {
      used = true;
      continue;
    }
    if (isSpecial(bytes)) bytes = scrubbed(bytes);
    reg = null;
    if (zero && ((bytes >> (byte * 3)) & 7) === BYTE.zero) {
      used = true;
      continue;
    }
    bytes = (bytes & ~(7 << (byte * 3))) | (BYTE.misc << (byte * 3));
  }
  ownSlots(frame)[index] = { bytes, reg };
  return used;
}
