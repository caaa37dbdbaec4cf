/**
 * Signed division and remainder below v4, without branches. With s = x >> 63 (all ones for a negative x, else 0),
 * (x ^ s) - s is |x|, and applying it again gives the sign back:
 *
 *     a / b = sign(a ^ b) of (|a| / |b|)          a % b = sign(a) of (|a| % |b|)
 *
 * By zero and for the least number divided by -1 this gives what `sdiv` and `smod` do (RFC 9669 §4.1).
 */
import type { Width } from "../../lib/isa/index.ts";
import type { Binary, Value } from "../ir/ir.ts";
import { widthOf, type Lowering } from "./context.ts";
import type { MachineReg } from "./mir.ts";

export function divideSigned(l: Lowering, value: Binary): boolean {
  const width = widthOf(value);
  const [a, b] = value.args;
  const quotient = value.operator === "div_s";
  const dst = l.result(value);
  const sign = l.temp();
  l.move(dst, l.at(a, width));
  signOf(l, sign, dst, width);
  flip(l, dst, sign, width);
  const divisor = magnitude(l, b, width, quotient ? sign : null);
  l.alu(quotient ? "div" : "mod", width, dst, { reg: divisor });
  flip(l, dst, sign, width);
  return true;
}

/** |b| in a fresh register; its sign is mixed into `sign`. */
function magnitude(l: Lowering, b: Value, width: Width, sign: MachineReg | null): MachineReg {
  const divisor = l.temp();
  l.move(divisor, l.at(b, width));
  const own = l.temp();
  signOf(l, own, divisor, width);
  flip(l, divisor, own, width);
  if (sign !== null) l.alu("xor", width, sign, { reg: own });
  return divisor;
}

/** All ones when negative, else 0. */
function signOf(l: Lowering, dst: MachineReg, of: MachineReg, width: Width): void {
  l.move(dst, of);
  l.alu("arsh", width, dst, { imm: width - 1 });
}

/** Negates where the sign is all ones. */
function flip(l: Lowering, dst: MachineReg, sign: MachineReg, width: Width): void {
  l.alu("xor", width, dst, { reg: sign });
  l.alu("sub", width, dst, { reg: sign });
}
