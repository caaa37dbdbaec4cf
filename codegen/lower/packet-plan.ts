/**
 * Decides how each `packet_at` is lowered, before any code is selected.
 *
 * Windows. The check needs the context's `data` and `data_end`. One pair of loads serves every `packet_at` that it
 * reaches on all paths without a call that may move the packet (forward analysis; a local call counts as one). Metadata is
 * a window of its own, from `data_meta` to `data`.
 *
 * Fusing. Where a branch tests the pointer, the bounds check becomes that branch, and the pointer is used directly in
 * the arm where it is present. That needs all other uses to lie in that arm, or on the other edge, where it is null.
 *
 *     p = packet_at ctx, 14, size 20         r3 = r1            ; r1 = data, r2 = data_end
 *     branch p  present absent               r3 += 34
 *     present: load32 p +12                  if r3 > r2 goto absent
 *                                            r4 = *(u32 *)(r1 + 26)
 *
 * A constant offset needs no pointer of its own. A variable one must be small enough for the verifier, which gives up
 * above MAX_PACKET_OFF (65535): an offset not known to be at most MAX_OFFSET is compared first, and what lies beyond
 * counts as not there.
 */
import { callable, LIMITS } from "../../lib/kernel/index.ts";
import type { Dominators } from "../ir/dominators.ts";
import type { Block, IrFunction, PacketAt, Terminator, Value } from "../ir/ir.ts";
import type { MachineReg } from "./mir.ts";
import { maximumOf } from "./range.ts";
import type { Use } from "./uses.ts";

/** Largest offset of a packet access: half of what the verifier can prove, the other half is for sizes. */
export const MAX_OFFSET = LIMITS.packetOffset >> 1;

/** Registers with the packet's first byte and end; loaded where `owner` stands. */
export interface Window {
  readonly owner: PacketAt;
  readonly data: MachineReg;
  readonly end: MachineReg;
}

/** offset = variable + constant; `bounded`: known to be at most MAX_OFFSET. */
export interface PacketOffset {
  readonly variable: Value | null;
  readonly constant: number;
  readonly bounded: boolean;
}

/** The check is made by the branch that ends `block`. The pointer is base + offset. */
export interface Fused {
  readonly block: Block;
  readonly present: Block;
  readonly absent: Block;
  readonly base: MachineReg;
  readonly offset: number;
}

export interface PacketPlan {
  readonly windows: ReadonlyMap<PacketAt, Window>;
  readonly fused: ReadonlyMap<PacketAt, Fused>;
}

export function planPackets(
  fn: IrFunction,
  uses: ReadonlyMap<Value, readonly Use[]>,
  dominators: Dominators,
  newRegister: () => MachineReg,
): PacketPlan {
  const windows = new Map([
    ...findWindows("packet", dominators.order, newRegister),
    ...findWindows("meta", dominators.order, newRegister),
  ]);
  const steady = !fn.blocks.some((b) => b.values.some(movesPacket));
  const fused = new Map<PacketAt, Fused>();
  for (const block of dominators.order) {
    const test = testOf(block.terminator);
    if (test === null || fused.has(test.pointer)) continue;
    if (block !== test.pointer.block && !steady) continue;
    if (!allUsesGuarded(test, block, uses, dominators)) continue;
    const offset = splitOffset(test.pointer.args[1]);
    if (!isReachable(offset)) continue;
    const window = windows.get(test.pointer);
    if (window === undefined) continue;
    const base = offset.variable === null ? window.data : newRegister();
    fused.set(test.pointer, { block, present: test.present, absent: test.absent, base, offset: offset.constant });
  }
  return { windows, fused };
}

/** False when a constant offset is beyond what can be checked. */
export function isReachable(offset: PacketOffset): boolean {
  return offset.constant <= MAX_OFFSET;
}

/** Takes a constant summand out of the offset when the sum provably does not wrap. */
export function splitOffset(offset: Value): PacketOffset {
  if (offset.op === "const")
    return { variable: null, constant: Number(BigInt.asUintN(32, offset.value)), bounded: true };
  if (
    offset.op === "binary" &&
    offset.operator === "add" &&
    offset.args[1].op === "const" &&
    offset.args[1].value >= 0n
  ) {
    const [variable, constant] = offset.args;
    if (maximumOf(variable) + constant.value <= BigInt(MAX_OFFSET)) {
      return { variable, constant: Number(constant.value), bounded: true };
    }
  }
  return { variable: offset, constant: 0, bounded: maximumOf(offset) <= BigInt(MAX_OFFSET) };
}

/** A branch on whether a packet pointer is there; `chain` are the comparisons that only it uses. */
export interface PacketTest {
  readonly pointer: PacketAt;
  readonly present: Block;
  readonly absent: Block;
  readonly chain: readonly Value[];
}

/** What a terminator tests, when that is a packet pointer: p, p != null, p == null, and negations of these. */
export function testOf(t: Terminator): PacketTest | null {
  if (t.op !== "branch") return null;
  const chain: Value[] = [];
  let value = t.condition;
  let straight = true;
  while (value.op === "compare" && isZero(value.args[1]) && (value.operator === "eq" || value.operator === "ne")) {
    if (value.operator === "eq") straight = !straight;
    chain.push(value);
    value = value.args[0];
  }
  if (value.op !== "packet_at") return null;
  const [present, absent] = straight ? [t.then, t.else] : [t.else, t.then];
  return { pointer: value, present, absent, chain };
}

function isZero(value: Value): boolean {
  return value.op === "const" && value.value === 0n;
}

function allUsesGuarded(
  test: PacketTest,
  block: Block,
  uses: ReadonlyMap<Value, readonly Use[]>,
  dominators: Dominators,
): boolean {
  if (test.present.preds.length !== 1) return false;
  if (test.chain.some((c) => uses.get(c)?.length !== 1)) return false;
  const innermost = test.chain.at(-1);
  return (uses.get(test.pointer) ?? []).every((use) => {
    if (use.user === innermost || (innermost === undefined && use.user === block.terminator)) return true;
    if (use.into === test.absent && use.block === block) return true;
    return dominators.dominates(test.present, use.block);
  });
}

/** True for calls after which packet pointers are void. */
function movesPacket(value: Value): boolean {
  if (value.op === "call") return true;
  if (value.op !== "call_helper") return false;
  return callable(value.helper).movesPacket === true;
}

/** Which `packet_at` loaded the window that is valid here: one, none (null), or not known yet (undefined). */
type Available = PacketAt | null | undefined;

function findWindows(
  which: PacketAt["window"],
  order: readonly Block[],
  newRegister: () => MachineReg,
): Map<PacketAt, Window> {
  const atStart = solveAvailability(which, order);
  const windows = new Map<PacketAt, Window>();
  for (const block of order) {
    flow(which, block, atStart.get(block), (value, owner) => {
      const known = windows.get(owner);
      windows.set(value, known ?? { owner, data: newRegister(), end: newRegister() });
    });
  }
  return windows;
}

/** What is available at the start of each block. */
function solveAvailability(which: PacketAt["window"], order: readonly Block[]): Map<Block, Available> {
  const atStart = new Map<Block, Available>();
  const atEnd = new Map<Block, Available>();
  for (let changed = true; changed;) {
    changed = false;
    for (const block of order) {
      // Once nothing reaches a block it stays so: that makes the iteration end.
      const start = atStart.get(block) === null ? null : meetOfPredecessors(block, atEnd);
      const end = flow(which, block, start, () => undefined);
      if (start === atStart.get(block) && end === atEnd.get(block)) continue;
      atStart.set(block, start);
      atEnd.set(block, end);
      changed = true;
    }
  }
  return atStart;
}

function meetOfPredecessors(block: Block, atEnd: ReadonlyMap<Block, Available>): Available {
  if (block.preds.length === 0) return null;
  let found: Available;
  for (const pred of block.preds) {
    const there = atEnd.get(pred);
    if (there === undefined || there === found) continue;
    if (there === null || found !== undefined) return null;
    found = there;
  }
  return found;
}

function flow(
  which: PacketAt["window"],
  block: Block,
  start: Available,
  visit: (value: PacketAt, owner: PacketAt) => void,
): Available {
  let owner = start;
  for (const value of block.values) {
    if (movesPacket(value)) owner = null;
    if (value.op !== "packet_at" || value.window !== which) continue;
    if (owner === undefined || owner === null || owner.args[0] !== value.args[0]) owner = value;
    visit(value, owner);
  }
  return owner;
}
