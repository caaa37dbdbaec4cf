/**
 * Helper functions: number, argument and result kinds.
 * Source: the helper list and descriptions of include/uapi/linux/bpf.h (Linux 6.18) and bpf-helpers(7). A helper whose
 * kinds are given here can be called from TypeScript; more are added by adding rows.
 *
 * Argument kinds: what the verifier wants in the register.
 *   any        a scalar                                  ctx    the program's context
 *   map        a map                                     key    readable, the map's key size
 *   value      readable, the map's value size            mem    readable, the length is the next argument
 *   wmem       writable (may be uninitialised), ditto    size   length in bytes of the argument before
 *   sock       a socket                                  ringmem what ringbuf_reserve returned
 *   long_out   writable 8 bytes                          func   a static function     stack  pointer to the stack or null
 *   init       as value, or null                          wvalue  as value, written to
 *   task       a task (struct task_struct)                cgroup  a cgroup (struct cgroup)
 * Result kinds: `scalar` (u64 or a negative errno), `void`, `map_value` and `map_value_or_null`, `mem_or_null` (ring buffer
 * record of the length in argument 2), `sock_or_null`, `task`; of kfuncs also `task_or_null`, `cgroup_or_null`.
 */
// prettier-ignore
export type ArgKind =
  | "any" | "ctx" | "map" | "key" | "value" | "wvalue" | "init" | "mem" | "wmem" | "size" | "sock" | "ringmem" | "long_out" | "func"
  | "stack" | "task" | "cgroup";
// prettier-ignore
export type ResultKind =
  | "scalar" | "void" | "map_value" | "map_value_or_null" | "mem_or_null" | "sock_or_null" | "task" | "task_or_null"
  | "cgroup_or_null";

export interface Helper {
  readonly id: number;
  readonly args: readonly ArgKind[];
  readonly result: ResultKind;
  /** True when a call makes every packet pointer invalid (bpf_helper_changes_pkt_data in the kernel). */
  readonly movesPacket?: true;
}

// prettier-ignore
export const HELPERS = {
  map_lookup_elem:                { id: 1,   args: ["map", "key"],                            result: "map_value_or_null" },
  map_update_elem:                { id: 2,   args: ["map", "key", "value", "any"],            result: "scalar" },
  map_delete_elem:                { id: 3,   args: ["map", "key"],                            result: "scalar" },
  ktime_get_ns:                   { id: 5,   args: [],                                        result: "scalar" },
  trace_printk:                   { id: 6,   args: ["mem", "size", "any", "any", "any"],      result: "scalar" },
  get_prandom_u32:                { id: 7,   args: [],                                        result: "scalar" },
  get_smp_processor_id:           { id: 8,   args: [],                                        result: "scalar" },
  skb_store_bytes:                { id: 9,   args: ["ctx", "any", "mem", "size", "any"],      result: "scalar", movesPacket: true },
  l3_csum_replace:                { id: 10,  args: ["ctx", "any", "any", "any", "any"],       result: "scalar", movesPacket: true },
  l4_csum_replace:                { id: 11,  args: ["ctx", "any", "any", "any", "any"],       result: "scalar", movesPacket: true },
  tail_call:                      { id: 12,  args: ["ctx", "map", "any"],                     result: "void" },
  clone_redirect:                 { id: 13,  args: ["ctx", "any", "any"],                     result: "scalar", movesPacket: true },
  get_current_pid_tgid:           { id: 14,  args: [],                                        result: "scalar" },
  get_current_uid_gid:            { id: 15,  args: [],                                        result: "scalar" },
  get_current_comm:               { id: 16,  args: ["wmem", "size"],                          result: "scalar" },
  skb_vlan_push:                  { id: 18,  args: ["ctx", "any", "any"],                     result: "scalar", movesPacket: true },
  skb_vlan_pop:                   { id: 19,  args: ["ctx"],                                   result: "scalar", movesPacket: true },
  redirect:                       { id: 23,  args: ["any", "any"],                            result: "scalar" },
  perf_event_output:              { id: 25,  args: ["ctx", "map", "any", "mem", "size"],      result: "scalar" },
  skb_load_bytes:                 { id: 26,  args: ["ctx", "any", "wmem", "size"],            result: "scalar" },
  csum_diff:                      { id: 28,  args: ["mem", "size", "mem", "size", "any"],     result: "scalar" },
  skb_change_proto:               { id: 31,  args: ["ctx", "any", "any"],                     result: "scalar", movesPacket: true },
  skb_change_type:                { id: 32,  args: ["ctx", "any"],                            result: "scalar" },
  get_hash_recalc:                { id: 34,  args: ["ctx"],                                   result: "scalar" },
  skb_change_tail:                { id: 38,  args: ["ctx", "any", "any"],                     result: "scalar", movesPacket: true },
  skb_pull_data:                  { id: 39,  args: ["ctx", "any"],                            result: "scalar", movesPacket: true },
  csum_update:                    { id: 40,  args: ["ctx", "any"],                            result: "scalar" },
  set_hash_invalid:               { id: 41,  args: ["ctx"],                                   result: "void" },
  skb_change_head:                { id: 43,  args: ["ctx", "any", "any"],                     result: "scalar", movesPacket: true },
  xdp_adjust_head:                { id: 44,  args: ["ctx", "any"],                            result: "scalar", movesPacket: true },
  get_socket_cookie:              { id: 46,  args: ["ctx"],                                   result: "scalar" },
  get_socket_uid:                 { id: 47,  args: ["ctx"],                                   result: "scalar" },
  setsockopt:                     { id: 49,  args: ["ctx", "any", "any", "mem", "size"],      result: "scalar" },
  skb_adjust_room:                { id: 50,  args: ["ctx", "any", "any", "any"],              result: "scalar", movesPacket: true },
  redirect_map:                   { id: 51,  args: ["map", "any", "any"],                     result: "scalar" },
  sk_redirect_map:                { id: 52,  args: ["ctx", "map", "any", "any"],              result: "scalar" },
  sock_map_update:                { id: 53,  args: ["ctx", "map", "key", "any"],              result: "scalar" },
  xdp_adjust_meta:                { id: 54,  args: ["ctx", "any"],                            result: "scalar", movesPacket: true },
  getsockopt:                     { id: 57,  args: ["ctx", "any", "any", "wmem", "size"],     result: "scalar" },
  sock_ops_cb_flags_set:          { id: 59,  args: ["ctx", "any"],                            result: "scalar" },
  msg_redirect_map:               { id: 60,  args: ["ctx", "map", "any", "any"],              result: "scalar" },
  msg_apply_bytes:                { id: 61,  args: ["ctx", "any"],                            result: "scalar" },
  msg_cork_bytes:                 { id: 62,  args: ["ctx", "any"],                            result: "scalar" },
  msg_pull_data:                  { id: 63,  args: ["ctx", "any", "any", "any"],              result: "scalar", movesPacket: true },
  bind:                           { id: 64,  args: ["ctx", "mem", "size"],                    result: "scalar" },
  xdp_adjust_tail:                { id: 65,  args: ["ctx", "any"],                            result: "scalar", movesPacket: true },
  skb_load_bytes_relative:        { id: 68,  args: ["ctx", "any", "wmem", "size", "any"],     result: "scalar" },
  fib_lookup:                     { id: 69,  args: ["ctx", "wmem", "size", "any"],            result: "scalar" },
  sock_hash_update:               { id: 70,  args: ["ctx", "map", "key", "any"],              result: "scalar" },
  msg_redirect_hash:              { id: 71,  args: ["ctx", "map", "key", "any"],              result: "scalar" },
  sk_redirect_hash:               { id: 72,  args: ["ctx", "map", "key", "any"],              result: "scalar" },
  skb_cgroup_id:                  { id: 79,  args: ["ctx"],                                   result: "scalar" },
  get_current_cgroup_id:          { id: 80,  args: [],                                        result: "scalar" },
  get_local_storage:              { id: 81,  args: ["map", "any"],                            result: "map_value" },
  sk_select_reuseport:            { id: 82,  args: ["ctx", "map", "key", "any"],              result: "scalar" },
  skb_ancestor_cgroup_id:         { id: 83,  args: ["ctx", "any"],                            result: "scalar" },
  sk_lookup_tcp:                  { id: 84,  args: ["ctx", "mem", "size", "any", "any"],      result: "sock_or_null" },
  sk_lookup_udp:                  { id: 85,  args: ["ctx", "mem", "size", "any", "any"],      result: "sock_or_null" },
  sk_release:                     { id: 86,  args: ["sock"],                                  result: "scalar" },
  map_push_elem:                  { id: 87,  args: ["map", "value", "any"],                   result: "scalar" },
  map_pop_elem:                   { id: 88,  args: ["map", "wvalue"],                         result: "scalar" },
  map_peek_elem:                  { id: 89,  args: ["map", "wvalue"],                         result: "scalar" },
  msg_push_data:                  { id: 90,  args: ["ctx", "any", "any", "any"],              result: "scalar", movesPacket: true },
  msg_pop_data:                   { id: 91,  args: ["ctx", "any", "any", "any"],              result: "scalar", movesPacket: true },
  skb_ecn_set_ce:                 { id: 97,  args: ["ctx"],                                   result: "scalar", movesPacket: true },
  sk_storage_get:                 { id: 107, args: ["map", "sock", "init", "any"],            result: "map_value_or_null" },
  sk_storage_delete:              { id: 108, args: ["map", "sock"],                           result: "scalar" },
  get_netns_cookie:               { id: 122, args: ["ctx"],                                   result: "scalar" },
  get_current_ancestor_cgroup_id: { id: 123, args: ["any"],                                   result: "scalar" },
  sk_assign:                      { id: 124, args: ["ctx", "sock", "any"],                    result: "scalar" },
  ktime_get_boot_ns:              { id: 125, args: [],                                        result: "scalar" },
  sk_cgroup_id:                   { id: 128, args: ["sock"],                                  result: "scalar" },
  ringbuf_output:                 { id: 130, args: ["map", "mem", "size", "any"],             result: "scalar" },
  ringbuf_reserve:                { id: 131, args: ["map", "any", "any"],                     result: "mem_or_null" },
  ringbuf_submit:                 { id: 132, args: ["ringmem", "any"],                        result: "void" },
  ringbuf_discard:                { id: 133, args: ["ringmem", "any"],                        result: "void" },
  ringbuf_query:                  { id: 134, args: ["map", "any"],                            result: "scalar" },
  load_hdr_opt:                   { id: 142, args: ["ctx", "wmem", "size", "any"],            result: "scalar" },
  store_hdr_opt:                  { id: 143, args: ["ctx", "mem", "size", "any"],             result: "scalar" },
  reserve_hdr_opt:                { id: 144, args: ["ctx", "any", "any"],                     result: "scalar" },
  redirect_neigh:                 { id: 152, args: ["any", "stack", "any", "any"],            result: "scalar" },
  redirect_peer:                  { id: 155, args: ["any", "any"],                            result: "scalar" },
  task_storage_get:               { id: 156, args: ["map", "task", "init", "any"],            result: "map_value_or_null" },
  task_storage_delete:            { id: 157, args: ["map", "task"],                           result: "scalar" },
  get_current_task_btf:           { id: 158, args: [],                                        result: "task" },
  for_each_map_elem:              { id: 164, args: ["map", "func", "stack", "any"],           result: "scalar" },
  loop:                           { id: 181, args: ["any", "func", "stack", "any"],           result: "scalar" },
  get_retval:                     { id: 186, args: [],                                        result: "scalar" },
  set_retval:                     { id: 187, args: ["any"],                                   result: "scalar" },
  xdp_get_buff_len:               { id: 188, args: ["ctx"],                                   result: "scalar" },
  xdp_load_bytes:                 { id: 189, args: ["ctx", "any", "wmem", "size"],            result: "scalar" },
  xdp_store_bytes:                { id: 190, args: ["ctx", "any", "mem", "size"],             result: "scalar" },
  map_lookup_percpu_elem:         { id: 195, args: ["map", "key", "any"],                     result: "map_value_or_null" },
  cgrp_storage_get:               { id: 210, args: ["map", "cgroup", "init", "any"],          result: "map_value_or_null" },
  cgrp_storage_delete:            { id: 211, args: ["map", "cgroup"],                         result: "scalar" },
} as const satisfies Record<string, Helper>;
export type HelperName = keyof typeof HELPERS;
