/** What the pages' assembly refers to by name: maps, and structures of the program. docs/verifier.md lists them for readers. */
import type { Btf, BtfType, TypeId } from "../../../lib/btf/index.ts";
import { MAP_FLAGS } from "../../../lib/kernel/index.ts";
import type { MapType } from "../../../lib/kernel/index.ts";
import type { MapSpec } from "../../../lib/object/index.ts";
import type { RequestMap } from "../../../lib/verifier/index.ts";
import { map as mapSpec } from "../../kernel/specs.ts";
import { structures } from "../types/structures.ts";

// ---- types

const BASE = structures({
  stats: "packets: u64; bytes: u64",
  guarded: "lock: bpf_spin_lock; count: u64",
  fair: "lock: bpf_res_spin_lock; count: u64",
  timed: "count: u64; timer: bpf_timer",
  kept: "task: kptr task_struct; seen: kptr_untrusted task_struct",
  split: "each: percpu_kptr stats",
  item: "value: u64; node: bpf_list_node",
  queue: "lock: bpf_spin_lock; head: bpf_list_head contains:item:node",
  leaf: "value: u64; node: bpf_rb_node",
  tree: "lock: bpf_spin_lock; root: bpf_rb_root contains:leaf:node",
  shared: "value: u64; node: bpf_list_node; count: bpf_refcount",
  job: "work: bpf_wq; count: u64",
});

const INT = 1;
const U64 = 2;
const VOID_POINTER = BASE.types.length;
const PROTO = VOID_POINTER + 1;
const CALLED_BACK = VOID_POINTER + 2;

/** Types of all programs here but those with global functions; the last two are the main function and any static one. */
export const TYPES: Btf = {
  types: [
    ...BASE.types,
    { kind: "ptr", type: 0 },
    { kind: "func_proto", result: INT, params: [{ name: "ctx", type: VOID_POINTER }] },
    { kind: "func_proto", result: INT, params: [] },
    { kind: "func", name: "example", type: PROTO, linkage: "global" },
    { kind: "func", name: "called", type: CALLED_BACK, linkage: "static" },
  ],
};

const UNLOCKED = TYPES.types.length;

/** `TYPES`, and behind them a structure that the kernel refuses: a list without a lock beside it. */
export const BROKEN_TYPES: Btf = {
  types: [
    ...TYPES.types,
    {
      kind: "struct",
      name: "unlocked",
      size: 16,
      members: [{ name: "head", type: structNamed("bpf_list_head"), bitOffset: 0 }],
    },
    { kind: "decl_tag", name: "contains:item:node", type: UNLOCKED, component: 0 },
  ],
};

export function isBroken(struct: string): boolean {
  return struct === "unlocked";
}

/** The number of a structure of `BROKEN_TYPES`. */
export function structNamed(name: string): TypeId {
  const id = isBroken(name) ? UNLOCKED : BASE.ids.get(name);
  if (id === undefined) throw new Error(`there is no structure ${name}`);
  return id;
}

/** `TYPES`, and behind them global functions: `read(nullable u64 *, xdp_md *)`. A word before a type is a tag of the argument. */
export function programTypes(declarations: readonly string[]): Btf {
  const types: BtfType[] = [...TYPES.types];
  const add = (type: BtfType): TypeId => types.push(type) - 1;
  const parts = declarations.map((text) => {
    const [, name = "", parameters = ""] = /^(\w+)\((.*)\)$/.exec(text) ?? [];
    const proto = types.length + declarations.length;
    const func = add({ kind: "func", name, type: proto, linkage: "global" });
    return { func, parameters: parameters.split(",").flatMap((one) => (one.trim() === "" ? [] : [one.trim()])) };
  });
  const protos = parts.map(() => add({ kind: "void" }));
  for (const [index, { func, parameters }] of parts.entries()) {
    const params = parameters.map((parameter, i) => {
      const [, tag, name = "", star] = /^(?:(\w+) )?(\w+)( \*)?$/.exec(parameter) ?? [];
      if (tag !== undefined) add({ kind: "decl_tag", name: `arg:${tag}`, type: func, component: i });
      const type = typeNamed(name, add);
      return { name: `arg${i}`, type: star === undefined ? type : add({ kind: "ptr", type }) };
    });
    types[protos[index] as TypeId] = { kind: "func_proto", result: INT, params };
  }
  return { types };
}

/** One of the bed's, else a structure that only the name is known of, as are those of the kernel. */
function typeNamed(name: string, add: (type: BtfType) => TypeId): TypeId {
  const known: Readonly<Record<string, TypeId>> = { void: 0, int: INT, u64: U64 };
  return known[name] ?? BASE.ids.get(name) ?? add({ kind: "struct", name, size: 0, members: [] });
}

// ---- maps

/** A zero byte ends what is read of it. */
function text(parts: Readonly<Record<number, string>>, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const [at, part] of Object.entries(parts)) bytes.set(new TextEncoder().encode(part), Number(at));
  return bytes;
}
const TEXTS = text({ 0: "%d", 16: "%y", 32: "no zero behind this text, to the" }, 64);

function plain(name: string, type: MapType, key: number, value: number, entries: number, flags = 0): RequestMap {
  return { spec: mapSpec(name, type, key, value, entries, { flags }), btf: null, contents: null, inner: null };
}
function typed(name: string, type: MapType, value: TypeId, size: number, more: Partial<MapSpec> = {}): RequestMap {
  const spec = mapSpec(name, type, 4, size, 4, { keyType: INT, valueType: value, ...more });
  return { spec, btf: TYPES, contents: null, inner: null };
}

// prettier-ignore
const MAPS: readonly RequestMap[] = [
  typed("flows", "hash", structNamed("stats"), 16),
  typed("counts", "array", U64, 8),
  typed("readonly", "array", U64, 8, { flags: MAP_FLAGS.rdonly_prog }),
  typed("writeonly", "array", U64, 8, { flags: MAP_FLAGS.wronly_prog }),
  plain("events", "ringbuf", 0, 0, 4096),
  plain("programs", "prog_array", 4, 4, 4),
  plain("others", "prog_array", 4, 4, 4),
  plain("devices", "devmap", 4, 4, 4),
  plain("sockets", "sockmap", 4, 4, 4),
  { ...plain("nested", "array_of_maps", 4, 4, 4), inner: plain("inner", "array", 4, 8, 4) },
  plain("traces", "stack_trace", 4, 80, 4),
  plain("shares", "cgroup_storage", 8, 8, 0),
  plain("quotas", "cgroup_storage", 8, 8, 0),
  {
    ...plain("texts", "array", 4, TEXTS.length, 1),
    spec: mapSpec("texts", "array", 4, TEXTS.length, 1, { flags: MAP_FLAGS.rdonly_prog, initial: TEXTS, frozen: true }),
    contents: TEXTS,
  },
  plain("data", "array", 4, 64, 1),
  { ...plain("frozen", "array", 4, 8, 4), spec: mapSpec("frozen", "array", 4, 8, 4, { flags: MAP_FLAGS.rdonly_prog, frozen: true }) },
  typed("locks", "array", structNamed("guarded"), 16),
  typed("timers", "array", structNamed("timed"), 24),
  typed("jobs", "array", structNamed("job"), 24),
  typed("splits", "array", structNamed("split"), 8),
  typed("tasks", "array", structNamed("kept"), 16),
  typed("queues", "array", structNamed("queue"), 24, { maxEntries: 1 }),
  typed("trees", "array", structNamed("tree"), 24, { maxEntries: 1 }),
  typed("lock", "array", structNamed("guarded"), 16, { maxEntries: 1 }),
  typed("fair", "array", structNamed("fair"), 16, { maxEntries: 1 }),
  plain("pages", "arena", 0, 0, 1, MAP_FLAGS.mmapable),
  // whose value is a structure of the kernel: without that, the map itself is refused
  plain("operations", "struct_ops", 4, 256, 1),
  plain("orders", "user_ringbuf", 0, 0, 4096),
  typed("percpu_locks", "percpu_hash", structNamed("guarded"), 16),
  ...Array.from({ length: 65 }, (_, i) => plain(`one${i}`, "array", 4, 8, 1)),
];
const BY_NAME = new Map(MAPS.map((map) => [map.spec.name, map]));

/** Maps of programs, and those whose entries have programs, belong to programs of the type that used them first. */
const OWNED: readonly MapType[] = ["prog_array", "devmap", "cpumap"];

export function mapNamed(name: string): RequestMap {
  const map = BY_NAME.get(name);
  if (map === undefined) throw new Error(`there is no map ${name}`);
  return OWNED.includes(map.spec.type) ? { ...map } : map;
}
