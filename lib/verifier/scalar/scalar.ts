/**
 * What is known of a 64-bit number: known bits (tnum), and ranges unsigned and signed, of all 64 bits and of the low 32.
 * Immutable. Inside, 64-bit numbers are two 32-bit halves: a BigInt for each bound would cost more than the walk may.
 */
export interface Scalar {
  readonly isConst: boolean;
  /** The low 32 bits are known. */
  readonly isConst32: boolean;
  /** Of a constant: unsigned. */
  readonly value: bigint;
  readonly umin: bigint;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
  readonly u32min: number;
  readonly u32max: number;
  readonly s32min: number;
  readonly s32max: number;
  /** Known bits: where `bitMask` has 0 the bit is that of `bits`. */
  readonly bits: bigint;
  readonly bitMask: bigint;
}
