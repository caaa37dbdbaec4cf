/**
 * Arithmetic of what is known of numbers. OWNER: scalar. Everything as Linux 6.18 computes it (pruning compares the results).
 */
import type { AluOp, JumpOp, Size, Width } from "../../isa/index.ts";
import type { Scalar } from "./scalar.ts";

export type { Scalar } from "./scalar.ts";

/** Nothing known. */
export declare const UNKNOWN: Scalar;
/** 0, shared. */
export declare const ZERO: Scalar;
export declare function constant(value: bigint | number): Scalar;
/** A constant that fits a double exactly, or null: the fast way to read small constants (sign as a 64-bit number). */
export declare function smallConstant(s: Scalar): number | null;
/** umin..umax, signed bounds deduced. */
export declare function unsignedRange(min: bigint, max: bigint): Scalar;
export declare function signedRange(min: bigint, max: bigint): Scalar;
export declare function fromBits(bits: bigint, mask: bigint): Scalar;

/** dst op src. Results that the kernel does not bound (division ...) are as unknown as there. */
export declare function alu(op: Exclude<AluOp, "mov">, width: Width, dst: Scalar, src: Scalar): Scalar;
export declare function negate(width: Width, s: Scalar): Scalar;
export declare function swap(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, s: Scalar): Scalar;
/** The low bytes, zero- or sign-extended to 64 bits; `signExtend` to 32 bits and zero-extended where width is 32. */
export declare function zeroExtend(s: Scalar, size: Size): Scalar;
export declare function signExtend(s: Scalar, size: 1 | 2 | 4, width: Width): Scalar;

/** Whether a jump is taken: true, false, or null where it may go either way. */
export declare function branchTaken(op: JumpOp, width: Width, a: Scalar, b: Scalar): boolean | null;
/** What a and b are when the jump is taken and when not. */
export declare function refine(op: JumpOp, width: Width, a: Scalar, b: Scalar): Refined;
export interface Refined {
  readonly taken: readonly [a: Scalar, b: Scalar];
  readonly fallThrough: readonly [a: Scalar, b: Scalar];
}

export declare function sameScalar(a: Scalar, b: Scalar): boolean;
/** Everything that `inner` may be, `outer` may be: ranges and bits, as pruning compares them. */
export declare function contains(outer: Scalar, inner: Scalar): boolean;
/** `value` (64 bits) is one of the numbers that `s` may be. For checkers and tests. */
export declare function includesValue(s: Scalar, value: bigint): boolean;
/** `constant` added, in 64 bits: for pointers' variable parts and linked scalars. */
export declare function addConstant(s: Scalar, value: number): Scalar;
/** The bits without those that cannot matter to alignment: `(bits + off) & (size-1)` is known to be 0. */
export declare function isAligned(s: Scalar, off: number, size: number): boolean;
/** `scalar(smin=..,umax=..,var_off=(0x0; 0xff))` and plain numbers, in the kernel's notation (attributes only, without the word). */
export declare function printScalar(s: Scalar): string;
