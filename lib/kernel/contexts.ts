/**
 * Context structures: size, and where the packet pointers are.
 * Source: include/uapi/linux/bpf.h (Linux 6.18), offsets in bytes. Fields of the standard library's context classes are
 * laid out like the C structures, so plain loads at fixed offsets need no table; this one serves the packet window.
 */
import type { ContextKind } from "./program-types.ts";

export interface PacketWindow {
  /** Offset and size of the fields that hold the first byte's and the end's address. */
  readonly data: number;
  readonly dataEnd: number;
  readonly size: 4 | 8;
}

export interface ContextLayout {
  readonly size: number;
  /** Null where the hook has no packet bytes. */
  readonly packet: PacketWindow | null;
  /** Offset of the `struct bpf_sock *` field, or null. */
  readonly sk: number | null;
}

export const CONTEXTS: Record<ContextKind, ContextLayout> = {
  xdp_md: { size: 24, packet: { data: 0, dataEnd: 4, size: 4 }, sk: null },
  __sk_buff: { size: 192, packet: { data: 76, dataEnd: 80, size: 4 }, sk: 168 },
  bpf_sock_addr: { size: 72, packet: null, sk: 64 },
  bpf_sock_ops: { size: 224, packet: { data: 192, dataEnd: 200, size: 8 }, sk: 184 },
  sk_msg_md: { size: 80, packet: { data: 0, dataEnd: 8, size: 8 }, sk: 72 },
  bpf_sk_lookup: { size: 72, packet: null, sk: 0 },
};
