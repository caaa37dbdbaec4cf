/**
 * A register, or a spilled one, as the verifier knows it on one path: what kind of value, and bounds.
 *
 * Values are immutable and shared: a step that changes a register puts another value in its place, so copying a state
 * copies references, and equal values are most often the same object. Change with `change(reg, { off: 4 })`: all
 * registers then keep one hidden class.
 *
 * A pointer is base + `off` (constant part) + `num` (variable part); a scalar is `num`.
 */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { Scalar } from "../scalar/index.ts";
import type { VerifierMap } from "../program/maps.ts";

/**
 *   none         no value             ctx          the context            packet, packet_meta, packet_end
 *   scalar       a number             stack        r10 and what is made of it; `frame` says whose
 *   map          a map itself         map_value    map_key                in `map`
 *   mem          `size` bytes         buf          a tracing buffer       func    a subprogram (callbacks); `size` its index
 *   object       a kernel object of type `type`    dynptr  a dynptr argument (const)   arena
 *   socket, sock_common, tcp_sock, xdp_sock, flow_keys, tp_buffer        as their names say
 */
// prettier-ignore
export type RegKind =
  | "none" | "scalar" | "ctx" | "map" | "map_value" | "map_key" | "stack" | "packet" | "packet_meta" | "packet_end"
  | "flow_keys" | "socket" | "sock_common" | "tcp_sock" | "xdp_sock" | "tp_buffer" | "object" | "mem" | "buf" | "func"
  | "dynptr" | "arena";

/** Bits of `Reg.flags`. Source: the kernel's type flags (include/linux/bpf.h), by their meaning. */
// prettier-ignore
export const FLAG = {
  maybe_null: 1 << 0, rdonly: 1 << 1, ringbuf: 1 << 2, user: 1 << 3, percpu: 1 << 4, uninit: 1 << 5, untrusted: 1 << 6,
  rcu: 1 << 7, trusted: 1 << 8, non_own_ref: 1 << 9, alloc: 1 << 10, obj_release: 1 << 11, dynptr_local: 1 << 12,
  dynptr_ringbuf: 1 << 13, dynptr_skb: 1 << 14, dynptr_xdp: 1 << 15, dynptr_skb_meta: 1 << 16, dynptr_file: 1 << 17,
} as const;

/** Facts that only few registers have: of dynptrs and iterators (in their stack slots, or a const dynptr argument). */
export type Extra =
  | { readonly kind: "dynptr"; readonly of: DynptrKind; readonly firstSlot: boolean }
  | { readonly kind: "iterator"; readonly type: TypeId; readonly state: "active" | "drained"; readonly depth: number }
  | { readonly kind: "irq"; readonly by: "native" | "res_lock" };
export type DynptrKind = "local" | "ringbuf" | "skb" | "xdp" | "skb_meta" | "file";

export interface Reg {
  readonly kind: RegKind;
  readonly flags: number;
  /** Constant part of a pointer's offset. Scalars: the constant distance of linked scalars (`id` with `link`), else 0. */
  readonly off: number;
  /** Packet pointers: bytes behind the pointer's base that are proven to be there. */
  readonly range: number;
  /** Same value, or same packet pointer but for a constant, or same object before the null check; 0: nobody's. */
  readonly id: number;
  /** The acquired reference that it belongs to, or 0. */
  readonly ref: number;
  /** A scalar that shares `id` differs by the constant `off` (BPF_ADD_CONST of the kernel): 0 no, 32 or 64 the width. */
  readonly link: 0 | 32 | 64;
  readonly num: Scalar;
  /** A scalar whose exact bounds matter to what was proven: pruning compares them. */
  readonly precise: boolean;
  /** stack: the frame number it points into. */
  readonly frame: number;
  /** map, map_value, map_key. */
  readonly map: VerifierMap | null;
  /** Tells apart inner maps that were looked up with different keys; 0 for no inner map. */
  readonly mapUid: number;
  /** object: the type, in `btf` (the kernel's or the program's); also the type of `mem` made from a kernel variable. */
  readonly btf: Btf | null;
  readonly type: TypeId;
  /** mem: bytes; func: index of the subprogram; dynptr slices: the dynptr's id is in `dynptr`. */
  readonly size: number;
  /** The dynptr that a slice was made of, or 0. */
  readonly dynptr: number;
  readonly extra: Extra | null;
}
