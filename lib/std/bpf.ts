// The interface between the standard library and the compiler: imports of module `bpf`.
//
// `define_…` run while the program is built and record what it defines. The others are intrinsics and kernel helpers;
// a helper's name is its row in lib/kernel/helpers.ts. Programs use the typed wrappers beside this file instead.

/** Defines a map; gives its handle. `signature` is idof<(key: K, value: V) => void>(). */
// @ts-ignore: decorator
@external("bpf", "define_map")
export declare function define_map(type: string, signature: u32, maxEntries: u32, flags: u32): usize;
/** Says that the maps in a map of maps look like another map. */
// @ts-ignore: decorator
@external("bpf", "define_inner")
export declare function define_inner(outer: usize, inner: usize): void;
/** Registers the function at a table index as a program of a hook (lib/kernel/program-types.ts). */
// @ts-ignore: decorator
@external("bpf", "define_program")
export declare function define_program(hook: string, index: u32): usize;
/** Marks an object as configuration. */
// @ts-ignore: decorator
@external("bpf", "define_config")
export declare function define_config(object: usize, signature: u32): void;
/** Sets the object's licence, "Dual MIT/GPL" unless set. */
// @ts-ignore: decorator
@external("bpf", "define_license")
export declare function define_license(text: string): void;

/** Address of `size` packet bytes at `offset` that are proven to be there, or 0. */
// @ts-ignore: decorator
@external("bpf", "packet_at")
export declare function packet_at(ctx: usize, offset: u32, size: u32): usize;
/** The same of the metadata in front of the packet. */
// @ts-ignore: decorator
@external("bpf", "meta_at")
export declare function meta_at(ctx: usize, offset: u32, size: u32): usize;
/** The socket that the context holds at an offset, or 0. */
// @ts-ignore: decorator
@external("bpf", "context_socket")
export declare function context_socket(ctx: usize, offset: u32): usize;
/** The flow keys that the context holds at an offset. */
// @ts-ignore: decorator
@external("bpf", "context_flow_keys")
export declare function context_flow_keys(ctx: usize, offset: u32): usize;
// @ts-ignore: decorator
@external("bpf", "bswap16")
export declare function bswap16(x: u32): u32;
// @ts-ignore: decorator
@external("bpf", "bswap32")
export declare function bswap32(x: u32): u32;
// @ts-ignore: decorator
@external("bpf", "bswap64")
export declare function bswap64(x: u64): u64;
/** A zeroed stack object of a constant size, in bytes. */
// @ts-ignore: decorator
@external("bpf", "stack_alloc")
export declare function stack_alloc(size: usize): usize;
/** Called in a function, keeps it a function of its own: calls to it are bpf-to-bpf calls. */
// @ts-ignore: decorator
@external("bpf", "no_inline")
export declare function no_inline(): void;
/** The address of a function for `loop`; `callback` is the reference of a function without captures. */
// @ts-ignore: decorator
@external("bpf", "loop_callback")
export declare function loop_callback(callback: usize): usize;
/** The address of a function for `for_each_map_elem`; `keySize` is an integer key's size, 0 for others. */
// @ts-ignore: decorator
@external("bpf", "each_callback")
export declare function each_callback(callback: usize, keySize: u32): usize;
/** Formats like the kernel's trace_printk: at most three values; read with `bpftool prog tracelog`. */
// @ts-ignore: decorator
@external("bpf", "printk")
export declare function printk(format: string, a?: u64, b?: u64, c?: u64): void;

// @ts-ignore: decorator
@external("bpf", "map_lookup_elem")
export declare function map_lookup_elem(map: usize, key: usize): usize;
// @ts-ignore: decorator
@external("bpf", "map_update_elem")
export declare function map_update_elem(map: usize, key: usize, value: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "map_delete_elem")
export declare function map_delete_elem(map: usize, key: usize): i32;
// @ts-ignore: decorator
@external("bpf", "tail_call")
export declare function tail_call(ctx: usize, map: usize, index: u32): void;
// @ts-ignore: decorator
@external("bpf", "ringbuf_output")
export declare function ringbuf_output(map: usize, data: usize, size: u64, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "ringbuf_reserve")
export declare function ringbuf_reserve(map: usize, size: u64, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "ringbuf_submit")
export declare function ringbuf_submit(record: usize, flags: u64): void;
// @ts-ignore: decorator
@external("bpf", "ringbuf_discard")
export declare function ringbuf_discard(record: usize, flags: u64): void;
// @ts-ignore: decorator
@external("bpf", "sock_map_update")
export declare function sock_map_update(ctx: usize, map: usize, key: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "sock_hash_update")
export declare function sock_hash_update(ctx: usize, map: usize, key: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "msg_redirect_map")
export declare function msg_redirect_map(ctx: usize, map: usize, key: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "msg_redirect_hash")
export declare function msg_redirect_hash(ctx: usize, map: usize, key: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "sk_assign")
export declare function sk_assign(ctx: usize, sk: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "sk_release")
export declare function sk_release(sk: usize): i32;
// @ts-ignore: decorator
@external("bpf", "get_socket_cookie")
export declare function get_socket_cookie(ctx: usize): u64;
// @ts-ignore: decorator
@external("bpf", "get_netns_cookie")
export declare function get_netns_cookie(ctx: usize): u64;
// @ts-ignore: decorator
@external("bpf", "redirect")
export declare function redirect(ifindex: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "redirect_peer")
export declare function redirect_peer(ifindex: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "skb_store_bytes")
export declare function skb_store_bytes(ctx: usize, offset: u32, from: usize, size: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "l3_csum_replace")
export declare function l3_csum_replace(ctx: usize, offset: u32, from: u64, to: u64, size: u64): i32;
// @ts-ignore: decorator
@external("bpf", "l4_csum_replace")
export declare function l4_csum_replace(ctx: usize, offset: u32, from: u64, to: u64, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "xdp_adjust_head")
export declare function xdp_adjust_head(ctx: usize, delta: i32): i32;
// @ts-ignore: decorator
@external("bpf", "xdp_adjust_tail")
export declare function xdp_adjust_tail(ctx: usize, delta: i32): i32;

// @ts-ignore: decorator
@external("bpf", "clone_redirect")
export declare function clone_redirect(ctx: usize, ifindex: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "get_current_uid_gid")
export declare function get_current_uid_gid(): u64;
// @ts-ignore: decorator
@external("bpf", "get_current_comm")
export declare function get_current_comm(into: usize, size: u32): i32;
// @ts-ignore: decorator
@external("bpf", "get_current_cgroup_id")
export declare function get_current_cgroup_id(): u64;
// @ts-ignore: decorator
@external("bpf", "get_current_ancestor_cgroup_id")
export declare function get_current_ancestor_cgroup_id(level: i32): u64;
// @ts-ignore: decorator
@external("bpf", "get_retval")
export declare function get_retval(): i32;
// @ts-ignore: decorator
@external("bpf", "set_retval")
export declare function set_retval(value: i32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_load_bytes")
export declare function skb_load_bytes(ctx: usize, offset: u32, into: usize, size: u32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_load_bytes_relative")
export declare function skb_load_bytes_relative(ctx: usize, offset: u32, into: usize, size: u32, start: u32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_pull_data")
export declare function skb_pull_data(ctx: usize, length: u32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_change_head")
export declare function skb_change_head(ctx: usize, length: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "skb_change_tail")
export declare function skb_change_tail(ctx: usize, length: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "skb_change_proto")
export declare function skb_change_proto(ctx: usize, protocol_be: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "skb_change_type")
export declare function skb_change_type(ctx: usize, type: u32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_adjust_room")
export declare function skb_adjust_room(ctx: usize, delta: i32, mode: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "skb_vlan_push")
export declare function skb_vlan_push(ctx: usize, protocol_be: u32, tci: u32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_vlan_pop")
export declare function skb_vlan_pop(ctx: usize): i32;
// @ts-ignore: decorator
@external("bpf", "skb_ecn_set_ce")
export declare function skb_ecn_set_ce(ctx: usize): i32;
// @ts-ignore: decorator
@external("bpf", "skb_cgroup_id")
export declare function skb_cgroup_id(ctx: usize): u64;
// @ts-ignore: decorator
@external("bpf", "skb_ancestor_cgroup_id")
export declare function skb_ancestor_cgroup_id(ctx: usize, level: i32): u64;
// @ts-ignore: decorator
@external("bpf", "get_hash_recalc")
export declare function get_hash_recalc(ctx: usize): u32;
// @ts-ignore: decorator
@external("bpf", "set_hash_invalid")
export declare function set_hash_invalid(ctx: usize): void;
// @ts-ignore: decorator
@external("bpf", "get_socket_uid")
export declare function get_socket_uid(ctx: usize): u32;
// @ts-ignore: decorator
@external("bpf", "csum_diff")
export declare function csum_diff(from: usize, fromSize: u32, to: usize, toSize: u32, seed: u32): i64;
// @ts-ignore: decorator
@external("bpf", "csum_update")
export declare function csum_update(ctx: usize, sum: u32): i64;
// @ts-ignore: decorator
@external("bpf", "redirect_map")
export declare function redirect_map(map: usize, key: u64, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "redirect_neigh")
export declare function redirect_neigh(ifindex: u32, params: usize, size: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "sk_redirect_map")
export declare function sk_redirect_map(ctx: usize, map: usize, key: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "sk_redirect_hash")
export declare function sk_redirect_hash(ctx: usize, map: usize, key: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "sk_select_reuseport")
export declare function sk_select_reuseport(ctx: usize, map: usize, key: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "msg_apply_bytes")
export declare function msg_apply_bytes(ctx: usize, bytes: u32): i32;
// @ts-ignore: decorator
@external("bpf", "msg_cork_bytes")
export declare function msg_cork_bytes(ctx: usize, bytes: u32): i32;
// @ts-ignore: decorator
@external("bpf", "msg_pull_data")
export declare function msg_pull_data(ctx: usize, start: u32, end: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "msg_push_data")
export declare function msg_push_data(ctx: usize, start: u32, length: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "msg_pop_data")
export declare function msg_pop_data(ctx: usize, start: u32, length: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "xdp_adjust_meta")
export declare function xdp_adjust_meta(ctx: usize, delta: i32): i32;
// @ts-ignore: decorator
@external("bpf", "xdp_get_buff_len")
export declare function xdp_get_buff_len(ctx: usize): u64;
// @ts-ignore: decorator
@external("bpf", "xdp_load_bytes")
export declare function xdp_load_bytes(ctx: usize, offset: u32, into: usize, size: u32): i32;
// @ts-ignore: decorator
@external("bpf", "xdp_store_bytes")
export declare function xdp_store_bytes(ctx: usize, offset: u32, from: usize, size: u32): i32;
// @ts-ignore: decorator
@external("bpf", "bind")
export declare function bind(ctx: usize, address: usize, size: i32): i32;
// @ts-ignore: decorator
@external("bpf", "setsockopt")
export declare function setsockopt(ctx: usize, level: i32, name: i32, value: usize, size: i32): i32;
// @ts-ignore: decorator
@external("bpf", "getsockopt")
export declare function getsockopt(ctx: usize, level: i32, name: i32, into: usize, size: i32): i32;
// @ts-ignore: decorator
@external("bpf", "sock_ops_cb_flags_set")
export declare function sock_ops_cb_flags_set(ctx: usize, flags: i32): i32;
// @ts-ignore: decorator
@external("bpf", "fib_lookup")
export declare function fib_lookup(ctx: usize, params: usize, size: i32, flags: u32): i32;
// @ts-ignore: decorator
@external("bpf", "sk_lookup_tcp")
export declare function sk_lookup_tcp(ctx: usize, tuple: usize, size: u32, netns: u64, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "sk_lookup_udp")
export declare function sk_lookup_udp(ctx: usize, tuple: usize, size: u32, netns: u64, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "sk_storage_get")
export declare function sk_storage_get(map: usize, sk: usize, initial: usize, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "sk_storage_delete")
export declare function sk_storage_delete(map: usize, sk: usize): i32;
// @ts-ignore: decorator
@external("bpf", "sk_cgroup_id")
export declare function sk_cgroup_id(sk: usize): u64;
// @ts-ignore: decorator
@external("bpf", "ringbuf_query")
export declare function ringbuf_query(map: usize, what: u64): u64;
// @ts-ignore: decorator
@external("bpf", "perf_event_output")
export declare function perf_event_output(ctx: usize, map: usize, flags: u64, data: usize, size: u64): i32;
// @ts-ignore: decorator
@external("bpf", "get_local_storage")
export declare function get_local_storage(map: usize, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "map_push_elem")
export declare function map_push_elem(map: usize, value: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "map_pop_elem")
export declare function map_pop_elem(map: usize, into: usize): i32;
// @ts-ignore: decorator
@external("bpf", "map_peek_elem")
export declare function map_peek_elem(map: usize, into: usize): i32;
// @ts-ignore: decorator
@external("bpf", "task_storage_get")
export declare function task_storage_get(map: usize, task: usize, initial: usize, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "task_storage_delete")
export declare function task_storage_delete(map: usize, task: usize): i32;
// @ts-ignore: decorator
@external("bpf", "get_current_task_btf")
export declare function get_current_task_btf(): usize;
// @ts-ignore: decorator
@external("bpf", "map_lookup_percpu_elem")
export declare function map_lookup_percpu_elem(map: usize, key: usize, cpu: u32): usize;
// @ts-ignore: decorator
@external("bpf", "cgrp_storage_get")
export declare function cgrp_storage_get(map: usize, cgroup: usize, initial: usize, flags: u64): usize;
// @ts-ignore: decorator
@external("bpf", "cgrp_storage_delete")
export declare function cgrp_storage_delete(map: usize, cgroup: usize): i32;
// @ts-ignore: decorator
@external("bpf", "for_each_map_elem")
export declare function for_each_map_elem(map: usize, callback: usize, context: usize, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "loop")
export declare function bpf_loop(times: u32, callback: usize, context: usize, flags: u64): i32;

// Functions of the kernel by name: rows of lib/kernel/kfuncs.ts.
// @ts-ignore: decorator
@external("bpf", "bpf_cgroup_from_id")
export declare function bpf_cgroup_from_id(id: u64): usize;
// @ts-ignore: decorator
@external("bpf", "bpf_cgroup_ancestor")
export declare function bpf_cgroup_ancestor(cgroup: usize, level: i32): usize;
// @ts-ignore: decorator
@external("bpf", "bpf_cgroup_release")
export declare function bpf_cgroup_release(cgroup: usize): void;
// @ts-ignore: decorator
@external("bpf", "bpf_task_under_cgroup")
export declare function bpf_task_under_cgroup(task: usize, cgroup: usize): i64;
// @ts-ignore: decorator
@external("bpf", "bpf_task_from_pid")
export declare function bpf_task_from_pid(pid: i32): usize;
// @ts-ignore: decorator
@external("bpf", "bpf_task_release")
export declare function bpf_task_release(task: usize): void;
// @ts-ignore: decorator
@external("bpf", "bpf_map_sum_elem_count")
export declare function bpf_map_sum_elem_count(map: usize): i64;
// @ts-ignore: decorator
@external("bpf", "bpf_xdp_pull_data")
export declare function bpf_xdp_pull_data(ctx: usize, length: u32): i32;

/** Nanoseconds since boot, suspend excluded. */
// @ts-ignore: decorator
@external("bpf", "ktime_get_ns")
export declare function ktime_get_ns(): u64;
// @ts-ignore: decorator
@external("bpf", "ktime_get_boot_ns")
export declare function ktime_get_boot_ns(): u64;
// @ts-ignore: decorator
@external("bpf", "get_prandom_u32")
export declare function get_prandom_u32(): u32;
// @ts-ignore: decorator
@external("bpf", "get_smp_processor_id")
export declare function get_smp_processor_id(): u32;
// @ts-ignore: decorator
@external("bpf", "get_current_pid_tgid")
export declare function get_current_pid_tgid(): u64;
