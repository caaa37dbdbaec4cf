/**
 * Dynptrs: pointers to memory whose length is known at run time only, in 16 bytes that programs keep on their stack and only
 * helpers read. Here as in the kernel:
 *
 *   0  u64  what it points into: an address; for packets, of the context. 0: a null dynptr
 *   8  u32  length in the lowest 24 bits, kind in bits 28 to 30, bit 31: read-only
 *   12 u32  offset of its first byte there
 */
import { Trap } from "./fault.ts";
import type { Host } from "./host.ts";

export const DYNPTR_SIZE = 16;
/** DYNPTR_MAX_SIZE: the longest memory that one can have. */
export const DYNPTR_MOST = 0xff_ffff;

/** `local`: memory of the program or a map; `ringbuf`: a reserved record; `skb`, `xdp`: a packet; `meta`: its metadata. */
const KINDS = ["none", "local", "ringbuf", "skb", "xdp", "meta"] as const;
export type DynptrKind = Exclude<(typeof KINDS)[number], "none">;

export interface Dynptr {
  readonly kind: DynptrKind;
  readonly base: number;
  readonly offset: number;
  readonly size: number;
  readonly readOnly: boolean;
}

const KIND_SHIFT = 28;
const READ_ONLY = 2 ** 31;

/** Null makes it a null dynptr. */
export function writeDynptr(bytes: Uint8Array, dynptr: Dynptr | null): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  bytes.fill(0);
  if (dynptr === null) return;
  const { kind, base, offset, size, readOnly } = dynptr;
  view.setBigUint64(0, BigInt(base), true);
  view.setUint32(8, size + KINDS.indexOf(kind) * 2 ** KIND_SHIFT + (readOnly ? READ_ONLY : 0), true);
  view.setUint32(12, offset, true);
}

/** The dynptr that a register points to; null for a null dynptr, a trap for what is none. */
export function readDynptr(host: Host, register: bigint): Dynptr | null {
  const bytes = host.bytes(register, DYNPTR_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const base = Number(view.getBigUint64(0, true));
  const word = view.getUint32(8, true);
  if (base === 0 && word === 0) return null;
  const kind = KINDS[(word >>> KIND_SHIFT) & 7];
  if (kind === undefined || kind === "none" || host.memory.regionAt(base) === null) {
    throw new Trap("argument", `there is no dynptr at 0x${register.toString(16)}`);
  }
  return { kind, base, offset: view.getUint32(12, true), size: word & DYNPTR_MOST, readOnly: word >= READ_ONLY };
}
