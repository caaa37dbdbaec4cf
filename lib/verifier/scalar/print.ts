/** Scalars in the notation of the kernel's log, which unites equal bounds: `smin=umin=1,smax=umax=7,var_off=(0x0; 0x7)`. */
import type { Scalar } from "./scalar.ts";

/** The attributes as they stand in the parentheses of `scalar(...)`; of a constant the number. Empty where nothing is known. */
export function printScalar(s: Scalar): string {
  if (s.isConst) return signed(BigInt.asIntN(64, s.value));
  const parts: string[] = [];
  const bounds = boundsOf(s);
  for (let i = 0; i < bounds.length; i++) {
    const bound = bounds[i] as Bound;
    if (bound.omit) continue;
    const names = [bound.name];
    for (let j = i + 2; j < bounds.length; j += 2) {
      const other = bounds[j] as Bound;
      if (other.omit || other.value !== bound.value || isNegative(other) !== isNegative(bound)) continue;
      other.omit = true;
      names.push(other.name);
    }
    parts.push(`${names.join("=")}=${(bound.signed ? signed : unsigned)(bound.value)}`);
  }
  if (s.bitMask !== 0xffff_ffff_ffff_ffffn) parts.push(`var_off=(${hex(s.bits)}; ${hex(s.bitMask)})`);
  return parts.join(",");
}

interface Bound {
  readonly name: string;
  readonly signed: boolean;
  /** Signed and unsigned ones are united only where no sign is in the way; see `isNegative`. */
  readonly value: bigint;
  omit: boolean;
}

/** In the kernel's order: each minimum before its maximum. */
// prettier-ignore
function boundsOf(s: Scalar): Bound[] {
  return [
    { name: "smin",   signed: true,  value: s.smin,            omit: s.smin === -0x8000_0000_0000_0000n },
    { name: "smax",   signed: true,  value: s.smax,            omit: s.smax === 0x7fff_ffff_ffff_ffffn },
    { name: "umin",   signed: false, value: s.umin,            omit: s.umin === 0n },
    { name: "umax",   signed: false, value: s.umax,            omit: s.umax === 0xffff_ffff_ffff_ffffn },
    { name: "smin32", signed: true,  value: low(s.s32min),     omit: s.s32min === -0x8000_0000 },
    { name: "smax32", signed: true,  value: low(s.s32max),     omit: s.s32max === 0x7fff_ffff },
    { name: "umin32", signed: false, value: BigInt(s.u32min),  omit: s.u32min === 0 },
    { name: "umax32", signed: false, value: BigInt(s.u32max),  omit: s.u32max === 0xffff_ffff },
  ];
}

/** Printed as hexadecimal it has 32 bits, not the 64 of its sign extension. */
function low(value: number): bigint {
  return isShort(BigInt(value)) ? BigInt(value) : BigInt(value >>> 0);
}

function isNegative(bound: Bound): boolean {
  return bound.signed && bound.value < 0n;
}

/** Decimal where it fits an int16. */
function signed(value: bigint): string {
  return isShort(value) ? value.toString() : hex(BigInt.asUintN(64, value));
}

function unsigned(value: bigint): string {
  return value <= 0xffffn ? value.toString() : hex(value);
}

function isShort(value: bigint): boolean {
  return value >= -0x8000n && value <= 0x7fffn;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
