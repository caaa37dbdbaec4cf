/**
 * What BPF_MAP_CREATE demands of a map's definition, by type: sizes, flags, limits, and the error of a breach.
 *
 * Source: what Linux 6.18 answers to root on x86-64, tried type by type and held by test/kernel/map-rules.test.ts.
 */
import { MAP_FLAGS } from "./map-types.ts";
import type { MapType } from "./map-types.ts";

/** What the rules look at; lib/object's MapSpec is one. */
export interface MapDefinition {
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** BTF types of key and value; 0: none. */
  readonly keyType: number;
  readonly valueType: number;
  /** What the maps of a map of maps look like. */
  readonly inner: MapDefinition | null;
}

export interface MapProblem {
  readonly error: "EINVAL" | "E2BIG" | "ENOTSUPP";
  /** What is wrong, as a sentence about the map without its subject: `must have …`. */
  readonly message: string;
}

/** Allowed sizes: those listed, or those between `min` and `max` in steps. */
type Sizes = readonly number[] | { readonly min: number; readonly max?: number; readonly step?: number };

interface Rule {
  readonly flags: number;
  /** Flags that must be set. */
  readonly needs?: number;
  readonly key: Sizes;
  readonly value: Sizes | ((flags: number) => Sizes);
  /** `pages`: a power of two of at least a page, in bytes. */
  readonly entries: "some" | "none" | "pages";
  /** Key and value types must be given. */
  readonly typed?: true;
  /** What is only found when the rest is right: a reason, or null. */
  readonly tooBig?: (map: MapDefinition) => string | null;
}

const { no_prealloc, no_common_lru, numa_node, rdonly, wronly, zero_seed, rdonly_prog, wronly_prog } = MAP_FLAGS;
const HOST = rdonly | wronly;
const PROG = rdonly_prog | wronly_prog;
const ANY: Sizes = { min: 1 };
const INDEX: Sizes = [4];
const DESCRIPTOR: Sizes = [4];

/** The largest allocation of the kernel's small-object allocator (KMALLOC_MAX_SIZE). */
const KMALLOC_MAX = 2 ** 22;
/** A hash table's entry besides key and value. */
const HASH_NODE = 48;
/** PCPU_MIN_UNIT_SIZE */
const PER_CPU_MAX = 2 ** 15;
/** Hash tables have a power of two of buckets, whose memory must be below 4 GiB. */
const BUCKETS_MAX = 2 ** 27;
const STORAGE_MAX = 65_407;
const NR_CPUS = 256;
const PAGE = 4096;
const LPM_DATA_MAX = 256;
const LPM_VALUE_MAX = 4_194_024;
const STACK_BYTES = 512;
/** sysctl kernel.perf_event_max_stack */
const STACK_DEPTH = 127;
const SIGNED_MAX = 2 ** 31 - 1;

const more = (what: string, size: number, most: number): string | null =>
  size > most ? `has ${what} of ${size}, the most is ${most}` : null;
const hashTooBig = ({ keySize, valueSize, maxEntries }: MapDefinition): string | null =>
  more("key and value bytes", keySize + valueSize, KMALLOC_MAX - HASH_NODE - 1) ??
  more("entries", maxEntries, BUCKETS_MAX);
const perCpuTooBig = ({ valueSize }: MapDefinition): string | null => more("value bytes", valueSize, PER_CPU_MAX);
const queueTooBig = ({ valueSize }: MapDefinition): string | null => more("value bytes", valueSize, KMALLOC_MAX);
const storageTooBig = ({ valueSize }: MapDefinition): string | null => more("value bytes", valueSize, STORAGE_MAX);

/** Bytes of a frame: an address, or with BPF_F_STACK_BUILD_ID `struct bpf_stack_build_id`. */
const stackSizes = (flags: number): Sizes => {
  const frame = (flags & MAP_FLAGS.stack_build_id) === 0 ? 8 : 32;
  return { min: frame, max: STACK_DEPTH * frame, step: frame };
};

const ARRAY_OF_DESCRIPTORS: Rule = { flags: numa_node | HOST, key: INDEX, value: DESCRIPTOR, entries: "some" };
const DEVICES: Rule = { flags: numa_node | HOST, key: INDEX, value: [4, 8], entries: "some" };
const QUEUE: Rule = { flags: numa_node | HOST | PROG, key: [0], value: ANY, entries: "some", tooBig: queueTooBig };
const RING: Rule = { flags: numa_node, key: [0], value: [0], entries: "pages" };
// prettier-ignore
const OWNED: Rule = { flags: no_prealloc | MAP_FLAGS.clone, needs: no_prealloc, key: [4], value: ANY, entries: "none", typed: true, tooBig: storageTooBig };
// prettier-ignore
const PER_CGROUP: Rule = { flags: numa_node | HOST | PROG, key: [8, 16], value: ANY, entries: "none", tooBig: storageTooBig };

// prettier-ignore
export const MAP_RULES: Readonly<Partial<Record<MapType, Rule>>> = {
  hash:                  { flags: no_prealloc | numa_node | HOST | PROG | zero_seed, key: ANY, value: ANY, entries: "some", tooBig: hashTooBig },
  percpu_hash:           { flags: no_prealloc | HOST | PROG | zero_seed, key: ANY, value: ANY, entries: "some", tooBig: (map) => hashTooBig(map) ?? perCpuTooBig(map) },
  lru_hash:              { flags: no_prealloc | no_common_lru | numa_node | HOST | PROG | zero_seed, key: ANY, value: ANY, entries: "some", tooBig: hashTooBig },
  lru_percpu_hash:       { flags: no_prealloc | no_common_lru | HOST | PROG | zero_seed, key: ANY, value: ANY, entries: "some", tooBig: (map) => hashTooBig(map) ?? perCpuTooBig(map) },
  hash_of_maps:          { flags: no_prealloc | numa_node | HOST | PROG | zero_seed, key: ANY, value: DESCRIPTOR, entries: "some", tooBig: hashTooBig },
  array:                 { flags: numa_node | HOST | PROG | MAP_FLAGS.mmapable | MAP_FLAGS.inner_map, key: INDEX, value: ANY, entries: "some", tooBig: ({ valueSize }) => more("value bytes", valueSize, SIGNED_MAX) },
  percpu_array:          { flags: HOST | PROG, key: INDEX, value: ANY, entries: "some", tooBig: perCpuTooBig },
  prog_array:            ARRAY_OF_DESCRIPTORS,
  perf_event_array:      { ...ARRAY_OF_DESCRIPTORS, flags: numa_node | HOST | MAP_FLAGS.preserve_elems },
  cgroup_array:          ARRAY_OF_DESCRIPTORS,
  array_of_maps:         ARRAY_OF_DESCRIPTORS,
  xskmap:                ARRAY_OF_DESCRIPTORS,
  stack_trace:           { flags: numa_node | HOST | MAP_FLAGS.stack_build_id, key: INDEX, value: stackSizes, entries: "some", tooBig: ({ maxEntries }) => more("entries", maxEntries, 2 ** 31) },
  lpm_trie:              { flags: no_prealloc | numa_node | HOST | PROG, needs: no_prealloc, key: { min: 5, max: 4 + LPM_DATA_MAX }, value: { min: 1, max: LPM_VALUE_MAX }, entries: "some" },
  devmap:                DEVICES,
  devmap_hash:           DEVICES,
  cpumap:                { flags: numa_node, key: INDEX, value: [4, 8], entries: "some", tooBig: ({ maxEntries }) => more("entries", maxEntries, NR_CPUS) },
  sockmap:               DEVICES,
  sockhash:              { ...DEVICES, key: ANY, tooBig: ({ keySize }) => more("key bytes", keySize, STACK_BYTES) },
  reuseport_sockarray:   { ...DEVICES, flags: numa_node | HOST | PROG },
  cgroup_storage:        PER_CGROUP,
  percpu_cgroup_storage: { ...PER_CGROUP, tooBig: ({ valueSize }) => more("value bytes", valueSize, PER_CPU_MAX) },
  queue:                 QUEUE,
  stack:                 QUEUE,
  bloom_filter:          { ...QUEUE, flags: QUEUE.flags | zero_seed },
  ringbuf:               RING,
  user_ringbuf:          RING,
  sk_storage:            OWNED,
  inode_storage:         OWNED,
  task_storage:          OWNED,
  cgrp_storage:          OWNED,
};

/** Map types that cannot be in a map of maps: maps of maps (EINVAL), and those that the kernel cannot compare (ENOTSUPP). */
// prettier-ignore
const NOT_INNER: Readonly<Partial<Record<MapType, MapProblem["error"]>>> = {
  array_of_maps: "EINVAL", hash_of_maps: "EINVAL",
  prog_array: "ENOTSUPP", cgroup_storage: "ENOTSUPP", percpu_cgroup_storage: "ENOTSUPP", struct_ops: "ENOTSUPP",
};

/** Why the kernel would not create the map, or null. A type without a rule is not judged: null. */
export function mapProblem(map: MapDefinition): MapProblem | null {
  const rule = MAP_RULES[map.type];
  if (rule === undefined) return null;
  return flagProblem(map, rule) ?? innerProblem(map) ?? sizeProblem(map, rule);
}

function flagProblem({ type, flags }: MapDefinition, rule: Rule): MapProblem | null {
  if ((flags & ~rule.flags) !== 0) return invalid(`must not have the flags 0x${(flags & ~rule.flags).toString(16)}`);
  const both = [HOST, PROG].find((pair) => (flags & pair) === pair);
  if (both !== undefined) return invalid("cannot be both read-only and write-only");
  if ((flags & (rule.needs ?? 0)) !== (rule.needs ?? 0)) return invalid("must have the flag BPF_F_NO_PREALLOC");
  if (type.startsWith("lru_") && (flags & no_prealloc) !== 0)
    return { error: "ENOTSUPP", message: "cannot have the flag BPF_F_NO_PREALLOC" };
  return null;
}

function innerProblem({ type, inner }: MapDefinition): MapProblem | null {
  if (type !== "array_of_maps" && type !== "hash_of_maps") return null;
  if (inner === null) return invalid("must say what the maps in it look like");
  const error = NOT_INNER[inner.type];
  return error === undefined ? null : { error, message: `cannot hold maps of type ${inner.type}` };
}

function sizeProblem(map: MapDefinition, rule: Rule): MapProblem | null {
  const { keySize, valueSize, maxEntries } = map;
  if (!fits(keySize, rule.key)) return invalid(`must have a key of ${describe(rule.key)}`);
  const values = typeof rule.value === "function" ? rule.value(map.flags) : rule.value;
  if (!fits(valueSize, values)) return invalid(`must have a value of ${describe(values)}`);
  if (!fitsEntries(maxEntries, rule.entries)) return invalid(ENTRIES[rule.entries]);
  if (rule.typed && (map.keyType === 0 || map.valueType === 0)) return invalid("must have a BTF key and value type");
  const tooBig = rule.tooBig?.(map) ?? null;
  return tooBig === null ? null : { error: "E2BIG", message: tooBig };
}

const ENTRIES: Readonly<Record<Rule["entries"], string>> = {
  some: "must have room for at least one entry",
  none: "must not say how many entries it has",
  pages: `must have a size that is a power of two of at least ${PAGE} bytes`,
};

function fitsEntries(count: number, entries: Rule["entries"]): boolean {
  if (entries === "none") return count === 0;
  return entries === "some" ? count > 0 : count >= PAGE && Number.isInteger(Math.log2(count));
}

function fits(size: number, sizes: Sizes): boolean {
  if (!("min" in sizes)) return sizes.includes(size);
  return size >= sizes.min && size <= (sizes.max ?? size) && size % (sizes.step ?? 1) === 0;
}

function describe(sizes: Sizes): string {
  if (!("min" in sizes)) return `${sizes.join(" or ")} bytes`;
  const { min, max, step } = sizes;
  const range = max === undefined ? `${min} or more bytes` : `${min} to ${max} bytes`;
  return step === undefined ? range : `${range}, a multiple of ${step}`;
}

function invalid(message: string): MapProblem {
  return { error: "EINVAL", message };
}

/** May this map stand in a map of maps that was made with `pattern`? Else the update is -EINVAL. */
export function fitsInner(pattern: MapDefinition, map: MapDefinition): boolean {
  const alike =
    pattern.type === map.type &&
    pattern.keySize === map.keySize &&
    pattern.valueSize === map.valueSize &&
    pattern.flags === map.flags;
  // A program's array bounds are checked once, with the pattern's size.
  const sized = pattern.type === "xskmap" || (pattern.type === "array" && (pattern.flags & MAP_FLAGS.inner_map) === 0);
  return alike && (!sized || pattern.maxEntries === map.maxEntries);
}
