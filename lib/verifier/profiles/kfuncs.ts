/**
 * Kernel functions that programs may call, by the release that brought them. Those that are not here are taken for new.
 * Source: docs.ebpf.io (timeline of features), and for 6.15 and later the commits that added them.
 */
import { byName } from "./releases.ts";
import { KERNEL_FUNCTIONS, mayCallKernel } from "../../kernel/index.ts";
import type { ProgramType } from "../../kernel/index.ts";

// prettier-ignore
const SINCE: ReadonlyMap<string, number> = byName<string>([
  [5018, "bpf_xdp_ct_lookup", "bpf_skb_ct_lookup", "bpf_ct_release"],
  [6000, "bpf_xdp_ct_alloc", "bpf_skb_ct_alloc", "bpf_ct_insert_entry", "bpf_ct_set_timeout", "bpf_ct_change_timeout",
    "bpf_ct_set_status", "bpf_ct_change_status"],
  [6001, "bpf_lookup_user_key", "bpf_lookup_system_key", "bpf_key_put", "bpf_verify_pkcs7_signature", "crash_kexec",
    "bpf_ct_set_nat_info", "cgroup_rstat_updated", "cgroup_rstat_flush"],
  [6002, "bpf_obj_new_impl", "bpf_obj_drop_impl", "bpf_list_pop_front", "bpf_list_pop_back", "bpf_task_acquire",
    "bpf_task_release", "bpf_task_from_pid", "bpf_cgroup_acquire", "bpf_cgroup_release", "bpf_cgroup_ancestor",
    "bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_rcu_read_lock", "bpf_rcu_read_unlock", "bpf_skb_get_xfrm_info",
    "bpf_skb_set_xfrm_info"],
  [6003, "bpf_cpumask_create", "bpf_cpumask_release", "bpf_cpumask_acquire", "bpf_cpumask_first", "bpf_cpumask_first_zero",
    "bpf_cpumask_set_cpu", "bpf_cpumask_clear_cpu", "bpf_cpumask_test_cpu", "bpf_cpumask_test_and_set_cpu",
    "bpf_cpumask_test_and_clear_cpu", "bpf_cpumask_setall", "bpf_cpumask_clear", "bpf_cpumask_and", "bpf_cpumask_or",
    "bpf_cpumask_xor", "bpf_cpumask_equal", "bpf_cpumask_intersects", "bpf_cpumask_subset", "bpf_cpumask_empty",
    "bpf_cpumask_full", "bpf_cpumask_copy", "bpf_rbtree_remove", "bpf_rbtree_first", "bpf_xdp_metadata_rx_timestamp",
    "bpf_xdp_metadata_rx_hash", "hid_bpf_get_data", "hid_bpf_allocate_context", "hid_bpf_release_context",
    "hid_bpf_hw_request"],
  [6004, "bpf_refcount_acquire_impl", "bpf_list_push_front_impl", "bpf_list_push_back_impl", "bpf_rbtree_add_impl",
    "bpf_cgroup_from_id", "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr", "bpf_iter_num_new", "bpf_iter_num_next",
    "bpf_iter_num_destroy", "bpf_dynptr_from_skb", "bpf_dynptr_from_xdp", "bpf_skb_set_fou_encap", "bpf_skb_get_fou_encap"],
  [6005, "bpf_cpumask_first_and", "bpf_cpumask_any_distribute", "bpf_cpumask_any_and_distribute", "bpf_task_under_cgroup",
    "bpf_dynptr_adjust", "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly", "bpf_dynptr_size", "bpf_dynptr_clone",
    "bpf_sock_destroy"],
  [6006, "bpf_map_sum_elem_count"],
  [6007, "bpf_percpu_obj_new_impl", "bpf_percpu_obj_drop_impl", "bpf_throw", "bpf_iter_task_vma_new",
    "bpf_iter_task_vma_next", "bpf_iter_task_vma_destroy", "bpf_iter_css_task_new", "bpf_iter_css_task_next",
    "bpf_iter_css_task_destroy", "bpf_iter_css_new", "bpf_iter_css_next", "bpf_iter_css_destroy", "bpf_iter_task_new",
    "bpf_iter_task_next", "bpf_iter_task_destroy", "bpf_sock_addr_set_sun_path"],
  [6008, "bpf_get_file_xattr", "bpf_cpumask_weight", "bpf_task_get_cgroup1", "bpf_get_fsverity_digest",
    "bpf_xdp_metadata_rx_vlan_tag", "bpf_xdp_get_xfrm_state", "bpf_xdp_xfrm_state_release"],
  [6009, "bpf_arena_alloc_pages", "bpf_arena_free_pages", "bpf_sk_assign_tcp_reqsk"],
  [6010, "bpf_wq_init", "bpf_wq_set_callback_impl", "bpf_wq_start", "bpf_preempt_disable", "bpf_preempt_enable",
    "bpf_crypto_ctx_create", "bpf_crypto_ctx_release", "bpf_crypto_ctx_acquire", "bpf_crypto_decrypt", "bpf_crypto_encrypt",
    "bpf_session_is_return", "bpf_session_cookie"],
  [6011, "bpf_iter_bits_new", "bpf_iter_bits_next", "bpf_iter_bits_destroy", "bpf_xdp_flow_lookup"],
  [6012, "bpf_copy_from_user_str", "bpf_get_task_exe_file", "bpf_put_file", "bpf_path_d_path", "bpf_get_dentry_xattr"],
  [6013, "bpf_task_from_vpid", "bpf_send_signal_task", "bpf_get_kmem_cache", "bpf_iter_kmem_cache_new",
    "bpf_iter_kmem_cache_next", "bpf_iter_kmem_cache_destroy"],
  [6014, "bpf_local_irq_save", "bpf_local_irq_restore"],
  [6015, "bpf_res_spin_lock", "bpf_res_spin_unlock", "bpf_res_spin_lock_irqsave", "bpf_res_spin_unlock_irqrestore",
    "bpf_copy_from_user_task_str", "bpf_cpumask_populate", "bpf_dynptr_copy", "bpf_sock_ops_enable_tx_tstamp",
    "bpf_set_dentry_xattr", "bpf_remove_dentry_xattr"],
  [6016, "bpf_probe_read_user_dynptr", "bpf_probe_read_kernel_dynptr", "bpf_probe_read_user_str_dynptr",
    "bpf_probe_read_kernel_str_dynptr", "bpf_copy_from_user_dynptr", "bpf_copy_from_user_str_dynptr",
    "bpf_copy_from_user_task_dynptr", "bpf_copy_from_user_task_str_dynptr", "bpf_rbtree_root", "bpf_rbtree_left",
    "bpf_rbtree_right", "bpf_list_front", "bpf_list_back", "bpf_iter_dmabuf_new", "bpf_iter_dmabuf_next",
    "bpf_iter_dmabuf_destroy", "css_rstat_updated", "css_rstat_flush"],
  [6017, "bpf_dynptr_memset", "bpf_strcmp", "bpf_strchr", "bpf_strchrnul", "bpf_strnchr", "bpf_strrchr", "bpf_strlen",
    "bpf_strnlen", "bpf_strspn", "bpf_strcspn", "bpf_strstr", "bpf_strnstr", "bpf_cgroup_read_xattr",
    "bpf_arena_reserve_pages"],
  [6018, "bpf_strcasecmp", "bpf_xdp_pull_data", "bpf_dynptr_from_skb_meta", "bpf_stream_vprintk_impl",
    "bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl"],
]);

/** Program types that functions were opened to later than they came, where they are not open to all types. */
const TYPE_SINCE: Readonly<Partial<Record<ProgramType, number>>> = {
  cgroup_sock_addr: 6007,
  cgroup_sock: 6012,
  cgroup_sockopt: 6012,
  cgroup_device: 6012,
  cgroup_sysctl: 6012,
  tracepoint: 6012,
  perf_event: 6012,
  sock_ops: 6015,
};

/** The first release with a kernel function; that of the newest for one that is not known. */
export function kfuncSince(name: string): number {
  return SINCE.get(name) ?? 6018;
}

/** Open to every type: what a type was let in for does not matter. */
const COMMON: ReadonlySet<string> = new Set(
  KERNEL_FUNCTIONS.filter((name) => mayCallKernel(name, "socket_filter") && mayCallKernel(name, "sk_lookup")),
);

/** The first release where programs of a type may call a kernel function, if they may in the newest. */
export function kfuncSinceThere(name: string, type: ProgramType): number {
  const since = kfuncSince(name);
  return COMMON.has(name) ? since : Math.max(since, TYPE_SINCE[type] ?? 0);
}
