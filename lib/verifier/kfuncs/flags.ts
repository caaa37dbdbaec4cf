/**
 * What the kernel says of its functions beside their prototypes: what they acquire and release, which arguments have to be
 * trusted, whether they sleep. BTF does not tell; the flags are those that the functions are registered with in Linux 6.18
 * (BTF_ID_FLAGS), and test/verifier/kernel holds the table to the running kernel.
 */

/** Bits, by the kernel's meaning of KF_ACQUIRE and so on. */
// prettier-ignore
export const KF = {
  /** The result has to be given back.               The argument is given back. */
  acquire: 1 << 0, release: 1 << 1,
  ret_null: 1 << 2,
  /** Pointers are neither null nor unproven.        The same, and pointers good in an RCU section will do. */
  trusted: 1 << 3, rcu: 1 << 4,
  sleepable: 1 << 5,
  /** The result is good in an RCU section, and only there may it be asked for. */
  rcu_protected: 1 << 6,
  iter_new: 1 << 7, iter_next: 1 << 8, iter_destroy: 1 << 9,
} as const;
type Flag = keyof typeof KF;

// prettier-ignore
const ROWS: readonly (readonly [flags: readonly Flag[], functions: readonly string[]])[] = [
  [["acquire", "ret_null"], [
    "bpf_obj_new_impl", "bpf_percpu_obj_new_impl", "bpf_list_pop_front", "bpf_list_pop_back", "bpf_rbtree_remove",
    "bpf_task_from_pid", "bpf_task_from_vpid", "bpf_cgroup_from_id", "bpf_cpumask_create", "bpf_lookup_system_key",
    "bpf_skb_ct_alloc", "bpf_skb_ct_lookup", "bpf_xdp_ct_alloc", "bpf_xdp_ct_lookup", "bpf_xdp_get_xfrm_state",
  ]],
  [["acquire", "ret_null", "rcu"], [
    "bpf_refcount_acquire_impl", "bpf_task_acquire", "bpf_cgroup_acquire", "bpf_cgroup_ancestor", "bpf_task_get_cgroup1",
    "bpf_crypto_ctx_acquire",
  ]],
  [["acquire", "ret_null", "sleepable"], ["bpf_lookup_user_key", "bpf_crypto_ctx_create"]],
  [["acquire", "ret_null", "trusted"], ["bpf_get_task_exe_file"]],
  [["acquire", "ret_null", "release"], ["bpf_ct_insert_entry"]],
  [["acquire", "trusted"], ["bpf_cpumask_acquire"]],
  [["release"], [
    "bpf_obj_drop_impl", "bpf_percpu_obj_drop_impl", "bpf_task_release", "bpf_cgroup_release", "bpf_cpumask_release",
    "bpf_crypto_ctx_release", "bpf_key_put", "bpf_ct_release", "bpf_xdp_xfrm_state_release", "bpf_put_file",
    "bpf_kfunc_call_test_release", "bpf_kfunc_call_memb_release",
  ]],
  [["ret_null"], [
    "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr", "bpf_list_front", "bpf_list_back", "bpf_rbtree_first", "bpf_rbtree_root",
    "bpf_rbtree_left", "bpf_rbtree_right",
  ]],
  [["trusted"], [
    "bpf_map_sum_elem_count", "bpf_dynptr_from_skb", "bpf_dynptr_from_skb_meta", "bpf_sk_assign_tcp_reqsk",
    "bpf_sock_ops_enable_tx_tstamp", "bpf_sock_destroy", "bpf_send_signal_task", "bpf_stream_vprintk_impl",
    "bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl", "bpf_ct_set_timeout",
    "bpf_ct_change_timeout", "bpf_ct_set_status", "bpf_ct_change_status", "bpf_ct_set_nat_info",
    "bpf_xdp_metadata_rx_timestamp", "bpf_xdp_metadata_rx_hash", "bpf_xdp_metadata_rx_vlan_tag", "bpf_path_d_path",
  ]],
  [["trusted", "sleepable"], [
    "bpf_arena_alloc_pages", "bpf_arena_free_pages", "bpf_arena_reserve_pages", "bpf_copy_from_user_task_dynptr",
    "bpf_copy_from_user_task_str_dynptr", "bpf_get_dentry_xattr", "bpf_get_file_xattr", "bpf_set_dentry_xattr",
    "bpf_remove_dentry_xattr",
  ]],
  [["rcu"], [
    "bpf_task_under_cgroup", "bpf_crypto_encrypt", "bpf_crypto_decrypt", "bpf_cgroup_read_xattr", "bpf_cpumask_and",
    "bpf_cpumask_any_and_distribute", "bpf_cpumask_any_distribute", "bpf_cpumask_clear", "bpf_cpumask_clear_cpu",
    "bpf_cpumask_copy", "bpf_cpumask_empty", "bpf_cpumask_equal", "bpf_cpumask_first", "bpf_cpumask_first_and",
    "bpf_cpumask_first_zero", "bpf_cpumask_full", "bpf_cpumask_intersects", "bpf_cpumask_or", "bpf_cpumask_populate",
    "bpf_cpumask_set_cpu", "bpf_cpumask_setall", "bpf_cpumask_subset", "bpf_cpumask_test_and_clear_cpu",
    "bpf_cpumask_test_and_set_cpu", "bpf_cpumask_test_cpu", "bpf_cpumask_weight", "bpf_cpumask_xor",
  ]],
  [["sleepable"], [
    "bpf_copy_from_user_str", "bpf_copy_from_user_task_str", "bpf_copy_from_user_dynptr", "bpf_copy_from_user_str_dynptr",
    "css_rstat_flush",
  ]],
  [["iter_new"], ["bpf_iter_num_new", "bpf_iter_bits_new"]],
  [["iter_new", "rcu"], ["bpf_iter_task_vma_new"]],
  [["iter_new", "trusted"], ["bpf_iter_css_task_new"]],
  [["iter_new", "trusted", "rcu_protected"], ["bpf_iter_task_new", "bpf_iter_css_new"]],
  [["iter_new", "sleepable"], ["bpf_iter_dmabuf_new", "bpf_iter_kmem_cache_new"]],
  [["iter_next", "ret_null"], [
    "bpf_iter_num_next", "bpf_iter_bits_next", "bpf_iter_task_vma_next", "bpf_iter_css_task_next", "bpf_iter_task_next",
    "bpf_iter_css_next",
  ]],
  [["iter_next", "ret_null", "sleepable"], ["bpf_iter_dmabuf_next", "bpf_iter_kmem_cache_next"]],
  [["iter_destroy"], [
    "bpf_iter_num_destroy", "bpf_iter_bits_destroy", "bpf_iter_task_vma_destroy", "bpf_iter_css_task_destroy",
    "bpf_iter_task_destroy", "bpf_iter_css_destroy",
  ]],
  [["iter_destroy", "sleepable"], ["bpf_iter_dmabuf_destroy", "bpf_iter_kmem_cache_destroy"]],
];

/** Functions that have no flags, and are known not to have any. */
// prettier-ignore
const PLAIN: readonly string[] = [
  "bpf_list_push_front_impl", "bpf_list_push_back_impl", "bpf_rbtree_add_impl", "bpf_throw", "bpf_cast_to_kern_ctx",
  "bpf_rdonly_cast", "bpf_rcu_read_lock", "bpf_rcu_read_unlock", "bpf_preempt_disable", "bpf_preempt_enable",
  "bpf_local_irq_save", "bpf_local_irq_restore", "bpf_res_spin_lock", "bpf_res_spin_unlock", "bpf_res_spin_lock_irqsave",
  "bpf_res_spin_unlock_irqrestore", "bpf_dynptr_adjust", "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly", "bpf_dynptr_size",
  "bpf_dynptr_clone", "bpf_dynptr_copy", "bpf_dynptr_memset", "bpf_dynptr_from_xdp", "bpf_wq_init",
  "bpf_wq_set_callback_impl", "bpf_wq_start", "bpf_get_kmem_cache", "bpf_probe_read_user_dynptr",
  "bpf_probe_read_kernel_dynptr", "bpf_probe_read_user_str_dynptr", "bpf_probe_read_kernel_str_dynptr",
  "bpf_sock_addr_set_sun_path", "bpf_xdp_pull_data", "bpf_session_is_return", "bpf_session_cookie",
  "bpf_modify_return_test_tp", "css_rstat_updated", "bpf_strcasecmp", "bpf_strchr", "bpf_strchrnul", "bpf_strcmp",
  "bpf_strcspn", "bpf_strlen", "bpf_strnchr", "bpf_strnlen", "bpf_strnstr", "bpf_strrchr", "bpf_strspn", "bpf_strstr",
  "tcp_reno_ssthresh", "tcp_reno_cong_avoid", "tcp_reno_undo_cwnd", "tcp_slow_start", "tcp_cong_avoid_ai",
  "cubictcp_init", "cubictcp_recalc_ssthresh", "cubictcp_cong_avoid", "cubictcp_state", "cubictcp_cwnd_event",
  "cubictcp_acked", "bbr_init", "bbr_main", "bbr_sndbuf_expand", "bbr_undo_cwnd", "bbr_cwnd_event", "bbr_ssthresh",
  "bbr_min_tso_segs", "bbr_set_state",
];

const FLAGS = new Map<string, number>(PLAIN.map((name) => [name, 0]));
for (const [flags, functions] of ROWS) {
  const bits = flags.reduce((all, flag) => all | KF[flag], 0);
  for (const name of functions) FLAGS.set(name, bits);
}

/** The bits of a function's flags; null for a function that the table does not know. */
export function flagsOf(name: string): number | null {
  return FLAGS.get(name) ?? null;
}
