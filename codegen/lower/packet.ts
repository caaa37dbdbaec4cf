/** Packet access: the loads of the window and the bounds check that packet-plan.ts decided on. */
import { CONTEXTS } from "../../lib/kernel/index.ts";
import type { PacketAt, Value } from "../ir/ir.ts";
import type { Lowering } from "./context.ts";
import type { Condition, MachineReg } from "./mir.ts";
import { isReachable, MAX_OFFSET, splitOffset, type PacketOffset, type Window } from "./packet-plan.ts";

/** A `packet_at` where it stands: the window's loads, a pointer that is wanted early, or the whole unfused check. */
export function packetAt(l: Lowering, value: PacketAt): boolean {
  const window = windowOf(l, value);
  const fused = l.packets.fused.get(value);
  if (window.owner === value) loadWindow(l, value, window);
  if (fused === undefined) {
    if (l.isWanted(value)) unfused(l, value, window);
  } else if (l.isWanted(value) && splitOffset(value.args[1]).variable === null) {
    // A constant offset: the pointer may be made before the check, which covers all pointers with the same base.
    pointerTo(l, l.result(value), window.data, fused.offset);
  }
  return true;
}

/** Conditions that mean "not there", in order, for the branch that ends the block; each after its own instructions. */
export function fusedChecks(l: Lowering, value: PacketAt): (() => Condition)[] {
  const window = windowOf(l, value);
  const offset = splitOffset(value.args[1]);
  const fused = l.packets.fused.get(value);
  const base = fused?.base ?? window.data;
  const checks: (() => Condition)[] = [];
  if (!offset.bounded) checks.push(() => tooFar(l, offset));
  checks.push(() => {
    if (offset.variable !== null) {
      variablePointer(l, base, window, offset);
      if (l.isWanted(value)) pointerTo(l, l.result(value), base, offset.constant);
    }
    return beyondEnd(l, base, offset.constant + value.size, window);
  });
  return checks;
}

/** p = 0; unless a check fails: p = the pointer. */
function unfused(l: Lowering, value: PacketAt, window: Window): void {
  const offset = splitOffset(value.args[1]);
  const dst = l.result(value);
  l.alu("mov", 64, dst, { imm: 0 });
  if (!isReachable(offset)) return;
  const checked = (): void => {
    const base = offset.variable === null ? window.data : l.temp();
    if (offset.variable !== null) variablePointer(l, base, window, offset);
    l.skipIf(beyondEnd(l, base, offset.constant + value.size, window), () => pointerTo(l, dst, base, offset.constant));
  };
  if (offset.bounded) checked();
  else l.skipIf(tooFar(l, offset), checked);
}

function windowOf(l: Lowering, value: PacketAt): Window {
  const window = l.packets.windows.get(value);
  if (window === undefined) throw new Error("packet_at without a window");
  return window;
}

/** One direct load each, at a constant offset from the untouched context register: the verifier accepts nothing else. */
function loadWindow(l: Lowering, value: PacketAt, window: Window): void {
  const [ctx] = value.args;
  const fields = ctx.origin?.kind === "ctx" ? CONTEXTS[ctx.origin.context][value.window] : null;
  if (fields === null)
    l.fail("C018", `${value.window} access in a program whose context has no ${value.window}`, value.place);
  if (value.size > MAX_OFFSET) {
    l.fail("C018", `a packet access of ${value.size} bytes`, value.place, {
      remedy: `access at most ${MAX_OFFSET} bytes at a time`,
    });
  }
  const { base, off } = l.address(ctx, 0);
  const { size } = fields;
  l.emit({ kind: "load", size, signed: false, dst: window.data, base, off: off + fields.data });
  l.emit({ kind: "load", size, signed: false, dst: window.end, base, off: off + fields.dataEnd });
}

/** 64 bits wide: what a byte swap left is unknown to the verifier in all of them. */
function tooFar(l: Lowering, offset: PacketOffset): Condition {
  const variable = offset.variable;
  if (variable === null) throw new Error("a constant offset needs no bound");
  const condition: Condition = { op: "gt", width: 64, dst: l.reg(variable), src: { imm: MAX_OFFSET } };
  return condition;
}

function variablePointer(l: Lowering, base: MachineReg, window: Window, offset: PacketOffset): void {
  l.move(base, window.data);
  if (offset.variable === null) return;
  let by = l.reg(offset.variable);
  if (isLinkedFar(offset.variable)) {
    // Known to be at most MAX_OFFSET by now: the mask changes nothing but the link.
    const unlinked = l.temp();
    l.move(unlinked, by);
    l.alu("and", 64, unlinked, { imm: MAX_OFFSET });
    by = unlinked;
  }
  l.alu("add", 64, base, { reg: by });
}

// BPF_MAX_VAR_OFF, include/linux/bpf_verifier.h.
const MAX_LINK = 1n << 29n;

/**
 * The verifier (seen on Linux 6.18) remembers of x + constant how far it is from x, and takes that for an offset
 * when the sum is added to a pointer: from 2^29 on it refuses ("pkt pointer offset 2147483647 is not allowed"), whatever
 * the sum is known to be.
 */
function isLinkedFar(value: Value, depth = 4): boolean {
  if (depth === 0) return true;
  switch (value.op) {
    case "binary": {
      const [, by] = value.args;
      if (value.operator !== "add" && value.operator !== "sub") return false;
      return (
        by.op === "const" && (by.value >= MAX_LINK || by.value <= -MAX_LINK || isLinkedFar(value.args[0], depth - 1))
      );
    }
    case "unary":
      return isLinkedFar(value.args[0], depth - 1);
    case "phi":
      return [...value.inputs.values()].some((v) => isLinkedFar(v, depth - 1));
    case "select":
      return isLinkedFar(value.args[1], depth - 1) || isLinkedFar(value.args[2], depth - 1);
    default:
      return false;
  }
}

function pointerTo(l: Lowering, dst: MachineReg, base: MachineReg, offset: number): void {
  l.move(dst, base);
  if (offset !== 0) l.alu("add", 64, dst, { imm: offset });
}

function beyondEnd(l: Lowering, base: MachineReg, distance: number, window: Window): Condition {
  const past = l.temp();
  pointerTo(l, past, base, distance);
  return { op: "gt", width: 64, dst: past, src: { reg: window.end } };
}
