/**
 * Jumps. A condition whose outcome is known is followed; else the taken branch waits (`env.pending`) and the walk falls through,
 * each with what the condition tells about registers: bounds of numbers, packet ranges, null checks.
 */
import type { Jump, JumpIf, JumpOp, MayGoto } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, reject } from "../env.ts";
import { markPrecise, previousEntry, recordHistory, widen } from "../prune/index.ts";
import { branchTaken, branchTakenByConstant, refine, refineByConstant, smallConstant } from "../scalar/index.ts";
import type { Linked, Reg, State } from "../state/index.ts";
import { topFrame, withNumber } from "../state/index.ts";
import { releaseById } from "./held.ts";
import { collectLinked, followLinked } from "./linked.ts";
import { isNotNull, mayBeNull, notNull, resolveNull } from "./nulls.ts";
import { immediate, isHidden, needValue, sourceOf } from "./operands.ts";
import { isPacketKind, packetBranch, provePackets } from "./packets.ts";
import { pushPath } from "./paths.ts";
import { guessOtherwise } from "./speculation.ts";

export function stepJump(env: Env, insn: Jump): number {
  return env.slot + 1 + insn.delta;
}

export function stepJumpIf(env: Env, insn: JumpIf): number {
  const { op, width, dst } = insn;
  needValue(env, dst);
  const source = sourceOf(insn.src);
  if (source >= 0) {
    const b = needValue(env, source);
    const isPacketPair = isPacketKind(b) && isPacketKind(frameOf(env).regs[dst] as Reg);
    if (!isPacketPair && isHidden(env, b)) reject(env, "pointer_comparison", { register: source });
  }
  const { regs } = frameOf(env);
  const a = regs[dst] as Reg;
  const b = source < 0 ? immediate(env, (insn.src as { imm: number }).imm) : (regs[source] as Reg);

  const stackOperands = (a.kind === "stack" ? 1 : 0) | (b.kind === "stack" ? 2 : 0);
  if (stackOperands !== 0) recordHistory(env, { stackOperands });

  const taken = outcome(env, op, width, a, b);
  if (taken === null) {
    branch(env, insn, source, b);
    env.trace?.branched(env);
    return env.slot + 1;
  }
  if (a.kind === "scalar") markPrecise(env, dst);
  if (source >= 0 && b.kind === "scalar") markPrecise(env, source);
  guessOtherwise(env, taken ? env.slot + 1 : env.slot + 1 + insn.delta, dst, source);
  env.trace?.branched(env);
  return taken ? env.slot + 1 + insn.delta : env.slot + 1;
}

/** Which way the jump goes, null when it may go either way. */
function outcome({ profile }: Env, op: JumpOp, width: JumpIf["width"], a: Reg, b: Reg): boolean | null {
  if (a.kind === "scalar" && b.kind === "scalar")
    return profile.has("range_comparisons")
      ? branchTaken(op, width, a.num, b.num)
      : branchTakenByConstant(op, width, a.num, b.num, profile.has("equality_by_range"));
  if (width === 64 && isPacketKind(a) && isPacketKind(b)) return packetBranch(op, a, b);
  // a valid pointer is not 0; Linux 6.18 takes that for its low half, too
  if (!isNotNull(isZero(b, width) ? a : b) || !(isZero(a, width) || isZero(b, width))) return null;
  if (op === "eq") return false;
  return op === "ne" ? true : null;
}

function isZero({ kind, num }: Reg, width: number): boolean {
  if (kind !== "scalar") return false;
  return width === 64 ? smallConstant(num) === 0 : num.isConst32 && num.bitsLo === 0;
}

/** Both ways: the taken branch waits with its state, the walk goes on below the jump. */
function branch(env: Env, insn: JumpIf, source: number, constantSource: Reg): void {
  const { op, width, dst } = insn;
  const here = env.state;
  const { regs } = frameOf(env);
  const isRegister = source >= 0;
  let linked: readonly Linked[] = NOTHING_LINKED;
  const b = isRegister ? (regs[source] as Reg) : constantSource;
  const a = regs[dst] as Reg;
  const isLinkedA = a.kind === "scalar" && a.id !== 0;
  const isLinkedB = isRegister && b.kind === "scalar" && b.id !== 0;
  if (isLinkedA || isLinkedB) {
    const places: Linked[] = [];
    if (isLinkedB) collectLinked(env, b.id, places);
    if (isLinkedA) collectLinked(env, a.id, places);
    linked = places;
    if (linked.length > 1) recordHistory(env, { linked });
  }

  const other = pushPath(env, env.slot + 1 + insn.delta);
  const otherRegs = topFrame(other).regs;
  if (a.kind === "scalar" && b.kind === "scalar") {
    const learn = env.profile.has("range_comparisons") ? refine : refineByConstant;
    const known = learn(op, width, (regs[dst] as Reg).num, b.num, source === dst);
    if (isRegister) {
      otherRegs[source] = withNumber(otherRegs[source] as Reg, known.taken[1]);
      regs[source] = withNumber(regs[source] as Reg, known.fallThrough[1]);
    }
    otherRegs[dst] = withNumber(otherRegs[dst] as Reg, known.taken[0]);
    regs[dst] = withNumber(regs[dst] as Reg, known.fallThrough[0]);
    if (isLinkedB && (regs[source] as Reg).id !== 0) {
      followLinked(here, regs[source] as Reg, linked);
      followLinked(other, otherRegs[source] as Reg, linked);
    }
    if (isLinkedA && (regs[dst] as Reg).id !== 0) {
      followLinked(here, regs[dst] as Reg, linked);
      followLinked(other, otherRegs[dst] as Reg, linked);
    }
    return;
  }
  learnOfPointers(env, insn, source, b, other);
}

const NOTHING_LINKED: readonly Linked[] = [];

function learnOfPointers(env: Env, insn: JumpIf, source: number, b: Reg, other: State): void {
  const { op, width, dst } = insn;
  const here = env.state;
  const { regs } = frameOf(env);
  const a = regs[dst] as Reg;
  if (width === 64 && source >= 0) {
    if (a.kind !== "scalar" && b.kind !== "scalar" && env.profile.has("equal_pointers"))
      learnOfEquality(op, dst, source, a, b, topFrame(other).regs, regs);
    if (provePackets(op, a, b, [dst, source], other, here)) return;
  }
  const isNullCheck = width === 64 && source < 0 && (op === "eq" || op === "ne") && smallConstant(b.num) === 0;
  if (isNullCheck && mayBeNull(a)) {
    checkedForNull(env, here, a, op === "ne");
    checkedForNull(env, other, a, op === "eq");
    return;
  }
  if (isHidden(env, a)) reject(env, "pointer_comparison", { register: dst });
}

/** Of two equal pointers of which one is not null the other is not, either. Objects' pointers may be null without saying so. */
function learnOfEquality(
  op: JumpOp,
  dst: number,
  source: number,
  a: Reg,
  b: Reg,
  taken: Reg[],
  fallThrough: Reg[],
): void {
  if (a.kind === "object" || b.kind === "object") return;
  if (op !== "eq" && op !== "ne") return;
  const equal = op === "eq" ? taken : fallThrough;
  if (!mayBeNull(a) && mayBeNull(b)) equal[source] = notNull(equal[source] as Reg);
  if (!mayBeNull(b) && mayBeNull(a)) equal[dst] = notNull(equal[dst] as Reg);
}

function checkedForNull(env: Env, state: State, pointer: Reg, isNull: boolean): void {
  const { id, ref } = pointer;
  // nothing was acquired after all
  if (isNull && ref !== 0 && ref === id) releaseById(state, id);
  resolveNull(env, state, id, isNull);
}

export function stepMayGoto(env: Env, insn: MayGoto): number {
  const { parent } = env.state;
  const through = pushPath(env, env.slot + 1);
  through.mayGoto++;
  // The parent was stored right here; the turn before is above it.
  const before = parent === null ? null : previousEntry(env, parent, env.slot);
  if (before !== null) widen(env, before, through);
  return env.slot + 1 + insn.delta;
}
