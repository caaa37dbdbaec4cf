/** The rules of lib/kernel/map-rules.ts against BPF_MAP_CREATE: every type, each flag and many sizes by themselves. */
import { closeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { encodeBtf } from "../../lib/btf/index.ts";
import { MAP_FIELDS, MAP_RULES, MAP_TYPES, mapProblem } from "../../lib/kernel/index.ts";
import type { MapDefinition, MapType } from "../../lib/kernel/index.ts";
import { canLoad } from "../../loader/index.ts";
import { bpf } from "../../loader/sys/calls.ts";
import { describeErrno } from "../../loader/sys/errno.ts";
import { map, T, TYPES } from "./specs.ts";

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: map definitions against the kernel: ${loadable.reason}\n`);

const inner = map("i", "array", 4, 4, 1);
const typed = { flags: 1, keyType: T.u32, valueType: T.u64 };
// prettier-ignore
const GOOD: Readonly<Record<string, MapDefinition>> = {
  hash: map("m", "hash", 4, 8, 4), percpu_hash: map("m", "percpu_hash", 4, 8, 4),
  lru_hash: map("m", "lru_hash", 4, 8, 4), lru_percpu_hash: map("m", "lru_percpu_hash", 4, 8, 4),
  hash_of_maps: map("m", "hash_of_maps", 4, 4, 4, { inner }), array_of_maps: map("m", "array_of_maps", 4, 4, 4, { inner }),
  array: map("m", "array", 4, 8, 4), percpu_array: map("m", "percpu_array", 4, 8, 4),
  prog_array: map("m", "prog_array", 4, 4, 4), perf_event_array: map("m", "perf_event_array", 4, 4, 4),
  cgroup_array: map("m", "cgroup_array", 4, 4, 4), xskmap: map("m", "xskmap", 4, 4, 4),
  stack_trace: map("m", "stack_trace", 4, 80, 4), lpm_trie: map("m", "lpm_trie", 8, 8, 4, { flags: 1 }),
  devmap: map("m", "devmap", 4, 4, 4), devmap_hash: map("m", "devmap_hash", 4, 4, 4), cpumap: map("m", "cpumap", 4, 4, 2),
  sockmap: map("m", "sockmap", 4, 8, 4), sockhash: map("m", "sockhash", 4, 8, 4),
  reuseport_sockarray: map("m", "reuseport_sockarray", 4, 8, 4),
  cgroup_storage: map("m", "cgroup_storage", 8, 8, 0), percpu_cgroup_storage: map("m", "percpu_cgroup_storage", 8, 8, 0),
  queue: map("m", "queue", 0, 8, 4), stack: map("m", "stack", 0, 8, 4), bloom_filter: map("m", "bloom_filter", 0, 8, 4),
  ringbuf: map("m", "ringbuf", 0, 0, 4096), user_ringbuf: map("m", "user_ringbuf", 0, 0, 4096),
  sk_storage: map("m", "sk_storage", 4, 8, 0, typed), inode_storage: map("m", "inode_storage", 4, 8, 0, typed),
  task_storage: map("m", "task_storage", 4, 8, 0, typed), cgrp_storage: map("m", "cgrp_storage", 4, 8, 0, typed),
};

/** Changes of one thing. Nothing here makes the kernel allocate more than a few MiB. */
// prettier-ignore
const KEY_SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 20, 64, 128, 256, 260, 261, 264, 512, 513, 1024, 4096, 65536, 2 ** 20, 4_194_247, 4_194_248, 2 ** 31, 2 ** 32 - 1];
// prettier-ignore
const VALUE_SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 20, 64, 512, 1016, 1024, 4096, 32_767, 32_768, 32_769, 65_407, 65_408, 65_536, 2 ** 20, 4_194_024, 4_194_025, 4_194_251, 4_194_252, 2 ** 22, 2 ** 22 + 1, 2 ** 31, 2 ** 32 - 1];
const ENTRIES = [0, 1, 2, 3, 5, 127, 256, 257, 2048, 4096, 6000, 8192, 65536];

function variants(good: MapDefinition): MapDefinition[] {
  const typedSize = good.valueType !== 0;
  return [
    good,
    ...Array.from({ length: 22 }, (_, bit) => ({ ...good, flags: good.flags ^ (1 << bit) })),
    ...[8 | 16, 128 | 256, 8 | 128, 16 | 256].map((flags) => ({ ...good, flags: good.flags | flags })),
    // A typed value has its type's size.
    ...(typedSize ? [] : KEY_SIZES.map((keySize) => ({ ...good, keySize }))),
    ...(typedSize
      ? []
      : VALUE_SIZES.map((valueSize) => ({
          ...good,
          valueSize,
          maxEntries: Math.min(good.maxEntries, valueSize > 2 ** 16 ? 1 : good.maxEntries),
        }))),
    ...ENTRIES.map((maxEntries) => ({ ...good, maxEntries })),
    ...(good.type === "hash" ? [{ ...good, maxEntries: 2 ** 27 + 1 }] : []),
    { ...good, keyType: 0, valueType: 0 },
  ];
}

describe.skipIf(!loadable.ok)("definitions of maps", () => {
  test("each type has a rule", () => {
    const without = Object.keys(MAP_TYPES).filter((type) => MAP_RULES[type as MapType] === undefined);
    expect(without).toEqual(["unspec", "struct_ops", "arena"]);
  });

  test.each(Object.entries(GOOD))("%s", (_, good) => {
    const types = encodeBtf(TYPES);
    const btf_fd = bpf("btf_load", { btf: types, btf_size: types.length });
    const inner_map_fd = create(inner, {});
    try {
      for (const one of variants(good)) {
        const more = { ...(one.inner === null ? {} : { inner_map_fd }), ...(one.keyType === 0 ? {} : { btf_fd }) };
        const result = create(one, more);
        if (result >= 0) closeSync(result);
        const theirs = result >= 0 ? null : describeErrno(-result).name;
        expect({ ...one, error: mapProblem(one)?.error ?? null }).toEqual({ ...one, error: theirs });
      }
    } finally {
      closeSync(btf_fd);
      closeSync(inner_map_fd);
    }
  });

  test.each(Object.values(GOOD).map((one) => one.type))("a map of %s maps", (type) => {
    const good = GOOD[type];
    if (good === undefined) throw new Error(type);
    const types = encodeBtf(TYPES);
    const btf_fd = bpf("btf_load", { btf: types, btf_size: types.length });
    const fd = create(inner, {});
    const inner_map_fd = create(good, {
      ...(good.inner === null ? {} : { inner_map_fd: fd }),
      ...(good.keyType === 0 ? {} : { btf_fd }),
    });
    const outer = map("m", "array_of_maps", 4, 4, 1, { inner: map("i", good.type, 4, 4, 1) });
    const result = create(outer, { inner_map_fd });
    for (const open of [btf_fd, fd, inner_map_fd, result]) if (open >= 0) closeSync(open);
    const problem = mapProblem(outer);
    expect(problem?.error ?? null).toBe(result >= 0 ? null : describeErrno(-result).name);
  });
});

describe.skipIf(!loadable.ok)("fields that the kernel keeps", () => {
  // Lists and trees need types of what is in them.
  test.each(MAP_FIELDS.filter(({ kind }) => kind !== "list" && kind !== "tree"))("$type", ({ type, maps }) => {
    const size = type === "bpf_timer" || type === "bpf_wq" ? 16 : type === "bpf_task_work" ? 8 : 4;
    const member = { name: "opaque", type: size === 4 ? T.u32 : T.u64, bitOffset: 0 };
    const field = TYPES.types.length;
    // prettier-ignore
    const types = encodeBtf({ types: [
      ...TYPES.types,
      { kind: "struct", name: type, size, members: [member] },
      { kind: "struct", name: "holder", size: 24, members: [{ name: "field", type: field, bitOffset: 0 }, { name: "rest", type: T.u64, bitOffset: 128 }] },
    ] });
    const btf_fd = bpf("btf_load", { btf: types, btf_size: types.length });
    // The key of cgroup storage has a type that is not told here.
    const tried = Object.values(GOOD).filter(
      (one) => one.keySize === 4 && !one.type.endsWith("_of_maps") && one.valueSize > 4,
    );
    const allowed = tried.filter((one) => {
      const result = create({ ...one, valueSize: 24, keyType: T.u32, valueType: field + 1 }, { btf_fd });
      if (result >= 0) closeSync(result);
      return result >= 0;
    });
    closeSync(btf_fd);
    expect(tried.filter((one) => maps.includes(one.type)).map((one) => one.type)).toEqual(
      allowed.map((one) => one.type),
    );
  });
});

function create(one: MapDefinition, more: { inner_map_fd?: number; btf_fd?: number }): number {
  const { keySize, valueSize, maxEntries, flags, keyType, valueType } = one;
  const typed = keyType === 0 ? {} : { btf_key_type_id: keyType, btf_value_type_id: valueType };
  const sizes = { key_size: keySize, value_size: valueSize, max_entries: maxEntries, map_flags: flags >>> 0 };
  return bpf("map_create", { map_type: MAP_TYPES[one.type], ...sizes, ...typed, ...more });
}
