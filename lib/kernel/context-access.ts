/**
 * What a program may load from and store to its context, by program type and attach type: the verifier shows each type its
 * own part of a structure that several share (cgroup_skb sees no `tc_classid`, sk_skb no `mark`).
 *
 * A row names fields; at which widths a field may be accessed is in its own row (`CONTEXT_FIELDS`). Seen on Linux 6.18 with a
 * program for each offset and width; test/kernel/context-access.test.ts asks the running kernel again.
 */
import { CONTEXT_FIELDS } from "./contexts.ts";
import type { ContextField, ContextFieldName, FieldAccess } from "./contexts.ts";
import type { AttachType, ContextKind, ProgramType } from "./program-types.ts";

type Fields = "all" | readonly ContextFieldName[];

interface Row {
  readonly type: ProgramType;
  /** Null: all of the type, but those that a row before names. */
  readonly attach: readonly AttachType[] | null;
  readonly context: ContextKind;
  readonly loads: Fields;
  readonly stores: readonly ContextFieldName[];
}

// The interface that a frame leaves by is known behind a devmap only.
const FRAME = ["data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index"] as const;

// What every program sees of a socket buffer.
// prettier-ignore
const BUFFER = [
  "len", "pkt_type", "queue_mapping", "protocol", "vlan_present", "vlan_tci", "vlan_proto", "priority", "ingress_ifindex",
  "ifindex", "tc_index", "cb", "hash", "napi_id", "gso_segs", "sk", "gso_size",
] as const;
const WINDOW = ["data", "data_end"] as const;
// The addresses of the buffer's socket.
const ENDS = ["family", "remote_ip4", "local_ip4", "remote_ip6", "local_ip6", "remote_port", "local_port"] as const;
const CONTROL = [
  ...BUFFER,
  ...WINDOW,
  "mark",
  "tc_classid",
  "data_meta",
  "tstamp",
  "wire_len",
  "tstamp_type",
  "hwtstamp",
] as const;
// What a program sees of a packet that a route sends through a tunnel.
const TUNNELLED = [...BUFFER, ...WINDOW, "mark"] as const;
const MARKED = ["mark", "priority", "cb"] as const;
const CONTROLLED = ["mark", "queue_mapping", "priority", "tc_index", "cb", "tc_classid", "tstamp"] as const;

// What every program sees of a call with a socket address.
const CALL = ["user_family", "user_port", "family", "type", "protocol", "sk"] as const;
const CALL4 = [...CALL, "user_ip4"] as const;
const CALL6 = [...CALL, "user_ip6"] as const;

// What every program sees of its own socket.
// prettier-ignore
const SOCKET = ["family", "type", "protocol", "dst_port", "dst_ip4", "dst_ip6", "state", "rx_queue_mapping"] as const;
const SETTINGS = ["bound_dev_if", "mark", "priority"] as const;
const OPTION = ["sk", "optval", "optval_end", "level", "optname", "optlen"] as const;

// prettier-ignore
const CALLS4 = [
  "cgroup_inet4_bind", "cgroup_inet4_connect", "cgroup_udp4_recvmsg", "cgroup_inet4_getpeername", "cgroup_inet4_getsockname",
] as const;
// prettier-ignore
const CALLS6 = [
  "cgroup_inet6_bind", "cgroup_inet6_connect", "cgroup_udp6_recvmsg", "cgroup_inet6_getpeername", "cgroup_inet6_getsockname",
] as const;
// prettier-ignore
const CALLS_UNIX = [
  "cgroup_unix_connect", "cgroup_unix_sendmsg", "cgroup_unix_recvmsg", "cgroup_unix_getpeername", "cgroup_unix_getsockname",
] as const;
const BIRTH_AND_DEATH = ["cgroup_inet_sock_create", "cgroup_inet_sock_release"] as const;

// prettier-ignore
const ROWS: readonly Row[] = [
  { type: "xdp",              attach: ["xdp_devmap"],                context: "xdp_md",          loads: "all",                                      stores: [] },
  { type: "xdp",              attach: null,                          context: "xdp_md",          loads: FRAME,                                      stores: [] },
  { type: "sched_cls",        attach: null,                          context: "__sk_buff",       loads: CONTROL,                                    stores: CONTROLLED },
  { type: "sched_act",        attach: null,                          context: "__sk_buff",       loads: CONTROL,                                    stores: CONTROLLED },
  { type: "cgroup_skb",       attach: null,                          context: "__sk_buff",       loads: [...BUFFER, ...WINDOW, ...ENDS, "mark", "tstamp", "hwtstamp"], stores: ["mark", "priority", "cb", "tstamp"] },
  { type: "sk_skb",           attach: null,                          context: "__sk_buff",       loads: [...BUFFER, ...WINDOW, ...ENDS],            stores: ["priority", "tc_index"] },
  { type: "socket_filter",    attach: null,                          context: "__sk_buff",       loads: [...BUFFER, "mark"],                        stores: ["cb"] },
  { type: "lwt_in",           attach: null,                          context: "__sk_buff",       loads: TUNNELLED,                                  stores: MARKED },
  { type: "lwt_out",          attach: null,                          context: "__sk_buff",       loads: TUNNELLED,                                  stores: MARKED },
  { type: "lwt_xmit",         attach: null,                          context: "__sk_buff",       loads: TUNNELLED,                                  stores: MARKED },
  { type: "lwt_seg6local",    attach: null,                          context: "__sk_buff",       loads: TUNNELLED,                                  stores: MARKED },
  { type: "flow_dissector",   attach: null,                          context: "__sk_buff",       loads: [...WINDOW, "flow_keys"],                   stores: [] },
  { type: "cgroup_sock_addr", attach: CALLS4,                        context: "bpf_sock_addr",   loads: CALL4,                                      stores: ["user_ip4", "user_port"] },
  { type: "cgroup_sock_addr", attach: CALLS6,                        context: "bpf_sock_addr",   loads: CALL6,                                      stores: ["user_ip6", "user_port"] },
  { type: "cgroup_sock_addr", attach: ["cgroup_udp4_sendmsg"],       context: "bpf_sock_addr",   loads: [...CALL4, "msg_src_ip4"],                  stores: ["user_ip4", "user_port", "msg_src_ip4"] },
  { type: "cgroup_sock_addr", attach: ["cgroup_udp6_sendmsg"],       context: "bpf_sock_addr",   loads: [...CALL6, "msg_src_ip6"],                  stores: ["user_ip6", "user_port", "msg_src_ip6"] },
  { type: "cgroup_sock_addr", attach: CALLS_UNIX,                    context: "bpf_sock_addr",   loads: CALL,                                       stores: ["user_port"] },
  { type: "cgroup_sock",      attach: BIRTH_AND_DEATH,               context: "bpf_sock",        loads: [...SOCKET, ...SETTINGS],                   stores: SETTINGS },
  { type: "cgroup_sock",      attach: ["cgroup_inet4_post_bind"],    context: "bpf_sock",        loads: [...SOCKET, "src_ip4", "src_port"],         stores: [] },
  { type: "cgroup_sock",      attach: ["cgroup_inet6_post_bind"],    context: "bpf_sock",        loads: [...SOCKET, "src_ip6", "src_port"],         stores: [] },
  { type: "cgroup_sockopt",   attach: ["cgroup_getsockopt"],         context: "bpf_sockopt",     loads: [...OPTION, "retval"],                      stores: ["optlen", "retval"] },
  { type: "cgroup_sockopt",   attach: ["cgroup_setsockopt"],         context: "bpf_sockopt",     loads: OPTION,                                     stores: ["level", "optname", "optlen"] },
  { type: "sock_ops",         attach: null,                          context: "bpf_sock_ops",    loads: "all",                                      stores: ["args", "sk_txhash"] },
  { type: "sk_msg",           attach: null,                          context: "sk_msg_md",       loads: "all",                                      stores: [] },
  { type: "sk_lookup",        attach: null,                          context: "bpf_sk_lookup",   loads: "all",                                      stores: [] },
  { type: "sk_reuseport",     attach: null,                          context: "sk_reuseport_md", loads: "all",                                      stores: [] },
];

/** What programs of one type and attach type may access. */
export interface ContextAccess {
  readonly context: ContextKind;
  /** Fields that they may load. */
  readonly loads: readonly ContextField[];
  /** Fields that they may store to. */
  readonly stores: readonly ContextField[];
}

/** The access rules of a program type at an attach type, or null for one that is not in the table. */
export function contextAccess(type: ProgramType, attach: AttachType | null): ContextAccess | null {
  const row = ROWS.find(
    (r) => r.type === type && (r.attach === null || (attach !== null && r.attach.includes(attach))),
  );
  if (row === undefined) return null;
  const fields: readonly ContextField[] = CONTEXT_FIELDS[row.context];
  const among = (names: Fields) => (field: ContextField) =>
    names === "all" || names.some((name) => name === field.name);
  return { context: row.context, loads: fields.filter(among(row.loads)), stores: fields.filter(among(row.stores)) };
}

/** The fields of a context that programs of some type may store to. */
export function storableFields(context: ContextKind): readonly ContextField[] {
  const names = new Set<string>(ROWS.flatMap((row) => (row.context === context ? row.stores : [])));
  return CONTEXT_FIELDS[context].filter((field) => names.has(field.name));
}

/** Whether a program may load `size` bytes at an offset of its context. */
export function mayLoad({ loads }: Pick<ContextAccess, "loads">, offset: number, size: number): boolean {
  return loads.some((field) => fits(field, field.load ?? "whole", offset, size));
}

/** Whether a program may store `size` bytes at an offset of its context. */
export function mayStore({ stores }: Pick<ContextAccess, "stores">, offset: number, size: number): boolean {
  return stores.some((field) => fits(field, field.store ?? "whole", offset, size));
}

/** Whether an access of `size` bytes at an offset of the structure is one that `access` allows to the field. */
function fits(field: ContextField, access: FieldAccess, offset: number, size: number): boolean {
  const at = offset - field.offset;
  if (at < 0 || at >= field.size || offset % size !== 0) return false;
  const element = field.kind === "ipv6" ? 4 : field.size / (field.count ?? 1);
  const whole = size === element && at % element === 0;
  const inside = size <= element && (at % element) + size <= element;
  switch (access) {
    case "whole":
      return whole;
    case "narrow":
      return inside;
    case "start":
      return inside && at === 0;
    case "halves":
      return inside && size >= 2;
    case "words":
      return inside || isPair(field, at, size);
    case "pairs":
      return whole || isPair(field, at, size);
    case "padded":
      return inside || (at === 0 && size === 4);
    case "first":
      return whole && at === 0;
  }
}

function isPair(field: ContextField, at: number, size: number): boolean {
  return size === 8 && at + size <= field.size;
}
