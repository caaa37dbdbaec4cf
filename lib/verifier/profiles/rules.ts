/**
 * What verifiers have learnt, by the release that brought it (or, for rules that got stricter, that brought the stricter one).
 * A rule that is not here holds for all releases.
 *
 * Source: the kernel's change log; those that 5.10, 6.1, 6.12, 6.16 and 6.17 differ by were seen there (`npm run old-kernel`).
 */

// prettier-ignore
export const RULES = {
  // ---- flow
  bounded_loops: 5003, private_stack: 6013,
  /** Loops are known as a whole: an exception that leaves one before a state was stored in it makes the kernel give up. */
  loop_components: 6017,
  /** Loops may be closed by falling through, not only by a jump. */
  fall_through_loops: 6007,
  /** Frames are rounded to 16 bytes, as the JIT does; to 32 before. */
  fine_frames: 6008,
  /** Global functions that nothing calls are not looked at. */
  lazy_functions: 6008,
  /** Static functions may be called under a lock. */
  calls_under_lock: 6009,
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
  /** A jump on two numbers of which neither is a constant is decided by their ranges, and teaches of both; unequal ones, too. */
  range_comparisons: 6008,
  /** A number is unequal to a constant that is not in its range. */
  equality_by_range: 6002,
  /** Of two equal pointers of which one is not null the other is not, either. */
  equal_pointers: 6002,
  /** Of a negated number, and of one with its bytes swapped, is known what was known before. */
  negated_numbers: 6018, swapped_numbers: 6018,
  /** 0 and -1 are masked each on a path of its own. */
  sign_masks: 6018,
  /** A number copied in 32 bits that has no more shares its id. */
  narrow_copies: 6004,
  // ---- calls
  /** A callback that is called no times is not walked. */
  counted_callbacks: 6008,
  /** Of a helper that gives a size or an error is known how low the error can be. */
  least_errors: 6001,
  /** `get_smp_processor_id` gives a number below that of the machine's CPUs. */
  processor_numbers: 6010,
  /** A lookup with a constant key within an array cannot fail. */
  constant_keys: 6014,
  /** A function may end by a tail call: its result is then unknown, and the packet may have moved. */
  tail_call_returns: 6018,
  // ---- special fields of map values
  timers: 5015, kernel_pointers: 5019, graphs: 6002, trees: 6003, refcounts: 6004, percpu_objects: 6007, workqueues: 6010,
  user_pointers: 6013, resilient_locks: 6015, task_work: 6018,
  // ---- flags of the load
  fragments_flag: 5018, device_flag: 6003, invariants_flag: 6008,
  // ---- contexts
  /** An immediate may be stored to the context. */
  context_immediates: 6004,
  // ---- contexts: fields that came later
  skb_hwtstamp: 5016, skb_tstamp_type: 5018, sockops_hwtstamp: 6002, reuseport_migration: 5014, lookup_ingress: 5017,
  // ---- types
  /** Kinds of types that the kernel takes: floating point numbers, tags, enumerations of 64 bits and signed ones. */
  float_types: 5013, declaration_tags: 5016, type_tags: 5017, wide_enums: 6000,
  /** Global functions may take pointers to memory, not only numbers and the context. */
  memory_arguments: 5012,
  /** Tags on arguments of global functions (`arg:ctx`, `arg:nonnull`), and dynptrs there; then `arg:trusted`, `arg:nullable`, `arg:arena`. */
  argument_tags: 6008, trusted_arguments: 6009, untrusted_arguments: 6017,
  /** Loading a pointer to a number through a pointer to an object gives memory that may be read, not a number. */
  untrusted_memory: 6017,
  /** A bind program may let a port be bound without the capability for it. */
  bind_without_capability: 5012,
  sleepable_uprobes: 6000, sleepable_struct_ops: 6004,
  // ---- memory
  /** Stores to the stack at variable offsets (loads are older). */
  variable_stack: 5012,
  /** Numbers spilled with less than 8 bytes keep their bounds. */
  narrow_spills: 5016,
  /** What is known of a spilled number is known of the part that is read back. */
  narrow_fills: 6009,
  /** Immediates stored to the stack are known numbers. */
  stored_immediates: 6003,
  /** With CAP_PERFMON the stack may be read before it is written. */
  uninitialised_stack: 6003,
  /** Zero stored at an unknown place leaves zeros: of an immediate, and where a register with 0 was spilled. */
  stored_zeros: 6003, spilled_zeros: 6008,
  /** What was never touched may be read: before, only above the lowest place that was. */
  untouched_stack: 6008,
  /** A map's key may lie in any memory, not only on the stack, in packets and in values. */
  keys_in_memory: 6002,
  /** Keys of hash maps may be larger than the stack. */
  large_keys: 5011,
  /** Helpers that only read memory leave what is spilled there. */
  read_only_regions: 6014,
} as const;
export type RuleName = keyof typeof RULES;

/**
 * Rules that the stable series of older releases got as well, and the oldest series that has them. Source: the kernels that the
 * profiles were compared with (docs/verifier.md names their point releases); of those between two that have a rule it is
 * taken for granted.
 */
export const BROUGHT_BACK: { readonly [rule in RuleName]?: number } = {
  variable_stack: 5010,
  stored_immediates: 5010,
  uninitialised_stack: 5010,
  untouched_stack: 6001,
};
