/**
 * Context structures: size, and where the packet pointers are.
 * Source: include/uapi/linux/bpf.h (Linux 6.18), offsets in bytes. Fields of the standard library's context classes are
 * laid out like the C structures, so plain loads at fixed offsets need no table; `CONTEXTS` serves the packet window,
 * `CONTEXT_FIELDS` the interpreter, which fills and reads contexts by field name.
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
  /** Null where the hook has no packet bytes. The window of a bpf_sockopt is the option's value. */
  readonly packet: PacketWindow | null;
  /** The metadata in front of the packet, which ends where the packet starts. */
  readonly meta: PacketWindow | null;
  /** Offset of the `struct bpf_sock *` field, or null. */
  readonly sk: number | null;
}

// prettier-ignore
export const CONTEXTS: Record<ContextKind, ContextLayout> = {
  xdp_md: { size: 24, packet: { data: 0, dataEnd: 4, size: 4 }, meta: { data: 8, dataEnd: 0, size: 4 }, sk: null },
  __sk_buff: { size: 192, packet: { data: 76, dataEnd: 80, size: 4 }, meta: { data: 140, dataEnd: 76, size: 4 }, sk: 168 },
  bpf_sock_addr: { size: 72, packet: null, meta: null, sk: 64 },
  bpf_sock_ops: { size: 224, packet: { data: 192, dataEnd: 200, size: 8 }, meta: null, sk: 184 },
  sk_msg_md: { size: 80, packet: { data: 0, dataEnd: 8, size: 8 }, meta: null, sk: 72 },
  bpf_sk_lookup: { size: 72, packet: null, meta: null, sk: 0 },
  bpf_sock: { size: 80, packet: null, meta: null, sk: null },
  bpf_sockopt: { size: 40, packet: { data: 8, dataEnd: 16, size: 8 }, meta: null, sk: 0 },
  sk_reuseport_md: { size: 56, packet: { data: 0, dataEnd: 8, size: 8 }, meta: null, sk: 40 },
};

/**
 * How a field's bytes are to be read.
 *   uint     little-endian number; with `count`, an array of such         pointer  an address, or 0
 *   int      the same, signed
 *   be16     16 bits in network order in the lowest bytes, rest zero       be32     32 bits in network order
 *   ipv4     address in network order                                      ipv6     ditto
 * A port is be16 or be32 as the kernel keeps it: `remote_port` of bpf_sock_ops has the port in the upper half of a
 * little-endian load, which is a be32 number.
 */
export type FieldKind = "uint" | "int" | "be16" | "be32" | "ipv4" | "ipv6" | "pointer";

/**
 * At which widths a program may access a field, at offsets that are multiples of the width. An IPv6 address has four elements.
 *   whole    an element at once                        words    as narrow; also two elements, 8 bytes
 *   narrow   an element, or 1 or 2 bytes of it         pairs    an element, or two
 *   start    an element, or its first 1 or 2 bytes     padded   a 2-byte field as narrow; also with the 2 bytes behind it
 *   halves   an element, or 2 bytes of it              first    the first element
 */
export type FieldAccess = "whole" | "narrow" | "start" | "halves" | "words" | "pairs" | "padded" | "first";

export interface ContextField {
  readonly name: string;
  readonly offset: number;
  /** Bytes, of all elements together. */
  readonly size: number;
  readonly kind: FieldKind;
  readonly count?: number;
  /** Where a program may load it at all (context-access.ts); default whole. */
  readonly load?: FieldAccess;
  /** Where a program may store to it at all; default whole. */
  readonly store?: FieldAccess;
}

/** Fields of `struct bpf_sock`, what a socket pointer points to. `src` is the socket's own end. */
// prettier-ignore
export const SOCKET_FIELDS = [
  { name: "bound_dev_if",     offset: 0,  size: 4,  kind: "uint" },
  { name: "family",           offset: 4,  size: 4,  kind: "uint", load: "start" },
  { name: "type",             offset: 8,  size: 4,  kind: "uint", load: "start" },
  { name: "protocol",         offset: 12, size: 4,  kind: "uint", load: "start" },
  { name: "mark",             offset: 16, size: 4,  kind: "uint" },
  { name: "priority",         offset: 20, size: 4,  kind: "uint" },
  { name: "src_ip4",          offset: 24, size: 4,  kind: "ipv4", load: "narrow" },
  { name: "src_ip6",          offset: 28, size: 16, kind: "ipv6", load: "narrow" },
  { name: "src_port",         offset: 44, size: 4,  kind: "uint", load: "start" },
  { name: "dst_port",         offset: 48, size: 2,  kind: "be16", load: "padded" },
  { name: "dst_ip4",          offset: 52, size: 4,  kind: "ipv4", load: "narrow" },
  { name: "dst_ip6",          offset: 56, size: 16, kind: "ipv6", load: "narrow" },
  { name: "state",            offset: 72, size: 4,  kind: "uint", load: "start" },
  { name: "rx_queue_mapping", offset: 76, size: 4,  kind: "int",  load: "start" },
] as const satisfies readonly ContextField[];

/** Fields of each context, ascending; names are the kernel's. `args` of bpf_sock_ops is the union with reply/replylong. */
// prettier-ignore
export const CONTEXT_FIELDS = {
  xdp_md: [
    { name: "data",            offset: 0,   size: 4,  kind: "pointer" },
    { name: "data_end",        offset: 4,   size: 4,  kind: "pointer" },
    { name: "data_meta",       offset: 8,   size: 4,  kind: "pointer" },
    { name: "ingress_ifindex", offset: 12,  size: 4,  kind: "uint" },
    { name: "rx_queue_index",  offset: 16,  size: 4,  kind: "uint" },
    { name: "egress_ifindex",  offset: 20,  size: 4,  kind: "uint" },
  ],
  __sk_buff: [
    { name: "len",             offset: 0,   size: 4,  kind: "uint", load: "narrow" },
    { name: "pkt_type",        offset: 4,   size: 4,  kind: "uint", load: "narrow" },
    { name: "mark",            offset: 8,   size: 4,  kind: "uint", load: "narrow" },
    { name: "queue_mapping",   offset: 12,  size: 4,  kind: "uint", load: "narrow" },
    { name: "protocol",        offset: 16,  size: 4,  kind: "be16", load: "narrow" },
    { name: "vlan_present",    offset: 20,  size: 4,  kind: "uint", load: "narrow" },
    { name: "vlan_tci",        offset: 24,  size: 4,  kind: "uint", load: "narrow" },
    { name: "vlan_proto",      offset: 28,  size: 4,  kind: "be16", load: "narrow" },
    { name: "priority",        offset: 32,  size: 4,  kind: "uint", load: "narrow" },
    { name: "ingress_ifindex", offset: 36,  size: 4,  kind: "uint", load: "narrow" },
    { name: "ifindex",         offset: 40,  size: 4,  kind: "uint", load: "narrow" },
    { name: "tc_index",        offset: 44,  size: 4,  kind: "uint", load: "narrow" },
    { name: "cb",              offset: 48,  size: 20, kind: "uint", count: 5, load: "words", store: "words" },
    { name: "hash",            offset: 68,  size: 4,  kind: "uint", load: "narrow" },
    { name: "tc_classid",      offset: 72,  size: 4,  kind: "uint", load: "narrow" },
    { name: "data",            offset: 76,  size: 4,  kind: "pointer" },
    { name: "data_end",        offset: 80,  size: 4,  kind: "pointer" },
    { name: "napi_id",         offset: 84,  size: 4,  kind: "uint", load: "narrow" },
    { name: "family",          offset: 88,  size: 4,  kind: "uint", load: "narrow" },
    { name: "remote_ip4",      offset: 92,  size: 4,  kind: "ipv4" },
    { name: "local_ip4",       offset: 96,  size: 4,  kind: "ipv4" },
    { name: "remote_ip6",      offset: 100, size: 16, kind: "ipv6" },
    { name: "local_ip6",       offset: 116, size: 16, kind: "ipv6" },
    { name: "remote_port",     offset: 132, size: 4,  kind: "be32", load: "narrow" },
    { name: "local_port",      offset: 136, size: 4,  kind: "uint", load: "narrow" },
    { name: "data_meta",       offset: 140, size: 4,  kind: "pointer" },
    { name: "flow_keys",       offset: 144, size: 8,  kind: "pointer" },
    { name: "tstamp",          offset: 152, size: 8,  kind: "uint" },
    { name: "wire_len",        offset: 160, size: 4,  kind: "uint", load: "narrow" },
    { name: "gso_segs",        offset: 164, size: 4,  kind: "uint", load: "narrow" },
    { name: "sk",              offset: 168, size: 8,  kind: "pointer" },
    { name: "gso_size",        offset: 176, size: 4,  kind: "uint", load: "narrow" },
    { name: "tstamp_type",     offset: 180, size: 1,  kind: "uint" },
    { name: "hwtstamp",        offset: 184, size: 8,  kind: "uint" },
  ],
  bpf_sock_addr: [
    { name: "user_family",     offset: 0,   size: 4,  kind: "uint" },
    { name: "user_ip4",        offset: 4,   size: 4,  kind: "ipv4", load: "narrow" },
    { name: "user_ip6",        offset: 8,   size: 16, kind: "ipv6", load: "words", store: "pairs" },
    { name: "user_port",       offset: 24,  size: 4,  kind: "be16", load: "narrow" },
    { name: "family",          offset: 28,  size: 4,  kind: "uint" },
    { name: "type",            offset: 32,  size: 4,  kind: "uint" },
    { name: "protocol",        offset: 36,  size: 4,  kind: "uint" },
    { name: "msg_src_ip4",     offset: 40,  size: 4,  kind: "ipv4", load: "narrow" },
    { name: "msg_src_ip6",     offset: 44,  size: 16, kind: "ipv6", load: "words", store: "pairs" },
    { name: "sk",              offset: 64,  size: 8,  kind: "pointer" },
  ],
  bpf_sock_ops: [
    { name: "op",              offset: 0,   size: 4,  kind: "uint" },
    { name: "args",            offset: 4,   size: 16, kind: "uint", count: 4, store: "first" },
    { name: "family",          offset: 20,  size: 4,  kind: "uint" },
    { name: "remote_ip4",      offset: 24,  size: 4,  kind: "ipv4" },
    { name: "local_ip4",       offset: 28,  size: 4,  kind: "ipv4" },
    { name: "remote_ip6",      offset: 32,  size: 16, kind: "ipv6" },
    { name: "local_ip6",       offset: 48,  size: 16, kind: "ipv6" },
    { name: "remote_port",     offset: 64,  size: 4,  kind: "be32" },
    { name: "local_port",      offset: 68,  size: 4,  kind: "uint" },
    { name: "is_fullsock",     offset: 72,  size: 4,  kind: "uint" },
    { name: "snd_cwnd",        offset: 76,  size: 4,  kind: "uint" },
    { name: "srtt_us",         offset: 80,  size: 4,  kind: "uint" },
    { name: "bpf_sock_ops_cb_flags", offset: 84, size: 4, kind: "uint" },
    { name: "state",           offset: 88,  size: 4,  kind: "uint" },
    { name: "rtt_min",         offset: 92,  size: 4,  kind: "uint" },
    { name: "snd_ssthresh",    offset: 96,  size: 4,  kind: "uint" },
    { name: "rcv_nxt",         offset: 100, size: 4,  kind: "uint" },
    { name: "snd_nxt",         offset: 104, size: 4,  kind: "uint" },
    { name: "snd_una",         offset: 108, size: 4,  kind: "uint" },
    { name: "mss_cache",       offset: 112, size: 4,  kind: "uint" },
    { name: "ecn_flags",       offset: 116, size: 4,  kind: "uint" },
    { name: "rate_delivered",  offset: 120, size: 4,  kind: "uint" },
    { name: "rate_interval_us", offset: 124, size: 4, kind: "uint" },
    { name: "packets_out",     offset: 128, size: 4,  kind: "uint" },
    { name: "retrans_out",     offset: 132, size: 4,  kind: "uint" },
    { name: "total_retrans",   offset: 136, size: 4,  kind: "uint" },
    { name: "segs_in",         offset: 140, size: 4,  kind: "uint" },
    { name: "data_segs_in",    offset: 144, size: 4,  kind: "uint" },
    { name: "segs_out",        offset: 148, size: 4,  kind: "uint" },
    { name: "data_segs_out",   offset: 152, size: 4,  kind: "uint" },
    { name: "lost_out",        offset: 156, size: 4,  kind: "uint" },
    { name: "sacked_out",      offset: 160, size: 4,  kind: "uint" },
    { name: "sk_txhash",       offset: 164, size: 4,  kind: "uint" },
    { name: "bytes_received",  offset: 168, size: 8,  kind: "uint" },
    { name: "bytes_acked",     offset: 176, size: 8,  kind: "uint" },
    { name: "sk",              offset: 184, size: 8,  kind: "pointer" },
    { name: "skb_data",        offset: 192, size: 8,  kind: "pointer" },
    { name: "skb_data_end",    offset: 200, size: 8,  kind: "pointer" },
    { name: "skb_len",         offset: 208, size: 4,  kind: "uint" },
    { name: "skb_tcp_flags",   offset: 212, size: 4,  kind: "uint", load: "start" },
    { name: "skb_hwtstamp",    offset: 216, size: 8,  kind: "uint" },
  ],
  sk_msg_md: [
    { name: "data",            offset: 0,   size: 8,  kind: "pointer" },
    { name: "data_end",        offset: 8,   size: 8,  kind: "pointer" },
    { name: "family",          offset: 16,  size: 4,  kind: "uint" },
    { name: "remote_ip4",      offset: 20,  size: 4,  kind: "ipv4" },
    { name: "local_ip4",       offset: 24,  size: 4,  kind: "ipv4" },
    { name: "remote_ip6",      offset: 28,  size: 16, kind: "ipv6" },
    { name: "local_ip6",       offset: 44,  size: 16, kind: "ipv6" },
    { name: "remote_port",     offset: 60,  size: 4,  kind: "be32" },
    { name: "local_port",      offset: 64,  size: 4,  kind: "uint" },
    { name: "size",            offset: 68,  size: 4,  kind: "uint" },
    { name: "sk",              offset: 72,  size: 8,  kind: "pointer" },
  ],
  bpf_sk_lookup: [
    { name: "sk",              offset: 0,   size: 8,  kind: "pointer" },
    { name: "family",          offset: 8,   size: 4,  kind: "uint", load: "narrow" },
    { name: "protocol",        offset: 12,  size: 4,  kind: "uint", load: "narrow" },
    { name: "remote_ip4",      offset: 16,  size: 4,  kind: "ipv4", load: "narrow" },
    { name: "remote_ip6",      offset: 20,  size: 16, kind: "ipv6", load: "narrow" },
    { name: "remote_port",     offset: 36,  size: 2,  kind: "be16", load: "padded" },
    { name: "local_ip4",       offset: 40,  size: 4,  kind: "ipv4", load: "narrow" },
    { name: "local_ip6",       offset: 44,  size: 16, kind: "ipv6", load: "narrow" },
    { name: "local_port",      offset: 60,  size: 4,  kind: "uint", load: "narrow" },
    { name: "ingress_ifindex", offset: 64,  size: 4,  kind: "uint", load: "narrow" },
  ],
  bpf_sock: SOCKET_FIELDS,
  bpf_sockopt: [
    { name: "sk",              offset: 0,   size: 8,  kind: "pointer" },
    { name: "optval",          offset: 8,   size: 8,  kind: "pointer" },
    { name: "optval_end",      offset: 16,  size: 8,  kind: "pointer" },
    { name: "level",           offset: 24,  size: 4,  kind: "int" },
    { name: "optname",         offset: 28,  size: 4,  kind: "int" },
    { name: "optlen",          offset: 32,  size: 4,  kind: "int" },
    { name: "retval",          offset: 36,  size: 4,  kind: "int" },
  ],
  sk_reuseport_md: [
    { name: "data",            offset: 0,   size: 8,  kind: "pointer" },
    { name: "data_end",        offset: 8,   size: 8,  kind: "pointer" },
    { name: "len",             offset: 16,  size: 4,  kind: "uint", load: "narrow" },
    { name: "eth_protocol",    offset: 20,  size: 4,  kind: "be16", load: "halves" },
    { name: "ip_protocol",     offset: 24,  size: 4,  kind: "uint", load: "narrow" },
    { name: "bind_inany",      offset: 28,  size: 4,  kind: "uint", load: "narrow" },
    { name: "hash",            offset: 32,  size: 4,  kind: "uint" },
    { name: "sk",              offset: 40,  size: 8,  kind: "pointer" },
    { name: "migrating_sk",    offset: 48,  size: 8,  kind: "pointer" },
  ],
} as const satisfies Record<ContextKind, readonly ContextField[]>;

/** Name of a field of some context. */
export type ContextFieldName = (typeof CONTEXT_FIELDS)[ContextKind][number]["name"];

export type SocketFieldName = (typeof SOCKET_FIELDS)[number]["name"];

/** sizeof(struct bpf_sock). */
export const SOCKET_SIZE = 80;
/** sizeof(struct bpf_flow_keys). */
export const FLOW_KEYS_SIZE = 56;

// prettier-ignore
const TCP_COUNTERS = [
  "snd_cwnd", "srtt_us", "rtt_min", "snd_ssthresh", "rcv_nxt", "snd_nxt", "snd_una", "mss_cache", "ecn_flags", "rate_delivered",
  "rate_interval_us", "packets_out", "retrans_out", "total_retrans", "segs_in", "data_segs_in", "segs_out", "data_segs_out",
  "lost_out", "sacked_out",
] as const;
const TCP_TOTALS = ["bytes_received", "bytes_acked"] as const;
const TCP_LATER = ["dsack_dups", "delivered", "delivered_ce", "icsk_retransmits"] as const;
const wide = TCP_COUNTERS.length * 4;
const later = wide + TCP_TOTALS.length * 8;

export type TcpSockFieldName = (typeof TCP_COUNTERS)[number] | (typeof TCP_TOTALS)[number] | (typeof TCP_LATER)[number];

/** Fields of `struct bpf_tcp_sock`, what tcp_sock() gives: 20 32-bit counters, two of 64 bits, four more of 32. */
export const TCP_SOCK_FIELDS: readonly (ContextField & { readonly name: TcpSockFieldName })[] = [
  ...TCP_COUNTERS.map((name, i) => ({ name, offset: 4 * i, size: 4, kind: "uint" }) as const),
  ...TCP_TOTALS.map((name, i) => ({ name, offset: wide + 8 * i, size: 8, kind: "uint" }) as const),
  ...TCP_LATER.map((name, i) => ({ name, offset: later + 4 * i, size: 4, kind: "uint" }) as const),
];

/** sizeof(struct bpf_tcp_sock). */
export const TCP_SOCK_SIZE = later + TCP_LATER.length * 4;
