/**
 * The prototype of every helper function as the verifier reads it: what each argument has to be, what r0 holds afterwards, and
 * what the call does besides.
 *
 * lib/kernel's HELPERS tells compiler and interpreter how arguments are passed. A verifier has to know more (what may be null,
 * what is written, what is given back), and of all helpers, while the callers of HELPERS hang on its literal types: so the
 * finer facts stand here, and `test/verifier/calls/prototypes.test.ts` holds both together.
 *
 * Source: the function prototypes of Linux 6.18, by what its verifier accepts (test/verifier/kernel/helper-calls.test.ts).
 */
import type { AnyHelperName, AttachType, ProgramType } from "../../kernel/index.ts";
import { HELPER_NAMES } from "../../kernel/index.ts";
import type { Privileges } from "../privileges.ts";
import { argumentOf } from "./kinds.ts";
import type { Argument, ArgumentName } from "./kinds.ts";

/**
 * What r0 is. `number`: anything; `percpu`: a CPU's copy of the argument; `kptr?`: what the field held; `object`, `trusted`: a
 * struct of the kernel. `?`: or null.
 */
// prettier-ignore
export type ResultName =
  | "number" | "void" | "map_value" | "map_value?" | "socket?" | "sock_common?" | "tcp_sock?" | "ringbuf_mem?" | "dynptr_mem?"
  | "percpu" | "percpu?" | "kptr?" | `object:${string}` | `object?:${string}` | `trusted:${string}`;

interface Effects {
  /** Only for programs under a license that goes with the GPL. */
  readonly gpl: boolean;
  /** Only where the program may sleep. `if_program_may`: it sleeps in programs that may, and does not in others. */
  readonly sleeps: boolean | "if_program_may";
  /** Its memory may be in the packet. */
  readonly packet: boolean;
  /** Packet pointers lose what was proven. */
  readonly moves: boolean;
  /** What is returned has to be given back. */
  readonly acquires: boolean;
  /** What is returned is the argument by another type, and held when that is. */
  readonly casts: boolean;
  /** The compiler may take caller-saved registers to survive: spills around the call cost no stack. */
  readonly fastcall: boolean;
  /** The capability without which no program has it; null: none but those that its program types ask for. */
  readonly needs: "bpf" | "perfmon" | null;
}

export interface Prototype extends Effects {
  readonly name: AnyHelperName;
  readonly args: readonly Argument[];
  readonly result: Result;
}

export interface Result {
  // prettier-ignore
  readonly base:
    | "number" | "void" | "map_value" | "socket" | "sock_common" | "tcp_sock" | "ringbuf_mem" | "dynptr_mem" | "percpu" | "kptr"
    | "object" | "trusted";
  readonly nullable: boolean;
  /** object, trusted: the struct. */
  readonly type: string;
}

type Place = ProgramType | AttachType;
interface Row extends Partial<Effects> {
  readonly args: readonly ArgumentName[];
  readonly result: ResultName;
  /** Where the same number is another function. */
  readonly elsewhere?: readonly Elsewhere[];
}
interface Elsewhere extends Partial<Effects> {
  readonly on: readonly Place[];
  readonly args?: readonly ArgumentName[];
}

const TC = ["sched_cls", "sched_act"] as const;
const LWT = ["lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"] as const;
/** Programs whose objects are the kernel's own structs. */
const KERNEL_TYPED = ["tracing", "syscall"] as const;
/** Programs that name the socket, and not their context, to read and set options. */
const SOCKET_ITSELF = ["cgroup_sockopt", "lsm", "struct_ops", "trace_iter"] as const;

const FREE_IN_SYSCALLS = [{ on: ["syscall"], needs: null }] as const;

// prettier-ignore
const ROWS: Readonly<Record<AnyHelperName, Row>> = {
  map_lookup_elem:               { args: ["map", "key"],                                     result: "map_value?", packet: true },
  map_update_elem:               { args: ["map", "key", "value", "any"],                     result: "number", packet: true },
  map_delete_elem:               { args: ["map", "key"],                                     result: "number", packet: true },
  probe_read:                    { args: ["mem_out", "size0", "any"],                        result: "number", gpl: true },
  ktime_get_ns:                  { args: [],                                                 result: "number" },
  trace_printk:                  { args: ["mem", "size"],                                    result: "number", gpl: true, needs: "perfmon" },
  get_prandom_u32:               { args: [],                                                 result: "number" },
  get_smp_processor_id:          { args: [],                                                 result: "number", fastcall: true },
  skb_store_bytes:               { args: ["ctx", "any", "mem", "size", "any"],               result: "number", moves: true },
  l3_csum_replace:               { args: ["ctx", "any", "any", "any", "any"],                result: "number", moves: true },
  l4_csum_replace:               { args: ["ctx", "any", "any", "any", "any"],                result: "number", moves: true },
  tail_call:                     { args: ["ctx", "map", "any"],                              result: "void" },
  clone_redirect:                { args: ["ctx", "any", "any"],                              result: "number", moves: true },
  get_current_pid_tgid:          { args: [],                                                 result: "number" },
  get_current_uid_gid:           { args: [],                                                 result: "number" },
  get_current_comm:              { args: ["mem_out", "size"],                                result: "number", needs: "perfmon" },
  get_cgroup_classid:            { args: [],                                                 result: "number", needs: "bpf",
    elsewhere: [{ on: [...TC, ...LWT], args: ["ctx"] }] },
  skb_vlan_push:                 { args: ["ctx", "any", "any"],                              result: "number", moves: true },
  skb_vlan_pop:                  { args: ["ctx"],                                            result: "number", moves: true },
  skb_get_tunnel_key:            { args: ["ctx", "mem_out", "size", "any"],                  result: "number" },
  skb_set_tunnel_key:            { args: ["ctx", "mem", "size", "any"],                      result: "number" },
  perf_event_read:               { args: ["map", "any"],                                     result: "number", gpl: true, needs: "perfmon" },
  redirect:                      { args: ["any", "any"],                                     result: "number" },
  get_route_realm:               { args: ["ctx"],                                            result: "number" },
  perf_event_output:             { args: ["ctx", "map", "any", "mem", "size0"],              result: "number", gpl: true },
  skb_load_bytes:                { args: ["ctx", "any", "mem_out", "size"],                  result: "number" },
  get_stackid:                   { args: ["ctx", "map", "any"],                              result: "number", gpl: true,
    elsewhere: [{ on: ["perf_event"], gpl: false }] },
  csum_diff:                     { args: ["mem?", "size0", "mem?", "size0", "any"],          result: "number", packet: true },
  skb_get_tunnel_opt:            { args: ["ctx", "mem_out", "size"],                         result: "number" },
  skb_set_tunnel_opt:            { args: ["ctx", "mem", "size"],                             result: "number" },
  skb_change_proto:              { args: ["ctx", "any", "any"],                              result: "number", moves: true },
  skb_change_type:               { args: ["ctx", "any"],                                     result: "number" },
  skb_under_cgroup:              { args: ["ctx", "map", "any"],                              result: "number" },
  get_hash_recalc:               { args: ["ctx"],                                            result: "number" },
  get_current_task:              { args: [],                                                 result: "number", gpl: true, needs: "perfmon" },
  probe_write_user:              { args: ["any", "mem", "size"],                             result: "number", gpl: true },
  current_task_under_cgroup:     { args: ["map", "any"],                                     result: "number", needs: "bpf" },
  skb_change_tail:               { args: ["ctx", "any", "any"],                              result: "number", moves: true },
  skb_pull_data:                 { args: ["ctx", "any"],                                     result: "number", moves: true },
  csum_update:                   { args: ["ctx", "any"],                                     result: "number" },
  set_hash_invalid:              { args: ["ctx"],                                            result: "number" },
  get_numa_node_id:              { args: [],                                                 result: "number" },
  skb_change_head:               { args: ["ctx", "any", "any"],                              result: "number", moves: true },
  xdp_adjust_head:               { args: ["ctx", "any"],                                     result: "number", moves: true },
  probe_read_str:                { args: ["mem_out", "size0", "any"],                        result: "number", gpl: true },
  get_socket_cookie:             { args: ["ctx"],                                            result: "number",
    elsewhere: [{ on: ["sk_reuseport", ...KERNEL_TYPED], args: ["sock?"] }] },
  get_socket_uid:                { args: ["ctx"],                                            result: "number" },
  set_hash:                      { args: ["ctx", "any"],                                     result: "number" },
  setsockopt:                    { args: ["ctx", "any", "any", "mem", "size"],               result: "number",
    elsewhere: [{ on: SOCKET_ITSELF, args: ["sock", "any", "any", "mem", "size"] }] },
  skb_adjust_room:               { args: ["ctx", "any", "any", "any"],                       result: "number", moves: true },
  redirect_map:                  { args: ["map", "any", "any"],                              result: "number" },
  sk_redirect_map:               { args: ["ctx", "map", "any", "any"],                       result: "number" },
  sock_map_update:               { args: ["ctx", "map", "key", "any"],                       result: "number", packet: true },
  xdp_adjust_meta:               { args: ["ctx", "any"],                                     result: "number", moves: true },
  perf_event_read_value:         { args: ["map", "any", "mem_out", "size"],                  result: "number", gpl: true, needs: "perfmon" },
  perf_prog_read_value:          { args: ["ctx", "mem_out", "size"],                         result: "number", gpl: true },
  getsockopt:                    { args: ["ctx", "any", "any", "mem_out", "size"],           result: "number",
    elsewhere: [{ on: SOCKET_ITSELF, args: ["sock", "any", "any", "mem_out", "size"] }] },
  override_return:               { args: ["ctx", "any"],                                     result: "number", gpl: true },
  sock_ops_cb_flags_set:         { args: ["ctx", "any"],                                     result: "number" },
  msg_redirect_map:              { args: ["ctx", "map", "any", "any"],                       result: "number" },
  msg_apply_bytes:               { args: ["ctx", "any"],                                     result: "number" },
  msg_cork_bytes:                { args: ["ctx", "any"],                                     result: "number" },
  msg_pull_data:                 { args: ["ctx", "any", "any", "any"],                       result: "number", moves: true },
  bind:                          { args: ["ctx", "mem", "size"],                             result: "number" },
  xdp_adjust_tail:               { args: ["ctx", "any"],                                     result: "number", moves: true },
  skb_get_xfrm_state:            { args: ["ctx", "any", "mem_out", "size", "any"],           result: "number" },
  get_stack:                     { args: ["ctx", "mem_out", "size0", "any"],                 result: "number", gpl: true, sleeps: "if_program_may" },
  skb_load_bytes_relative:       { args: ["ctx", "any", "mem_out", "size", "any"],           result: "number" },
  fib_lookup:                    { args: ["ctx", "mem_write", "size", "any"],                result: "number", gpl: true },
  sock_hash_update:              { args: ["ctx", "map", "key", "any"],                       result: "number", packet: true },
  msg_redirect_hash:             { args: ["ctx", "map", "key", "any"],                       result: "number" },
  sk_redirect_hash:              { args: ["ctx", "map", "key", "any"],                       result: "number" },
  lwt_push_encap:                { args: ["ctx", "any", "mem", "size"],                      result: "number", moves: true },
  lwt_seg6_store_bytes:          { args: ["ctx", "any", "mem", "size"],                      result: "number", moves: true },
  lwt_seg6_adjust_srh:           { args: ["ctx", "any", "any"],                              result: "number", moves: true },
  lwt_seg6_action:               { args: ["ctx", "any", "mem", "size"],                      result: "number", moves: true },
  rc_repeat:                     { args: ["ctx"],                                            result: "number", gpl: true },
  rc_keydown:                    { args: ["ctx", "any", "any", "any"],                       result: "number", gpl: true },
  skb_cgroup_id:                 { args: ["ctx"],                                            result: "number" },
  get_current_cgroup_id:         { args: [],                                                 result: "number", needs: "bpf" },
  get_local_storage:             { args: ["map", "any"],                                     result: "map_value" },
  sk_select_reuseport:           { args: ["ctx", "map", "key", "any"],                       result: "number" },
  skb_ancestor_cgroup_id:        { args: ["ctx", "any"],                                     result: "number" },
  sk_lookup_tcp:                 { args: ["ctx", "mem", "size0", "any", "any"],              result: "socket?", packet: true, acquires: true },
  sk_lookup_udp:                 { args: ["ctx", "mem", "size0", "any", "any"],              result: "socket?", packet: true, acquires: true },
  sk_release:                    { args: ["sock_release"],                                   result: "number" },
  map_push_elem:                 { args: ["map", "value", "any"],                            result: "number", packet: true },
  map_pop_elem:                  { args: ["map", "value_out"],                               result: "number" },
  map_peek_elem:                 { args: ["map", "value_out"],                               result: "number" },
  msg_push_data:                 { args: ["ctx", "any", "any", "any"],                       result: "number", moves: true },
  msg_pop_data:                  { args: ["ctx", "any", "any", "any"],                       result: "number", moves: true },
  rc_pointer_rel:                { args: ["ctx", "any", "any"],                              result: "number", gpl: true },
  spin_lock:                     { args: ["lock"],                                           result: "void", needs: "bpf" },
  spin_unlock:                   { args: ["lock"],                                           result: "void", needs: "bpf" },
  sk_fullsock:                   { args: ["sock_common"],                                    result: "socket?", casts: true },
  tcp_sock:                      { args: ["sock_common"],                                    result: "tcp_sock?", casts: true },
  skb_ecn_set_ce:                { args: ["ctx"],                                            result: "number" },
  get_listener_sock:             { args: ["sock_common"],                                    result: "socket?" },
  skc_lookup_tcp:                { args: ["ctx", "mem", "size0", "any", "any"],              result: "sock_common?", packet: true, acquires: true },
  tcp_check_syncookie:           { args: ["sock", "mem", "size", "mem", "size"],             result: "number", gpl: true, packet: true },
  sysctl_get_name:               { args: ["ctx", "mem_write", "size", "any"],                result: "number" },
  sysctl_get_current_value:      { args: ["ctx", "mem_out", "size"],                         result: "number" },
  sysctl_get_new_value:          { args: ["ctx", "mem_out", "size"],                         result: "number" },
  sysctl_set_new_value:          { args: ["ctx", "mem", "size"],                             result: "number" },
  strtol:                        { args: ["mem", "size", "any", "u64_out"],                  result: "number" },
  strtoul:                       { args: ["mem", "size", "any", "u64_out"],                  result: "number" },
  sk_storage_get:                { args: ["map", "sock", "value?", "any"],                   result: "map_value?",
    elsewhere: [
      { on: ["cgroup_sock"], args: ["map", "ctx", "value?", "any"] },
      { on: KERNEL_TYPED, args: ["map", "object?:sock_common", "value?", "any"] },
    ] },
  sk_storage_delete:             { args: ["map", "sock"],                                    result: "number",
    elsewhere: [{ on: KERNEL_TYPED, args: ["map", "object?:sock_common"] }] },
  send_signal:                   { args: ["any"],                                            result: "number", needs: "perfmon" },
  tcp_gen_syncookie:             { args: ["sock", "mem", "size", "mem", "size"],             result: "number", gpl: true, packet: true },
  skb_output:                    { args: ["object:sk_buff", "map", "any", "mem", "size0"],   result: "number", gpl: true },
  probe_read_user:               { args: ["mem_out", "size0", "any"],                        result: "number", gpl: true, needs: "perfmon" },
  probe_read_kernel:             { args: ["mem_out", "size0", "any"],                        result: "number", gpl: true, needs: "perfmon" },
  probe_read_user_str:           { args: ["mem_out", "size0", "any"],                        result: "number", gpl: true, needs: "perfmon" },
  probe_read_kernel_str:         { args: ["mem_out", "size0", "any"],                        result: "number", gpl: true, needs: "perfmon" },
  tcp_send_ack:                  { args: ["object:tcp_sock", "any"],                         result: "number" },
  send_signal_thread:            { args: ["any"],                                            result: "number", needs: "perfmon" },
  jiffies64:                     { args: [],                                                 result: "number", needs: "bpf" },
  read_branch_records:           { args: ["ctx", "mem_write?", "size0", "any"],              result: "number", gpl: true },
  get_ns_current_pid_tgid:       { args: ["any", "any", "mem_out", "size"],                  result: "number" },
  xdp_output:                    { args: ["object:xdp_buff", "map", "any", "mem", "size0"],  result: "number", gpl: true },
  get_netns_cookie:              { args: ["ctx?"],                                           result: "number" },
  get_current_ancestor_cgroup_id: { args: ["any"],                                           result: "number", needs: "bpf" },
  sk_assign:                     { args: ["ctx", "sock", "any"],                             result: "number",
    elsewhere: [{ on: ["sk_lookup"], args: ["ctx", "socket?", "any"] }] },
  ktime_get_boot_ns:             { args: [],                                                 result: "number" },
  seq_printf:                    { args: ["object:seq_file", "mem", "size", "mem?", "size0"], result: "number", gpl: true },
  seq_write:                     { args: ["object:seq_file", "mem", "size0"],                result: "number", gpl: true },
  sk_cgroup_id:                  { args: ["sock"],                                           result: "number" },
  sk_ancestor_cgroup_id:         { args: ["sock", "any"],                                    result: "number" },
  ringbuf_output:                { args: ["map", "mem", "size0", "any"],                     result: "number" },
  ringbuf_reserve:               { args: ["map", "alloc_size", "any"],                       result: "ringbuf_mem?", acquires: true },
  ringbuf_submit:                { args: ["ringbuf_mem_release", "any"],                     result: "void" },
  ringbuf_discard:               { args: ["ringbuf_mem_release", "any"],                     result: "void" },
  ringbuf_query:                 { args: ["map", "any"],                                     result: "number" },
  csum_level:                    { args: ["ctx", "any"],                                     result: "number" },
  skc_to_tcp6_sock:              { args: ["sock"],                                           result: "object?:tcp6_sock", needs: "perfmon", casts: true, elsewhere: FREE_IN_SYSCALLS },
  skc_to_tcp_sock:               { args: ["sock"],                                           result: "object?:tcp_sock", needs: "perfmon", casts: true, elsewhere: FREE_IN_SYSCALLS },
  skc_to_tcp_timewait_sock:      { args: ["sock"],                                           result: "object?:tcp_timewait_sock", needs: "perfmon", casts: true, elsewhere: FREE_IN_SYSCALLS },
  skc_to_tcp_request_sock:       { args: ["sock"],                                           result: "object?:tcp_request_sock", needs: "perfmon", casts: true, elsewhere: FREE_IN_SYSCALLS },
  skc_to_udp6_sock:              { args: ["sock"],                                           result: "object?:udp6_sock", needs: "perfmon", casts: true, elsewhere: FREE_IN_SYSCALLS },
  get_task_stack:                { args: ["object:task_struct", "mem_out", "size0", "any"],  result: "number", sleeps: "if_program_may", needs: "perfmon" },
  load_hdr_opt:                  { args: ["ctx", "mem_write", "size", "any"],                result: "number" },
  store_hdr_opt:                 { args: ["ctx", "mem", "size", "any"],                      result: "number", moves: true },
  reserve_hdr_opt:               { args: ["ctx", "any", "any"],                              result: "number" },
  inode_storage_get:             { args: ["map", "object?:inode", "value?", "any"],          result: "map_value?" },
  inode_storage_delete:          { args: ["map", "object?:inode"],                           result: "number" },
  d_path:                        { args: ["object:path", "mem_write", "size0"],              result: "number" },
  copy_from_user:                { args: ["mem_out", "size0", "any"],                        result: "number", sleeps: true, needs: "perfmon" },
  snprintf_btf:                  { args: ["mem_write", "size", "mem", "size", "any"],        result: "number", needs: "perfmon" },
  seq_printf_btf:                { args: ["object:seq_file", "mem", "size0", "any"],         result: "number", gpl: true },
  skb_cgroup_classid:            { args: ["ctx"],                                            result: "number" },
  redirect_neigh:                { args: ["any", "mem?", "size0", "any"],                    result: "number" },
  per_cpu_ptr:                   { args: ["percpu", "any"],                                  result: "percpu?", needs: "bpf" },
  this_cpu_ptr:                  { args: ["percpu"],                                         result: "percpu", needs: "bpf" },
  redirect_peer:                 { args: ["any", "any"],                                     result: "number" },
  task_storage_get:              { args: ["map", "object?:task_struct", "value?", "any"],    result: "map_value?", needs: "bpf" },
  task_storage_delete:           { args: ["map", "object?:task_struct"],                     result: "number", needs: "bpf" },
  get_current_task_btf:          { args: [],                                                 result: "trusted:task_struct", gpl: true, needs: "perfmon" },
  bprm_opts_set:                 { args: ["object:linux_binprm", "any"],                     result: "number" },
  ktime_get_coarse_ns:           { args: [],                                                 result: "number" },
  ima_inode_hash:                { args: ["object:inode", "mem_out", "size"],                result: "number", sleeps: true },
  sock_from_file:                { args: ["object:file"],                                    result: "object?:socket" },
  check_mtu:                     { args: ["ctx", "any", "u32_write", "any", "any"],          result: "number", gpl: true },
  for_each_map_elem:             { args: ["map", "func", "stack?", "any"],                   result: "number", needs: "bpf" },
  snprintf:                      { args: ["mem_write?", "size0", "string", "mem?", "size0"], result: "number", gpl: true, needs: "perfmon" },
  sys_bpf:                       { args: ["any", "mem", "size"],                             result: "number", sleeps: true, needs: "perfmon" },
  btf_find_by_name_kind:         { args: ["mem", "size", "any", "any"],                      result: "number", sleeps: true },
  sys_close:                     { args: ["any"],                                            result: "number", sleeps: true },
  timer_init:                    { args: ["timer", "map", "any"],                            result: "number", gpl: true, needs: "bpf" },
  timer_set_callback:            { args: ["timer", "func"],                                  result: "number", gpl: true, needs: "bpf" },
  timer_start:                   { args: ["timer", "any", "any"],                            result: "number", gpl: true, needs: "bpf" },
  timer_cancel:                  { args: ["timer"],                                          result: "number", gpl: true, needs: "bpf" },
  get_func_ip:                   { args: ["ctx"],                                            result: "number", gpl: true },
  get_attach_cookie:             { args: ["ctx"],                                            result: "number" },
  task_pt_regs:                  { args: ["object:task_struct"],                             result: "object:pt_regs", gpl: true, needs: "perfmon" },
  get_branch_snapshot:           { args: ["mem_out", "size0"],                               result: "number", gpl: true, needs: "perfmon" },
  trace_vprintk:                 { args: ["mem", "size", "mem?", "size0"],                   result: "number", gpl: true, needs: "perfmon" },
  skc_to_unix_sock:              { args: ["sock"],                                           result: "object?:unix_sock", needs: "perfmon", elsewhere: FREE_IN_SYSCALLS },
  kallsyms_lookup_name:          { args: ["mem", "size0", "any", "u64_out"],           result: "number" },
  find_vma:                      { args: ["object:task_struct", "any", "func", "stack?", "any"], result: "number", needs: "perfmon" },
  loop:                          { args: ["scalar", "func", "stack?", "any"],                result: "number", needs: "bpf" },
  strncmp:                       { args: ["mem", "size", "string"],                          result: "number" },
  get_func_arg:                  { args: ["ctx", "any", "u64_out"],                          result: "number" },
  get_func_ret:                  { args: ["ctx", "u64_out"],                                 result: "number" },
  get_func_arg_cnt:              { args: ["ctx"],                                            result: "number" },
  get_retval:                    { args: [],                                                 result: "number" },
  set_retval:                    { args: ["any"],                                            result: "number" },
  xdp_get_buff_len:              { args: ["ctx"],                                            result: "number",
    elsewhere: [{ on: KERNEL_TYPED, args: ["object:xdp_buff"] }] },
  xdp_load_bytes:                { args: ["ctx", "any", "mem_out", "size"],                  result: "number" },
  xdp_store_bytes:               { args: ["ctx", "any", "mem", "size"],                      result: "number" },
  copy_from_user_task:           { args: ["mem_out", "size0", "any", "object:task_struct", "any"],  result: "number", gpl: true, sleeps: true, needs: "perfmon" },
  skb_set_tstamp:                { args: ["ctx", "any", "any"],                              result: "number" },
  ima_file_hash:                 { args: ["object:file", "mem_out", "size"],                 result: "number", sleeps: true },
  kptr_xchg:                     { args: ["kptr", "kptr_value?"],                            result: "kptr?", needs: "bpf", acquires: true },
  map_lookup_percpu_elem:        { args: ["map", "key", "any"],                              result: "map_value?", packet: true },
  skc_to_mptcp_sock:             { args: ["sock_common"],                                    result: "object?:mptcp_sock", needs: "perfmon", casts: true, elsewhere: FREE_IN_SYSCALLS },
  dynptr_from_mem:               { args: ["mem_out", "size0", "any", "dynptr_local_out"],    result: "number", needs: "bpf" },
  ringbuf_reserve_dynptr:        { args: ["map", "any", "any", "dynptr_ringbuf_out"],        result: "number", needs: "bpf" },
  ringbuf_submit_dynptr:         { args: ["dynptr_ringbuf_release", "any"],                  result: "void", needs: "bpf" },
  ringbuf_discard_dynptr:        { args: ["dynptr_ringbuf_release", "any"],                  result: "void", needs: "bpf" },
  dynptr_read:                   { args: ["mem_out", "size0", "dynptr", "any", "any"],       result: "number", needs: "bpf" },
  dynptr_write:                  { args: ["dynptr", "any", "mem", "size0", "any"],           result: "number", needs: "bpf" },
  dynptr_data:                   { args: ["dynptr", "any", "alloc_size"],                    result: "dynptr_mem?", needs: "bpf" },
  tcp_raw_gen_syncookie_ipv4:    { args: ["ipv4_header", "mem", "size0"],              result: "number", gpl: true, packet: true },
  tcp_raw_gen_syncookie_ipv6:    { args: ["ipv6_header", "mem", "size0"],              result: "number", gpl: true, packet: true },
  tcp_raw_check_syncookie_ipv4:  { args: ["ipv4_header", "tcp_header"],                      result: "number", gpl: true, packet: true },
  tcp_raw_check_syncookie_ipv6:  { args: ["ipv6_header", "tcp_header"],                      result: "number", gpl: true, packet: true },
  ktime_get_tai_ns:              { args: [],                                                 result: "number" },
  user_ringbuf_drain:            { args: ["map", "func", "stack?", "any"],                   result: "number", needs: "bpf" },
  cgrp_storage_get:              { args: ["map", "object?:cgroup", "value?", "any"],         result: "map_value?", needs: "bpf" },
  cgrp_storage_delete:           { args: ["map", "object?:cgroup"],                          result: "number", needs: "bpf" },
};

const PLAIN: Effects = {
  gpl: false,
  sleeps: false,
  packet: false,
  moves: false,
  acquires: false,
  casts: false,
  fastcall: false,
  needs: null,
};

function resultOf(name: ResultName): Result {
  const [kind = "", type = ""] = name.split(":");
  const nullable = kind.endsWith("?");
  return { base: (nullable ? kind.slice(0, -1) : kind) as Result["base"], nullable, type };
}

/** Whether one with these privileges may load a program that calls it. */
export function isPermitted({ needs }: Prototype, { bpf, perfmon }: Privileges): boolean {
  return needs === null || (bpf && (needs === "bpf" || perfmon));
}

interface Family {
  readonly usual: Prototype;
  readonly elsewhere: readonly { readonly on: ReadonlySet<Place>; readonly prototype: Prototype }[];
}

function familyOf(name: AnyHelperName): Family {
  const { args, result, elsewhere = [], ...effects } = ROWS[name];
  const usual = { ...PLAIN, ...effects, name, args: args.map(argumentOf), result: resultOf(result) };
  return {
    usual: uniform(usual),
    elsewhere: elsewhere.map(({ on, args: others = args, ...more }) => ({
      on: new Set(on),
      prototype: uniform({ ...usual, ...more, args: others.map(argumentOf) }),
    })),
  };
}

/** A copy of the hidden class that all prototypes share: each call that is walked reads them. */
function uniform({
  name,
  args,
  result,
  gpl,
  sleeps,
  packet,
  moves,
  acquires,
  casts,
  fastcall,
  needs,
}: Prototype): Prototype {
  return { name, args, result, gpl, sleeps, packet, moves, acquires, casts, fastcall, needs };
}

/** The prototype for a program that may sleep, or may not. */
export function settleSleep(prototype: Prototype, mayProgramSleep: boolean): Prototype {
  return prototype.sleeps === "if_program_may" ? uniform({ ...prototype, sleeps: mayProgramSleep }) : prototype;
}

/** By number; index 0 is no helper. */
const FAMILIES: readonly (Family | null)[] = HELPER_NAMES.map((name) => (name === "unspec" ? null : familyOf(name)));

/** What helper `id` is for programs of a type, to be attached there; null: there is no such helper. */
export function prototypeOf(id: number, type: ProgramType, attach: AttachType | null): Prototype | null {
  const family = FAMILIES[id] ?? null;
  if (family === null) return null;
  for (const { on, prototype } of family.elsewhere) {
    if (on.has(type) || (attach !== null && on.has(attach))) return prototype;
  }
  return family.usual;
}
