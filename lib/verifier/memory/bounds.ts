/**
 * Bounds of a region that starts at a pointer's base: fixed offset plus variable part, at their least and at their greatest.
 */
import { smallConstant } from "../scalar/index.ts";
import { reject } from "../env.ts";
import type { Env } from "../env.ts";
import type { Facts } from "../outcome.ts";
import type { ReasonCode } from "../reasons/index.ts";
import type { Reg } from "../state/index.ts";

/** A variable part from here on counts as unbounded. Source: BPF_MAX_VAR_OFF, BPF_MAX_VAR_SIZ. */
export const VARIABLE_LIMIT = 1 << 29;

/**
 * `size` bytes at `off` (the pointer's own constant included) of a region of `limit` bytes.
 * `outside` is the reason when they are not all in it; its facts are offset, size and limit.
 */
export function checkBounds(
  env: Env,
  register: number,
  reg: Reg,
  off: number,
  size: number,
  limit: number,
  zeroAllowed: boolean,
  outside: ReasonCode,
): void {
  const constant = smallConstant(reg.num);
  if (constant !== null && constant >= 0 && constant < VARIABLE_LIMIT) {
    checkWithin(env, register, constant + off, size, limit, zeroAllowed, outside);
    return;
  }
  const least = reg.num.sminRounded;
  if (least < 0 && (least + off < 0 || least + off > 0x7fffffff)) reject(env, "negative_offset", { register });
  checkWithin(env, register, least + off, size, limit, zeroAllowed, outside);
  const greatest = reg.num.umaxRounded;
  if (greatest >= VARIABLE_LIMIT) reject(env, "unbounded_access", { register });
  checkWithin(env, register, greatest + off, size, limit, zeroAllowed, outside);
}

function checkWithin(
  env: Env,
  register: number,
  offset: number,
  size: number,
  limit: number,
  zeroAllowed: boolean,
  outside: ReasonCode,
): void {
  if (within(offset, size, limit, zeroAllowed)) return;
  const facts: Facts = { register, offset, size, limit };
  reject(env, outside, facts);
}

export function within(offset: number, size: number, limit: number, zeroAllowed: boolean): boolean {
  return offset >= 0 && (size > 0 || (size === 0 && zeroAllowed)) && offset + size <= limit;
}
