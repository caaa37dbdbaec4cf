/**
 * Programs that call one helper: well-formed by the prototype, or with arguments replaced by every other kind of register. A
 * call is made of sources: what puts a kind of register into an argument, and what has to be done before and after.
 */
// prettier-ignore
import { HELPER_NAMES, MAP_HELPERS, helperNumber, mayCall, takesMap } from "../../../lib/kernel/index.ts";
import type { AnyHelperName, MapHelperName } from "../../../lib/kernel/index.ts";
import type { LoadRequest } from "../../../lib/verifier/index.ts";
import type { Argument } from "../../../lib/verifier/calls/kinds.ts";
import { prototypeOf } from "../../../lib/verifier/calls/prototypes.ts";
import type { Random } from "../scalar/random.ts";
import { MAPS, requestOf } from "./helper-bed.ts";
import type { Kernel, Place } from "./helper-bed.ts";

const [VALUES, READ_ONLY, GLOBAL, LOCKS, TIMERS, KPTRS, HASH] = [0, 1, 2, 3, 4, 5, 6];
const RING = MAPS.findIndex(({ spec }) => spec.type === "ringbuf");

// ---- places

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
    ...(chosen.some(({ name }) => name === "function") ? ["---", CALLBACK] : []),
  ].join("\n");
  return { helper, place, sources: chosen.map(({ name }) => name), text, request: requestOf(text, place, kernel) };
}
