/** Programs for asking our verifier and the running kernel's the same: maps of all types, program types, and assembly text. */
import { encode, parse } from "../../../lib/asm/index.ts";
import type { Btf } from "../../../lib/btf/index.ts";
import { BtfBuilder } from "../../../lib/btf/index.ts";
import { MAP_FLAGS } from "../../../lib/kernel/index.ts";
import type { AttachType, MapType, ProgramType } from "../../../lib/kernel/index.ts";
import { slotsOf } from "../../../lib/isa/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import type { LoadRequest, MapReference, RequestMap } from "../../../lib/verifier/index.ts";
import { map as mapSpec } from "../../kernel/specs.ts";

// ---- types and maps

const types = new BtfBuilder();
const int = types.int("int", 4, "signed");
const u32 = types.int("unsigned int", 4);
const u64 = types.int("unsigned long long", 8);
const lock = types.struct("bpf_spin_lock", 4, [{ name: "val", type: u32, bitOffset: 0 }]);
const timer = types.struct("bpf_timer", 16, [{ name: "__opaque", type: types.array(u64, 2), bitOffset: 0 }]);
/** 64 bytes, with a special field at byte 8. */
const valueWith = (name: string, field: number): number =>
  types.struct(name, 64, [
    { name: "count", type: u64, bitOffset: 0 },
    { name: "special", type: field, bitOffset: 64 },
    { name: "rest", type: types.array(u64, 5), bitOffset: 24 * 8 },
  ]);
const lockValue = valueWith("lock_value", lock);
const timerValue = valueWith("timer_value", timer);
const task = types.add({ kind: "type_tag", name: "kptr", type: types.struct("task_struct", 1, []) });
const kptrValue = valueWith("kptr_value", types.ptr(task));
const stored = types.struct("stored", 64, [{ name: "all", type: types.array(u64, 8), bitOffset: 0 }]);
const context = types.ptr(0);
const mainType = types.func("main_func", types.funcProto(int, [{ name: "ctx", type: context }]));
const callbackType = types.func("callback", types.funcProto(int, []), "static");
export const TYPES: Btf = types.finish();

const FORMAT = new Uint8Array(64);
FORMAT.set(new TextEncoder().encode("count %d"));

function plain(type: MapType, key: number, value: number, entries: number, flags = 0): RequestMap {
  return { spec: mapSpec(type, type, key, value, entries, { flags }), btf: null, contents: null, inner: null };
}
function typed(name: string, type: MapType, valueType: number, entries: number, flags = 0): RequestMap {
  const spec = mapSpec(name, type, 4, 64, entries, { flags, keyType: u32, valueType });
  return { spec, btf: TYPES, contents: null, inner: null };
}
const NO_PREALLOC = 1;
const STORAGE = ["sk_storage", "task_storage", "inode_storage", "cgrp_storage"] as const;

export const MAPS: readonly RequestMap[] = [
  plain("array", 4, 64, 4),
  {
    ...plain("array", 4, 64, 1, MAP_FLAGS.rdonly_prog),
    spec: mapSpec("rodata", "array", 4, 64, 1, { flags: MAP_FLAGS.rdonly_prog, initial: FORMAT, frozen: true }),
    contents: FORMAT,
  },
  plain("array", 4, 64, 1),
  typed("locks", "array", lockValue, 4),
  typed("timers", "array", timerValue, 4),
  typed("kptrs", "array", kptrValue, 4),
  plain("hash", 4, 64, 8),
  plain("percpu_array", 4, 64, 4),
  plain("percpu_hash", 4, 64, 8),
  plain("lru_hash", 4, 64, 8),
  plain("prog_array", 4, 4, 4),
  plain("perf_event_array", 4, 4, 4),
  plain("cgroup_array", 4, 4, 4),
  plain("stack_trace", 4, 80, 4),
  plain("devmap", 4, 4, 4),
  plain("cpumap", 4, 4, 4),
  plain("xskmap", 4, 4, 4),
  plain("sockmap", 4, 4, 4),
  plain("sockhash", 4, 8, 4),
  plain("reuseport_sockarray", 4, 8, 4),
  plain("cgroup_storage", 8, 64, 0),
  plain("queue", 0, 64, 4),
  plain("bloom_filter", 0, 64, 4),
  plain("ringbuf", 0, 0, 4096),
  plain("user_ringbuf", 0, 0, 4096),
  ...STORAGE.map((type) => typed(type, type, stored, 0, NO_PREALLOC)),
  plain("array", 4, 64, 4, MAP_FLAGS.rdonly_prog),
  { ...plain("array_of_maps", 4, 4, 4), inner: plain("array", 4, 64, 4) },
  { ...plain("array_of_maps", 4, 4, 4), inner: typed("inner", "array", timerValue, 4) },
  { ...plain("array_of_maps", 4, 4, 4), inner: typed("inner", "array", lockValue, 4) },
];

// ---- the kernel

/** What programs here attach to. */
const TARGETS = ["btf_trace_kfree_skb", "bpf_iter_task", "bpf_iter_task_file", "bpf_iter_cgroup", "bpf_iter_tcp"];

/** The kernel's types, and ids of what programs name in them. */
export interface Kernel {
  readonly btf: Btf;
  readonly ids: ReadonlyMap<string, number>;
  /** Offset of a pointer in struct task_struct. */
  readonly walked: number;
}

/** Looks up in the kernel's types what the programs here name. */
export function kernelOf(btf: Btf): Kernel {
  const wanted = new Set(["schedule", ...TARGETS]);
  const ids = new Map<string, number>();
  let walked = 0;
  for (const [id, type] of btf.types.entries()) {
    if ((type.kind === "func" || type.kind === "typedef") && wanted.has(type.name)) ids.set(type.name, id);
    if (type.kind === "struct" && type.name === "task_struct")
      walked = (type.members.find(({ name }) => name === "real_parent")?.bitOffset ?? 0) / 8;
  }
  return { btf, ids, walked };
}

// ---- programs

/** What a program is for. */
export interface Place {
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  readonly flags?: number;
  /** What the program returns; 0 elsewhere. */
  readonly returns?: number;
  /** Offsets of data and data_end in the context; their size is that of `packet`. */
  readonly packet?: readonly [data: number, end: number];
  /** Offset of a socket in the context. */
  readonly socket?: number;
  /** The kernel's function, or typedef of a tracepoint, that the program attaches to. */
  readonly target?: string;
  /** Offset of a pointer to a kernel object in the context, and what it is. */
  readonly object?: readonly [offset: number, struct: string];
}

/** Maps of programs, and those whose entries have programs, belong to programs of the type that used them first. */
function ownMap(map: RequestMap): RequestMap {
  return ["prog_array", "devmap", "cpumap"].includes(map.spec.type) ? { ...map } : map;
}

/**
 * The request of a program: its main function, and others behind lines of `---`, which `subprog[+N]` and `call +N` mean by number.
 * `map[id:N]` is number N of `MAPS`, `btf[id:NAME]` a symbol of the kernel.
 */
export function requestOf(named: string, place: Place, { btf: kernel, ids, walked }: Kernel): LoadRequest {
  const text = named
    .replaceAll("WALKED", String(walked))
    .replace(/btf\[id:(\w+)\]/g, (_, name: string) => `btf[id:${ids.get(name) ?? 0}]`);
  const functions = text.split("\n---\n").map((part) => parse(part));
  const starts: number[] = [];
  let size = 0;
  for (const insns of functions) {
    starts.push(size);
    for (const insn of insns) size += slotsOf(insn);
  }
  const references = new Map<number, MapReference>();
  let slot = 0;
  const linked = functions.flat().map((insn): Insn => {
    const at = slot;
    slot += slotsOf(insn);
    const distance = (index: number): number => (starts[index + 1] ?? 0) - at - 1;
    if (insn.kind === "call" && insn.target.kind === "local")
      return { ...insn, target: { ...insn.target, delta: distance(insn.target.delta) } };
    if (insn.kind !== "load_imm64") return insn;
    if (insn.pseudo === "func") return { ...insn, imm: BigInt(distance(Number(insn.imm))) };
    const index = Number(insn.imm & 0xffffffffn);
    if (insn.pseudo === "map_fd") references.set(at, { map: index, kind: "map", offset: 0 });
    if (insn.pseudo === "map_value")
      references.set(at, { map: index, kind: "map_value", offset: Number(insn.imm >> 32n) });
    return insn;
  });
  // Only the maps that are named: a map may be a reason to refuse the program.
  const used = [...new Set([...references.values()].map(({ map }) => map))];
  return {
    name: "test",
    type: place.type,
    attach: place.attach,
    flags: place.flags ?? 0,
    license: "GPL",
    code: encode(linked),
    maps: used.map((index) => ownMap(MAPS[index] as RequestMap)),
    mapReferences: new Map(
      [...references].map(([at, reference]) => [at, { ...reference, map: used.indexOf(reference.map) }]),
    ),
    btf: TYPES,
    functions: starts.map((start, i) => ({ slot: start, type: i === 0 ? mainType : callbackType })),
    lines: [],
    kernel,
    target: place.target === undefined ? null : { type: ids.get(place.target) ?? 0, member: null },
  };
}
