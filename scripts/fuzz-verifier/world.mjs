// What generated programs live in: hooks, maps and types, the same for all programs of a run, so that the kernel makes them once.
import { BtfBuilder } from "../../dist/lib/btf/index.js";
import { CONTEXTS, HOOKS, MAP_FLAGS, contextAccess, helperNumber, mayCall } from "../../dist/lib/kernel/index.js";

// ---- types

const builder = new BtfBuilder();
const int = builder.int("int", 4, "signed");
const u32 = builder.int("unsigned int", 4);
const u64 = builder.int("unsigned long long", 8);
const anything = builder.ptr(0);
const field = (name, type, byte) => ({ name, type, bitOffset: byte * 8 });
const pair = builder.struct("pair", 16, [field("a", u64, 0), field("b", u64, 8)]);
const words = builder.add({ kind: "array", element: u64, index: u32, count: 2 });
const spinLock = builder.struct("bpf_spin_lock", 4, [field("val", u32, 0)]);
const timer = builder.struct("bpf_timer", 16, [field("__opaque", words, 0)]);
const locked = builder.struct("locked", 24, [field("lock", spinLock, 0), field("n", u32, 4), field("c", words, 8)]);
const timed = builder.struct("timed", 24, [field("n", u64, 0), field("timer", timer, 8)]);
const param = (name, type) => ({ name, type });
const proto = (...types) =>
  builder.funcProto(
    int,
    types.map((type, i) => param(`p${i}`, type)),
  );

/** Types of functions, by what the generator makes them for; several functions of one program may share one. */
export const FUNCTIONS = {
  main: builder.func("main", proto(anything), "global"),
  static: builder.func("helper", builder.funcProto(u64, [param("a", u64), param("b", u64)]), "static"),
  callback: builder.func("callback", builder.funcProto(u64, [param("i", u64), param("context", anything)]), "static"),
  global: builder.func("shared", proto(u64, u64), "global"),
  globalPointer: builder.func("reads", proto(builder.ptr(pair), u64), "global"),
};

const TYPES = builder.finish();
export { TYPES };

// ---- maps

// prettier-ignore
const map = (name, type, keySize, valueSize, maxEntries, more = {}, typed = false) => ({
  spec: { name, type, keySize, valueSize, maxEntries, flags: 0, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null, ...more },
  btf: typed ? TYPES : null,
  contents: more.frozen ? more.initial : null,
  inner: null,
});
const CONSTANTS = Uint8Array.from({ length: 32 }, (_, i) => [1, 2, 40, 255][i % 4] * ((i >> 2) % 3));
const inner = map("inner", "array", 4, 16, 2);

/** By name; the order is that of the request. */
// prettier-ignore
export const MAPS = [
  map("array", "array", 4, 64, 4),
  map("hash", "hash", 8, 48, 16),
  map("percpu", "percpu_array", 4, 32, 1),
  map("lru", "lru_hash", 4, 16, 8),
  map("trie", "lpm_trie", 8, 8, 8, { flags: MAP_FLAGS.no_prealloc }),
  map("ring", "ringbuf", 0, 0, 1 << 16),
  map("constants", "array", 4, 32, 1, { flags: MAP_FLAGS.rdonly_prog, initial: CONSTANTS, frozen: true }),
  map("globals", "array", 4, 64, 1),
  map("programs", "prog_array", 4, 4, 4),
  map("events", "perf_event_array", 4, 4, 4),
  map("queue", "queue", 0, 8, 4),
  map("locked", "hash", 4, 24, 8, { keyType: int, valueType: locked }, true),
  map("timed", "array", 4, 24, 2, { keyType: int, valueType: timed }, true),
  { ...map("outer", "array_of_maps", 4, 4, 2, { inner: inner.spec }), inner },
  map("storage", "sk_storage", 4, 16, 0, { flags: MAP_FLAGS.no_prealloc, keyType: int, valueType: pair }, true),
  map("devices", "devmap", 4, 4, 4),
  map("sockets", "sockmap", 4, 8, 4),
  map("percpuhash", "percpu_hash", 4, 24, 4),
];

/** Arrays of programs, one for each hook: an array takes programs of the hook that first used it. */
const ARRAYS_OF_HOOKS = new Map();
function arrayOf(hook) {
  if (!ARRAYS_OF_HOOKS.has(hook)) ARRAYS_OF_HOOKS.set(hook, { ...MAPS[mapIndex("programs")] });
  return ARRAYS_OF_HOOKS.get(hook);
}

const MAP_INDEX = new Map(MAPS.map(({ spec }, i) => [spec.name, i]));

export function mapIndex(name) {
  return MAP_INDEX.get(name);
}

// ---- hooks

// prettier-ignore
const HOOK_NAMES = [
  "xdp", "tcx_ingress", "tc", "cgroup_skb_ingress", "cgroup_skb_egress", "socket_filter", "connect4", "bind4", "sendmsg6", "recvmsg4",
  "getsockopt", "setsockopt", "sock_ops", "sk_msg", "sk_lookup", "sk_skb_verdict", "sock_create", "post_bind4", "flow_dissector",
  "sk_reuseport", "getpeername4",
];

/** Return values that a hook takes, both inclusive; null: all of 32 bits. */
// prettier-ignore
const RETURNS = {
  cgroup_skb_ingress: [0, 1], cgroup_skb_egress: [0, 3], connect4: [0, 1], bind4: [0, 3], sendmsg6: [0, 1], recvmsg4: [1, 1],
  getpeername4: [1, 1], getsockopt: [0, 1], setsockopt: [0, 1], sock_ops: [0, 1], sk_lookup: [0, 1], sock_create: [0, 1], post_bind4: [0, 1],
};

/** Hooks with what programs there may do with their context. Weights: packets most often. */
export const WORLD_HOOKS = HOOK_NAMES.map((name) => {
  const hook = HOOKS[name];
  const access = contextAccess(hook.type, hook.attach);
  const layout = CONTEXTS[hook.context];
  const visible = (at) => at !== null && access !== null && access.loads.some(({ offset }) => offset === at);
  const pointers = [layout.packet?.data, layout.packet?.dataEnd, layout.meta?.data, layout.sk];
  const isPlain = ({ offset, kind, name: field }) =>
    kind !== "pointer" && !pointers.includes(offset) && field !== "flow_keys";
  return {
    name,
    type: hook.type,
    attach: hook.attach,
    packet: layout.packet !== null && visible(layout.packet.data) ? layout.packet : null,
    meta: layout.meta !== null && visible(layout.meta.data) ? layout.meta : null,
    socket: visible(layout.sk) ? layout.sk : null,
    loads: access === null ? [] : access.loads.filter(isPlain),
    stores: access === null ? [] : access.stores.filter(isPlain),
    contextSize: layout.size,
    returns: RETURNS[name] ?? null,
    writesPacket: ["xdp", "sched_cls", "sk_msg", "sk_skb", "cgroup_sockopt"].includes(hook.type),
  };
});

/** The helper's number where the hook's programs may call it, else null. */
export function helperAt(hook, name) {
  return mayCall(name, hook.type, hook.attach) ? helperNumber(name) : null;
}

/**
 * The request for code with its references (`map` is an index of MAPS) and functions ([{ slot, kind of FUNCTIONS }], or null:
 * without types). Only maps that are referred to are in it; the offset into a value is that of the load's second slot.
 */
export function requestFor({ hook, flags, references, functions }, code, kernel = null) {
  const view = new DataView(code.buffer);
  const used = [...new Set(references.map(({ map: index }) => index))].toSorted((a, b) => a - b);
  return {
    name: "fuzz",
    type: hook.type,
    attach: hook.attach,
    flags,
    license: "GPL",
    code,
    maps: used.map((index) => (index === mapIndex("programs") ? arrayOf(hook) : MAPS[index])),
    mapReferences: new Map(
      references.map(({ slot, map: index, kind }) => [
        slot,
        { map: used.indexOf(index), kind, offset: kind === "map" ? 0 : view.getUint32(8 * slot + 12, true) },
      ]),
    ),
    btf: functions === null ? null : TYPES,
    functions: functions === null ? [] : functions.map(({ slot, kind }) => ({ slot, type: FUNCTIONS[kind] })),
    lines: [],
    kernel,
    target: null,
  };
}

/** Every map that a request may have. */
export const ALL_MAPS = [...MAPS, ...WORLD_HOOKS.map(arrayOf)];
