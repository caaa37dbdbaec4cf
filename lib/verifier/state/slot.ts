/**
 * Eight bytes of a frame's stack: what each byte holds, and the register that was spilled there.
 *
 * Byte kinds are packed, three bits a byte, byte 0 (the lowest address) in the lowest bits: comparing slots compares numbers.
 */
import type { Reg } from "./reg.ts";

/** invalid: never written (or unknown to be); misc: some number; spill: part of `Slot.reg`. */
export const BYTE = { invalid: 0, spill: 1, misc: 2, zero: 3, dynptr: 4, iterator: 5, irq: 6 } as const;
export type ByteKind = (typeof BYTE)[keyof typeof BYTE];

export interface Slot {
  /** Kinds of the eight bytes, see `kindOf`. */
  readonly bytes: number;
  /**
   * The spilled register; also of dynptr, iterator and irq slots, whose facts are its `extra`. Null where there is none.
   * A register spilled with less than 8 bytes takes the upper bytes.. of the slot as the kernel counts: bytes 0 to size-1.
   */
  readonly reg: Reg | null;
}

export const EMPTY_SLOT: Slot = { bytes: 0, reg: null };

export function kindOf(slot: Slot, byte: number): ByteKind {
  return ((slot.bytes >> (byte * 3)) & 7) as ByteKind;
}

/** All bytes of one kind. */
export function filled(kind: ByteKind): number {
  return kind * 0o11111111;
}

/** `bytes` with byte number `byte` set to a kind. */
export function withKind(bytes: number, byte: number, kind: ByteKind): number {
  return (bytes & ~(7 << (byte * 3))) | (kind << (byte * 3));
}
