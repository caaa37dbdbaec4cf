/** What a helper's implementation looks like. Registers come unsigned; a negative errno goes back as it is. */
import type { AnyHelperName } from "../../kernel/index.ts";
import type { Host } from "../host.ts";

export type Implementation = (host: Host, r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint) => bigint;
export type Implementations = Readonly<Partial<Record<AnyHelperName, Implementation>>>;

/** An argument of C type u32. */
export function u32(register: bigint): number {
  return Number(BigInt.asUintN(32, register));
}
/** An argument of C type int. */
export function s32(register: bigint): number {
  return Number(BigInt.asIntN(32, register));
}
/** Small results and negative errnos. */
export function result(value: number): bigint {
  return BigInt(value);
}
/** 16 bits in network order as a number, and back. */
export function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >> 8) & 0xff);
}
