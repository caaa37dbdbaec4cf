/**
 * Programs that call one helper: well-formed by the prototype, or with arguments replaced by every other kind of register. A
 * call is made of sources: what puts a kind of register into an argument, and what has to be done before and after.
 */
import { encode, parse } from "../../../lib/asm/index.ts";
import type { Btf } from "../../../lib/btf/index.ts";
import { BtfBuilder } from "../../../lib/btf/index.ts";
// prettier-ignore
import { HELPER_NAMES, MAP_FLAGS, MAP_HELPERS, helperNumber, mayCall, takesMap } from "../../../lib/kernel/index.ts";
import type { AnyHelperName, AttachType, MapHelperName, MapType, ProgramType } from "../../../lib/kernel/index.ts";
import { slotsOf } from "../../../lib/isa/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import type { LoadRequest, MapReference, RequestMap } from "../../../lib/verifier/index.ts";
import type { Argument } from "../../../lib/verifier/calls/kinds.ts";
import { prototypeOf } from "../../../lib/verifier/calls/prototypes.ts";
import { map as mapSpec } from "../../kernel/specs.ts";
import type { Random } from "../scalar/random.ts";

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
const TYPES: Btf = types.finish();

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

const MAPS: readonly RequestMap[] = [
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
];
const [VALUES, READ_ONLY, GLOBAL, LOCKS, TIMERS, KPTRS, HASH] = [0, 1, 2, 3, 4, 5, 6];
const RING = MAPS.findIndex(({ spec }) => spec.type === "ringbuf");

// ---- places

interface Place {
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
const SKB = { packet: [76, 80], socket: 168 } as const;

// prettier-ignore
const PLACES: readonly Place[] = [
  { type: "xdp", attach: null, packet: [0, 4] },
  { type: "sched_cls", attach: null, ...SKB },
  { type: "cgroup_skb", attach: "cgroup_inet_egress", ...SKB },
  { type: "socket_filter", attach: null },
  { type: "sk_skb", attach: "sk_skb_stream_verdict", packet: [76, 80] },
  { type: "lwt_xmit", attach: null, packet: [76, 80] },
  { type: "lwt_in", attach: null, packet: [76, 80] },
  { type: "lwt_seg6local", attach: null, packet: [76, 80] },
  { type: "flow_dissector", attach: null },
  { type: "cgroup_sock", attach: "cgroup_inet_sock_create" },
  { type: "cgroup_sock_addr", attach: "cgroup_inet4_connect", socket: 64 },
  { type: "cgroup_sockopt", attach: "cgroup_setsockopt", socket: 0 },
  { type: "cgroup_sysctl", attach: "cgroup_sysctl" },
  { type: "cgroup_device", attach: "cgroup_device" },
  { type: "sock_ops", attach: "cgroup_sock_ops", socket: 184 },
  { type: "sk_msg", attach: null, socket: 72 },
  { type: "sk_lookup", attach: "sk_lookup", returns: 1, socket: 0 },
  { type: "sk_reuseport", attach: null, returns: 1 },
  { type: "raw_tracepoint", attach: null },
  { type: "tracepoint", attach: null },
  { type: "perf_event", attach: null },
  { type: "tracing", attach: "trace_raw_tp", target: "btf_trace_kfree_skb", object: [0, "sk_buff"] },
  { type: "tracing", attach: "trace_iter", target: "bpf_iter_task", object: [8, "task_struct"] },
  { type: "tracing", attach: "trace_iter", target: "bpf_iter_task_file", object: [24, "file"] },
  { type: "tracing", attach: "trace_iter", target: "bpf_iter_cgroup", object: [8, "cgroup"] },
  { type: "tracing", attach: "trace_iter", target: "bpf_iter_tcp", object: [8, "sock_common"] },
  { type: "syscall", attach: null, flags: 16 },
];
const SYSCALL = PLACES[PLACES.length - 1] as Place;

// ---- sources

/** Stack, in bytes below the frame pointer: initialised, not initialised, where dynptrs go, spilled registers. */
const [ZEROED, EMPTY, KEY, LOCAL, RESERVED, NEW, SPILLED] = [-64, -192, -200, -272, -288, -304, -312];

interface Source {
  readonly name: string;
  readonly fits?: (place: Place) => boolean;
  readonly before?: (place: Place) => string;
  readonly give: (register: number, place: Place) => string;
  /** Gives back what `before` acquired. */
  readonly after?: string;
}

const may =
  (...helpers: readonly AnyHelperName[]) =>
  ({ type, attach }: Place): boolean =>
    helpers.every((helper) => mayCall(helper, type, attach));
const call = (helper: AnyHelperName): string => `call ${helperNumber(helper)}`;
const at = (offset: number) => (register: number) => `r${register} = r10\nr${register} += ${offset}`;
const lookup = (map: number): string => `r1 = map[id:${map}]\nr2 = r10\nr2 += ${KEY}\n${call("map_lookup_elem")}`;
const CHECK = "if r0 == 0 goto out";

/** What `make` leaves in r0 is spilled, and filled where it is wanted. */
function kept(
  name: string,
  slot: number,
  make: string | ((place: Place) => string),
  more: Partial<Source> = {},
  adjust = "",
): Source {
  const offset = SPILLED - 8 * slot;
  return {
    name,
    before: (place) => `${typeof make === "string" ? make : make(place)}\n*(u64 *)(r10 ${offset}) = r0`,
    give: (register) => `r${register} = *(u64 *)(r10 ${offset})${adjust === "" ? "" : `\nr${register} ${adjust}`}`,
    ...more,
  };
}
const packet = ({ packet: offsets = [0, 0] }: Place): string =>
  `r0 = *(u32 *)(r6 +${offsets[0]})\nr1 = *(u32 *)(r6 +${offsets[1]})`;
const hasPacket = (place: Place): boolean => place.packet !== undefined;
const hasObject = (place: Place): boolean => place.object !== undefined;
const hasSocket = (place: Place): boolean => place.socket !== undefined;
const socket = ({ socket: offset = 0 }: Place): string => `r0 = *(u64 *)(r6 +${offset})`;
const TUPLE = `r1 = r6\nr2 = r10\nr2 += ${ZEROED}\nr3 = 12\nr4 = -1\nr5 = 0\n${call("sk_lookup_udp")}`;
const RELEASE = (slot: number): string => `r1 = *(u64 *)(r10 ${SPILLED - 8 * slot})\n${call("sk_release")}`;

const SOURCES: readonly Source[] = [
  { name: "zero", give: (r) => `r${r} = 0` },
  { name: "four", give: (r) => `r${r} = 4` },
  { name: "eight", give: (r) => `r${r} = 8` },
  { name: "sixteen", give: (r) => `r${r} = 16` },
  { name: "much", give: (r) => `r${r} = 100` },
  { name: "negative", give: (r) => `r${r} = -1` },
  { name: "unknown", give: (r) => `r${r} = r7` },
  { name: "small", give: (r) => `r${r} = r8` },
  { name: "small not 0", give: (r) => `r${r} = r8\nr${r} += 1` },
  { name: "nothing", give: (r) => `r${r} = r${r}` },
  { name: "stack", give: at(ZEROED) },
  { name: "stack inside", give: at(ZEROED + 8) },
  { name: "stack odd", give: at(ZEROED + 3) },
  { name: "stack empty", give: at(EMPTY) },
  { name: "stack end", give: at(-4) },
  { name: "stack outside", give: at(0) },
  { name: "stack variable", give: (r) => `${at(ZEROED)(r)}\nr${r} += r8` },
  { name: "context", give: (r) => `r${r} = r6` },
  { name: "context moved", give: (r) => `r${r} = r6\nr${r} += 4` },
  ...MAPS.map(({ spec }, i): Source => ({ name: `map ${spec.name} ${i}`, give: (r) => `r${r} = map[id:${i}]` })),
  { name: "global", give: (r) => `r${r} = map[id:${GLOBAL}][0]+0` },
  { name: "global end", give: (r) => `r${r} = map[id:${GLOBAL}][0]+60` },
  { name: "global odd", give: (r) => `r${r} = map[id:${GLOBAL}][0]+3` },
  { name: "read-only", give: (r) => `r${r} = map[id:${READ_ONLY}][0]+0` },
  { name: "read-only end", give: (r) => `r${r} = map[id:${READ_ONLY}][0]+60` },
  kept("value or null", 0, lookup(HASH)),
  kept("value", 1, `${lookup(HASH)}\n${CHECK}`),
  kept("value of array", 2, lookup(VALUES)),
  kept("lock", 3, lookup(LOCKS), {}, "+= 8"),
  kept("lock missed", 3, lookup(LOCKS), {}),
  kept("timer", 4, lookup(TIMERS), {}, "+= 8"),
  kept("kptr", 5, lookup(KPTRS), {}, "+= 8"),
  kept("packet", 6, (place) => `${packet(place)}\nr2 = r0\nr2 += 40\nif r2 > r1 goto out`, { fits: hasPacket }),
  kept("packet unproven", 7, packet, { fits: hasPacket }),
  kept("socket or null", 8, socket, { fits: hasSocket }),
  kept("socket", 9, (place) => `${socket(place)}\n${CHECK}`, { fits: hasSocket }),
  kept("full socket", 10, (place) => `${socket(place)}\n${CHECK}\nr1 = r0\n${call("sk_fullsock")}\n${CHECK}`, {
    fits: (place) => hasSocket(place) && may("sk_fullsock")(place),
  }),
  kept("tcp socket", 11, (place) => `${socket(place)}\n${CHECK}\nr1 = r0\n${call("tcp_sock")}\n${CHECK}`, {
    fits: (place) => hasSocket(place) && may("tcp_sock")(place),
  }),
  kept("found socket", 12, `${TUPLE}\n${CHECK}`, { fits: may("sk_lookup_udp"), after: RELEASE(12) }),
  kept("found socket or null", 13, TUPLE, { fits: may("sk_lookup_udp") }),
  kept("record", 14, `r1 = map[id:${RING}]\nr2 = 32\nr3 = 0\n${call("ringbuf_reserve")}\n${CHECK}`, {
    after: `r1 = *(u64 *)(r10 ${SPILLED - 8 * 14})\nr2 = 0\n${call("ringbuf_discard")}`,
  }),
  kept("record or null", 15, `r1 = map[id:${RING}]\nr2 = 32\nr3 = 0\n${call("ringbuf_reserve")}`),
  kept("task", 16, call("get_current_task_btf")),
  kept("task moved", 16, call("get_current_task_btf"), {}, "+= 8"),
  kept("registers", 17, `${call("get_current_task_btf")}\nr1 = r0\n${call("task_pt_regs")}`),
  kept("object", 18, ({ object: [offset] = [0, ""] }) => `r0 = *(u64 *)(r6 +${offset})\n${CHECK}`, { fits: hasObject }),
  kept("object or null", 19, ({ object: [offset] = [0, ""] }) => `r0 = *(u64 *)(r6 +${offset})`, { fits: hasObject }),
  kept("sequence", 20, "r0 = *(u64 *)(r6 +0)\nr0 = *(u64 *)(r0 +0)", { fits: ({ attach }) => attach === "trace_iter" }),
  kept("walked", 21, `${call("get_current_task_btf")}\nr0 = *(u64 *)(r0 +WALKED)`),
  { name: "kernel function", give: (r) => `r${r} = btf[id:schedule][fd:0]` },
  { name: "function", give: (r) => `r${r} = subprog[+0]` },
  {
    name: "dynptr",
    before: () => `r1 = map[id:${GLOBAL}][0]+0\nr2 = 64\nr3 = 0\n${at(LOCAL)(4)}\n${call("dynptr_from_mem")}`,
    give: at(LOCAL),
  },
  { name: "dynptr middle", before: () => "", give: at(LOCAL + 8) },
  {
    name: "ring dynptr",
    before: () => `r1 = map[id:${RING}]\nr2 = 32\nr3 = 0\n${at(RESERVED)(4)}\n${call("ringbuf_reserve_dynptr")}`,
    give: at(RESERVED),
    after: `${at(RESERVED)(1)}\nr2 = 0\n${call("ringbuf_discard_dynptr")}`,
  },
  { name: "dynptr place", give: at(NEW) },
];
const source = (name: string): Source => {
  const found = SOURCES.find((one) => one.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

/** Sources that suit an argument, most usual first. */
function suiting({ base, access, dynptr, bytes, type }: Argument, place: Place): readonly string[] {
  switch (base) {
    case "any":
      return ["zero", "eight", "unknown", "small"];
    case "scalar":
    case "alloc_size":
      return ["four", "eight"];
    case "size":
      return ["eight", "sixteen", "four", "small not 0"];
    case "ctx":
      return ["context"];
    case "key":
      return ["stack"];
    case "value":
    case "mem":
      return access === "read"
        ? ["stack", "global", "read-only", "record"]
        : ["stack", "stack empty", "global", "global", "record"];
    case "fixed":
      return bytes > 8 ? ["stack", "global"] : ["stack", "stack empty", "global"];
    case "lock":
    case "timer":
    case "kptr":
      return [base];
    case "func":
      return ["function"];
    case "stack":
      return ["stack", "zero"];
    case "string":
      return ["read-only"];
    case "sock_common":
    case "sock":
    case "socket":
      return ["full socket", "socket", "found socket", "tcp socket", "object"];
    case "ringbuf_mem":
      return ["record"];
    case "dynptr":
      return access === "uninit" ? ["dynptr place"] : [dynptr === "ringbuf" ? "ring dynptr" : "dynptr"];
    case "object":
      if (type === "seq_file") return ["sequence"];
      return type === null ? ["zero", "task"] : place.object?.[1] === type ? ["object", "object or null"] : ["task"];
    case "map":
    case "percpu":
      return [];
  }
}

// ---- programs

/** The kernel's types, and ids of what programs name in them. */
export interface Kernel {
  readonly btf: Btf;
  readonly ids: ReadonlyMap<string, number>;
  /** Offset of a pointer in struct task_struct. */
  readonly walked: number;
}

/** Looks up in the kernel's types what the programs here name. */
export function kernelOf(btf: Btf): Kernel {
  const wanted = new Set(["schedule", ...PLACES.flatMap(({ target = [] }) => target)]);
  const ids = new Map<string, number>();
  let walked = 0;
  for (const [id, type] of btf.types.entries()) {
    if ((type.kind === "func" || type.kind === "typedef") && wanted.has(type.name)) ids.set(type.name, id);
    if (type.kind === "struct" && type.name === "task_struct")
      walked = (type.members.find(({ name }) => name === "real_parent")?.bitOffset ?? 0) / 8;
  }
  return { btf, ids, walked };
}

export interface HelperCall {
  readonly helper: AnyHelperName;
  readonly place: Place;
  readonly sources: readonly string[];
  readonly text: string;
  readonly request: LoadRequest;
}

const AFTER = [
  "",
  "r1 = *(u8 *)(r0 +0)",
  `${CHECK}\nr1 = *(u8 *)(r0 +0)`,
  `${CHECK}\nr1 = *(u8 *)(r0 +70)`,
  "*(u64 *)(r10 -320) = r0",
];
const DONE = (helper: AnyHelperName): string => `${CHECK}\nr1 = r0\nr2 = 0\n${call(helper)}`;
/** What gives back a helper's result. */
const RELEASES: { readonly [helper in AnyHelperName]?: string } = {
  ringbuf_reserve: DONE("ringbuf_submit"),
  sk_lookup_tcp: DONE("sk_release"),
  sk_lookup_udp: DONE("sk_release"),
  skc_lookup_tcp: DONE("sk_release"),
  ringbuf_reserve_dynptr: `${at(NEW)(1)}\nr2 = 0\n${call("ringbuf_discard_dynptr")}`,
};
const CALLBACK = "r0 = 0\nexit";

/** A call of a helper, with up to two arguments replaced by something else. `kernel`: the types of the kernel. */
export function helperCall(random: Random, kernel: Kernel): HelperCall {
  const helper = random.pick(HELPER_NAMES.slice(1) as readonly AnyHelperName[]);
  const places = PLACES.filter(({ type, attach }) => mayCall(helper, type, attach));
  const sleeping = prototypeOf(helperNumber(helper), "syscall", null)?.sleeps === true && random.chance(0.7);
  const place = sleeping ? SYSCALL : random.pick(places.length > 0 && random.chance(0.97) ? places : PLACES);
  const args = prototypeOf(helperNumber(helper), place.type, place.attach)?.args ?? [];
  const maps = MAPS.map((one, i) => ({ type: one.spec.type, source: `map ${one.spec.name} ${i}` })).filter(
    ({ type }) =>
      MAP_HELPERS.includes(helper as MapHelperName) &&
      takesMap(helper as MapHelperName, type, place.type, place.attach),
  );
  const usable = SOURCES.filter(({ fits }) => fits?.(place) ?? true);
  const mutations = random.pick([0, 0, 0, 1, 1, 2]);
  const mutated = new Set(Array.from({ length: mutations }, () => random.below(Math.max(args.length, 1))));
  const chosen = args.map((argument, i) => {
    if (mutated.has(i)) return random.pick(usable);
    if (argument.base === "map") {
      if (helper === "timer_init") return source(`map timers ${TIMERS}`);
      return maps.length > 0 ? source(random.pick(maps).source) : random.pick(usable);
    }
    const names = suiting(argument, place).filter((name) => usable.some((one) => one.name === name));
    return names.length === 0
      ? random.pick(usable)
      : source(random.chance(0.5) ? (names[0] ?? "") : random.pick(names));
  });
  const used = [...new Set(chosen)];
  const givesBack = random.chance(0.6);
  const text = [
    "r6 = r1",
    ...Array.from({ length: 8 }, (_, i) => `*(u64 *)(r10 ${ZEROED + 8 * i}) = 0`),
    `*(u32 *)(r10 ${KEY}) = 0`,
    call("get_prandom_u32"),
    "r7 = r0\nr8 = r0\nr8 &= 15",
    ...used.flatMap(({ before }) => (before === undefined ? [] : [before(place)])),
    ...chosen.map(({ give }, i) => give(i + 1, place)),
    call(helper),
    random.chance(0.5) ? (RELEASES[helper] ?? "") : random.pick(AFTER),
    helper === "spin_lock" && random.chance(0.7)
      ? `r1 = *(u64 *)(r10 ${SPILLED - 24})\nr1 += 8\n${call("spin_unlock")}`
      : "",
    ...used.flatMap(({ after }) => (after === undefined || !givesBack ? [] : [after])),
    `out: r0 = ${place.returns ?? 0}\nexit`,
    CALLBACK,
  ].join("\n");
  return { helper, place, sources: chosen.map(({ name }) => name), text, request: request(text, place, kernel) };
}

/** Maps of programs, and those whose entries have programs, belong to programs of the type that used them first. */
function ownMap(map: RequestMap): RequestMap {
  return ["prog_array", "devmap", "cpumap"].includes(map.spec.type) ? { ...map } : map;
}

function request(named: string, place: Place, { btf: kernel, ids, walked }: Kernel): LoadRequest {
  const text = named
    .replaceAll("WALKED", String(walked))
    .replace(/btf\[id:(\w+)\]/g, (_, name: string) => `btf[id:${ids.get(name) ?? 0}]`);
  const insns = parse(text);
  const slots: number[] = [];
  let size = 0;
  for (const insn of insns) {
    slots.push(size);
    size += slotsOf(insn);
  }
  const callback = slots[insns.length - 2] ?? 0;
  const hasCallback = insns.some((insn) => insn.kind === "load_imm64" && insn.pseudo === "func");
  const kept = hasCallback ? insns : insns.slice(0, -2);
  const references = new Map<number, MapReference>();
  const linked = kept.map((insn, i): Insn => {
    if (insn.kind !== "load_imm64") return insn;
    const slot = slots[i] ?? 0;
    if (insn.pseudo === "func") return { ...insn, imm: BigInt(callback - slot - 1) };
    const index = Number(insn.imm & 0xffffffffn);
    if (insn.pseudo === "map_fd") references.set(slot, { map: index, kind: "map", offset: 0 });
    if (insn.pseudo === "map_value")
      references.set(slot, { map: index, kind: "map_value", offset: Number(insn.imm >> 32n) });
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
      [...references].map(([slot, reference]) => [slot, { ...reference, map: used.indexOf(reference.map) }]),
    ),
    btf: TYPES,
    functions: hasCallback
      ? [
          { slot: 0, type: mainType },
          { slot: callback, type: callbackType },
        ]
      : [{ slot: 0, type: mainType }],
    lines: [],
    kernel,
    target: place.target === undefined ? null : { type: ids.get(place.target) ?? 0, member: null },
  };
}
