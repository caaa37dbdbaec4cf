/**
 * Copies: `mov` in its widths, sign-extending moves. A copied number shares its id with the original, so that what a branch
 * finds out about one holds for the other.
 */
import type { Alu, MovSx } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, newId, reject } from "../env.ts";
import { copied, signExtend, zeroExtend } from "../scalar/index.ts";
import type { Reg } from "../state/index.ts";
import { change, ownNumber, withId, withNumber } from "../state/index.ts";
import { immediate, isHidden, needValue, needWritable, sourceOf, unknown } from "./operands.ts";

export function stepMove(env: Env, insn: Alu): number {
  const { dst, width } = insn;
  const { regs } = frameOf(env);
  const source = sourceOf(insn.src);
  if (source < 0) {
    needWritable(env, dst);
    const { imm } = insn.src as { imm: number };
    regs[dst] = immediate(env, width === 64 ? imm : imm >>> 0);
    return env.slot + 1;
  }
  const from = needValue(env, source);
  needWritable(env, dst);
  if (width === 64) {
    const shared = shareable(env, from);
    regs[source] = shared;
    // Only speculation leaves views of a pointer's variable part apart (`guardMove`).
    regs[dst] = isHidden(env, shared) ? withNumber(shared, copied(shared.num)) : shared;
    return env.slot + 1;
  }
  if (isHidden(env, from)) reject(env, "partial_pointer_copy", { register: source });
  if (from.kind !== "scalar") {
    const value = unknown(env);
    regs[dst] = withNumber(value, zeroExtend(value.num, 4));
  } else if (from.num.umaxHi === 0 && env.profile.has("narrow_copies")) {
    const shared = shareable(env, from);
    regs[source] = shared;
    regs[dst] = withNumber(shared, zeroExtend(shared.num, 4));
  } else {
    regs[dst] = ownNumber(from, zeroExtend(from.num, 4));
  }
  return env.slot + 1;
}

export function stepMoveSigned(env: Env, insn: MovSx): number {
  const { dst, src: source, bits, width } = insn;
  const from = needValue(env, source);
  needWritable(env, dst);
  if (isHidden(env, from)) {
    reject(env, "partial_pointer_copy", { register: source });
  }
  const { regs } = frameOf(env);
  if (from.kind !== "scalar") {
    const value = unknown(env);
    regs[dst] = width === 64 ? value : withNumber(value, zeroExtend(value.num, 4));
    return env.slot + 1;
  }
  const bytes = (bits >> 3) as 1 | 2 | 4;
  if (from.num.umaxRounded < 2 ** (bits - 1)) {
    const shared = shareable(env, from);
    regs[source] = shared;
    regs[dst] = withNumber(shared, signExtend(shared.num, bytes, width));
  } else {
    regs[dst] = ownNumber(from, signExtend(from.num, bytes, width));
  }
  return env.slot + 1;
}

/**
 * The register as its copy will be, too: a number that may be several has an id. One that differs from others by a constant
 * starts a class of its own.
 */
export function shareable(env: Env, reg: Reg): Reg {
  if (reg.kind !== "scalar") return reg;
  if (reg.link === 0) return reg.id !== 0 || reg.num.isConst ? reg : withId(reg, newId(env));
  return change(reg, { off: 0, link: 0, id: reg.num.isConst ? 0 : newId(env) });
}
