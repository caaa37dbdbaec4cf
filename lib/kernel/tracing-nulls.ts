/**
 * What BTF does not say of the arguments that tracing programs get: which may be null, of tracepoints and of iterators, and
 * which pointers of iterators can be passed on (trusted).
 *
 * Source: Linux 6.18; test/verifier/kernel/arguments.test.ts asks the running kernel about each tracepoint and iterator that
 * it has. Rows of modules' tracepoints are from the kernel's own list (raw_tp_null_args, kernel/bpf/btf.c).
 */

/** Arguments of tracepoints, counted from 0, that may be null. */
// prettier-ignore
export const NULLABLE_ARGUMENTS: Readonly<{ [tracepoint: string]: readonly number[] }> = {
  break_lease_block: [1], break_lease_noblock: [1], break_lease_unblock: [1], ext4_mballoc_discard: [1], ext4_mballoc_free: [1],
  fcntl_setlk: [1], fib_table_lookup: [2], flock_lock_inode: [1], folio_wait_writeback: [1], generic_delete_lease: [1],
  hugetlbfs_alloc_inode: [1], kfree_skb: [3], locks_remove_posix: [1], mm_collapse_huge_page_isolate: [0],
  mm_khugepaged_collapse_file: [1], mm_khugepaged_scan_file: [1], mm_khugepaged_scan_pmd: [1], mm_page_alloc: [0],
  mm_page_alloc_zone_locked: [0], mm_page_pcpu_drain: [0], posix_lock_inode: [1], qdisc_dequeue: [3], sched_pi_setprio: [1],
  sched_stick_numa: [2], sched_swap_numa: [2], tcp_send_reset: [0, 1], tcp_sendmsg_locked: [2], time_out_leases: [1],
  tmigr_update_events: [0], writeback_dirty_folio: [1],
  xfs_blockgc_flush_all: [0], xfs_blockgc_free_space: [1], xfs_blockgc_start: [0], xfs_blockgc_stop: [0], xfs_blockgc_worker: [0],
  xfs_btree_overlapped_query_range: [2], xfs_btree_updkeys: [2], xfs_defer_add_item: [0], xfs_defer_cancel_item: [0],
  xfs_defer_cancel_list: [0], xfs_defer_create_intent: [0], xfs_defer_finish_item: [0], xfs_defer_isolate_paused: [0],
  xfs_defer_item_pause: [0], xfs_defer_item_unpause: [0], xfs_defer_pending_abort: [0], xfs_defer_pending_finish: [0],
  xfs_defer_relog_intent: [0], xfs_fs_sync_fs: [0], xfs_inodegc_flush: [0], xfs_inodegc_push: [0], xfs_inodegc_queue: [0],
  xfs_inodegc_start: [0], xfs_inodegc_stop: [0], xfs_inodegc_throttle: [0], xfs_ioc_free_eofblocks: [1],
  xfs_map_blocks_alloc: [4], xfs_map_blocks_found: [4],
  // Of modules, and of options that a kernel may be built without.
  afs_make_fs_call: [1], afs_make_fs_calli: [1], afs_make_fs_call1: [1], afs_make_fs_call2: [1], afs_protocol_error: [0],
  afs_flock_ev: [1], cachefiles_lookup: [0], cachefiles_unlink: [0], cachefiles_rename: [0], cachefiles_prep_read: [0],
  cachefiles_mark_active: [0], cachefiles_mark_failed: [0], cachefiles_mark_inactive: [0], cachefiles_vfs_error: [0],
  cachefiles_io_error: [0], cachefiles_ondemand_open: [0], cachefiles_ondemand_copen: [0], cachefiles_ondemand_close: [0],
  cachefiles_ondemand_read: [0], cachefiles_ondemand_cread: [0], cachefiles_ondemand_fd_write: [0],
  cachefiles_ondemand_fd_release: [0], host1x_cdma_push_gather: [4], netfs_failure: [1], device_pm_callback_start: [1],
  rxrpc_recvdata: [0], rxrpc_resend: [1], xs_stream_read_data: [0], xprt_reserve_cong: [1], xprt_release_cong: [1],
  xprt_get_cong: [1], xprt_put_cong: [1], tegra_dma_tx_status: [2],
};

/** Arguments of tracepoints that may hold an error's number instead of a pointer: no more than numbers. */
export const ERROR_ARGUMENTS: Readonly<{ [tracepoint: string]: readonly number[] }> = {
  cachefiles_lookup: [2],
  mr_integ_alloc: [3],
};

/**
 * What an iterator gives beside its `meta`, by the name of the argument: an object that may be null, trusted or not; a buffer
 * that may be null, to be read only or also written. What has no row is a number, or a trusted pointer that is not null.
 */
export type IteratorArgument = "object" | "trusted" | "buffer" | "rdonly_buffer";

// prettier-ignore
export const ITERATORS: Readonly<{ [target: string]: Readonly<{ [argument: string]: IteratorArgument }> }> = {
  bpf_link:           { link: "object" },
  bpf_map:            { map: "trusted" },
  bpf_map_elem:       { key: "rdonly_buffer", value: "buffer" },
  bpf_prog:           { prog: "object" },
  bpf_sk_storage_map: { sk: "object", value: "buffer" },
  cgroup:             { cgroup: "trusted" },
  dmabuf:             { dmabuf: "object" },
  ipv6_route:         { rt: "object" },
  kmem_cache:         { s: "trusted" },
  ksym:               { ksym: "object" },
  netlink:            { sk: "object" },
  sockmap:            { key: "rdonly_buffer", sk: "object" },
  task:               { task: "trusted" },
  task_file:          { task: "object", file: "object" },
  task_vma:           { task: "object", vma: "object" },
  tcp:                { sk_common: "trusted" },
  udp:                { udp_sk: "trusted" },
  unix:               { unix_sk: "object" },
};
