/**
 * What verifiers have learnt, by the release that brought it (or, for rules that got stricter, that brought the stricter one).
 * A rule that is not here holds for all releases.
 *
 * Source: the kernel's change log; only 6.18 was tested on a kernel.
 */

// prettier-ignore
export const RULES = {
  // ---- flow
  bounded_loops: 5003, private_stack: 6013,
  /** Loops are known as a whole: an exception that leaves one before a state was stored in it makes the kernel give up. */
  loop_components: 6017,
  // ---- instructions
  /** Atomics other than add, and those that fetch. */
  atomics: 5012,
  /** sdiv, smod, movsx, sign-extending loads, bswap, gotol. */
  isa_v4: 6006,
  may_goto: 6009,
  address_spaces: 6009,
  load_acquire: 6015,
  /** Subprograms' addresses as values: callbacks. */
  callbacks: 5013,
  /** 0 and -1 are masked each on a path of its own. */
  sign_masks: 6018,
  // ---- calls
  /** A lookup with a constant key within an array cannot fail. */
  constant_keys: 6014,
  /** A function may end by a tail call: its result is then unknown, and the packet may have moved. */
  tail_call_returns: 6018,
  // ---- special fields of map values
  timers: 5015, kernel_pointers: 5019, graphs: 6002, trees: 6003, refcounts: 6004, percpu_objects: 6007, workqueues: 6010,
  user_pointers: 6013, resilient_locks: 6015, task_work: 6018,
  // ---- contexts: fields that came later
  skb_hwtstamp: 5016, skb_tstamp_type: 5018, sockops_hwtstamp: 6002, reuseport_migration: 5014, lookup_ingress: 5017,
  // ---- types
  /** Global functions may take pointers to memory, not only numbers and the context. */
  memory_arguments: 5012,
  /** Tags on arguments of global functions (`arg:ctx`, `arg:nonnull`), and dynptrs there; then `arg:trusted`, `arg:nullable`, `arg:arena`. */
  argument_tags: 6008, trusted_arguments: 6009, untrusted_arguments: 6017,
  /** Loading a pointer to a number through a pointer to an object gives memory that may be read, not a number. */
  untrusted_memory: 6017,
  /** A bind program may let a port be bound without the capability for it. */
  bind_without_capability: 5012,
  sleepable_iterators: 6000, sleepable_uprobes: 6000, sleepable_struct_ops: 6004,
  // ---- memory
  /** Stores to the stack at variable offsets (loads are older). */
  variable_stack: 5012,
  /** Numbers spilled with less than 8 bytes keep their bounds. */
  narrow_spills: 5016,
  /** Immediates stored to the stack are known numbers. */
  stored_immediates: 6003,
  /** With CAP_PERFMON the stack may be read before it is written. */
  uninitialised_stack: 6003,
  /** Helpers that only read memory leave what is spilled there. */
  read_only_regions: 6014,
} as const;
export type RuleName = keyof typeof RULES;
