/**
 * sock_ops, continued: options in the headers of TCP segments (`programs/tcp-option.ts`) and values that go with a socket
 * (`programs/sock-storage.ts`).
 */
import type { MapValue, Scenario, Step } from "./script.ts";
import {
  accept,
  bind,
  close,
  connect,
  createRandom,
  events,
  isSix,
  listener,
  open,
  preset,
  recv,
  scenariosOf,
  send,
  setopt,
  steps,
} from "./vocabulary.ts";

type Row = Omit<Scenario, "hook">;

const WEB = "127.0.0.1:8080";

// ---- options in headers

/** Bits of SockOps.setCallbacks. */
const PARSE_ALL = 16;
const PARSE_UNKNOWN = 32;
const WRITE = 64;

interface Rule {
  readonly early?: number;
  readonly late?: number;
  readonly reserve?: number;
  readonly write?: number;
  readonly kind?: number;
  readonly read?: number;
  readonly value?: number;
  readonly readFlags?: number;
}

/** A kind that IANA has not given away, an experimental one, and two of the kernel's own. */
const FREE = 0xb0;
const EXPERIMENT = 254;
const MSS = 2;
const TIMESTAMP = 8;
/** Two bytes of value. */
const VALUE = 0x4241;
/** load_hdr_opt looks into the SYN that the server has kept. */
const FROM_SYN = 1;

const writes = (kind = FREE, more: Rule = {}): Rule => ({
  early: WRITE,
  late: WRITE,
  reserve: 4,
  write: 4,
  kind,
  value: VALUE,
  ...more,
});
const reads = (read = FREE, more: Rule = {}): Rule => ({ early: PARSE_UNKNOWN, late: PARSE_UNKNOWN, read, ...more });

const connection = (at: string, saved: boolean): readonly Step[] =>
  steps(
    listener("listener", at),
    ...(saved ? [[setopt("listener", "SOL_TCP", "TCP_SAVE_SYN", 1)]] : []),
    open(isSix(at) ? "tcp6" : "tcp4", "client"),
    bind("client", isSix(at) ? "[::1]:5000" : "127.0.0.1:5000"),
    connect("client", at),
    accept("listener", "server"),
  );
const ask = steps(send("client", "hello"), recv("server", 5));
const answer = steps(send("server", "world"), recv("client", 5));

function options(
  name: string,
  client: Rule,
  server: Rule,
  parts: readonly Step[] = [],
  { at = WEB, saved = false }: { readonly at?: string; readonly saved?: boolean } = {},
): Row {
  return {
    name: `header options: ${name}`,
    objects: { o: "tcp-option" },
    attach: [{ program: "o.watch", cgroup: "/" }],
    presets: [client, server].map(({ ...rule }, i) => preset("o.rules", i, rule as MapValue)),
    // The two ends go on at the same time: their events have an order each.
    steps: steps(connection(at, saved), parts, events("o.events", "cookie")),
  };
}

const OPTIONS: readonly Row[] = [
  options("written into the SYN, nobody reads", writes(), {}),
  options("written into the SYN, read when established", writes(), reads(FREE, { readFlags: FROM_SYN }), [], {
    saved: true,
  }),
  options("read from a SYN that nobody kept", writes(), reads(FREE, { readFlags: FROM_SYN })),
  options("written into the SYN-ACK, read when established", reads(), writes()),
  options("written with data, read by the server", { ...writes(), early: 0 }, reads(), ask),
  options("written with data, read by the client", reads(), { ...writes(), early: 0 }, steps(ask, answer)),
  options(
    "written by both, read by both",
    { ...writes(), read: FREE, late: WRITE | PARSE_UNKNOWN },
    { ...writes(), read: FREE, late: WRITE | PARSE_UNKNOWN },
    steps(ask, answer),
  ),
  options("written with every message", writes(), reads(), steps(ask, ask)),
  options("written with the end", writes(), reads(), steps(close("client"), recv("server"))),
  options("an experimental kind", writes(EXPERIMENT), reads(EXPERIMENT, { value: VALUE }), ask),
  options("an experimental kind with other two bytes", writes(EXPERIMENT), reads(EXPERIMENT, { value: 0x5a5a }), ask),
  options("a kind that nobody wrote", writes(), reads(0xb1), ask),
  options("all segments are parsed", {}, reads(FREE, { early: PARSE_ALL, late: PARSE_ALL }), ask),
  options("segments without unknown options are not parsed", {}, reads(), ask),
  options("no callbacks are asked for", { ...writes(), early: 0, late: 0 }, reads(FREE, { early: 0, late: 0 }), ask),
  options("callbacks until established", writes(FREE, { late: 0 }), reads(), ask),
  options("the largest segment of the peer's SYN-ACK", reads(MSS), {}),
  options("room is asked for, nothing is written", writes(FREE, { write: 0 }), reads(), ask),
  options("written without room", writes(FREE, { reserve: 0 }), reads(), ask),
  options("more is written than there is room", writes(FREE, { reserve: 4, write: 6 }), reads(), ask),
  options("less is written than there is room", writes(FREE, { reserve: 8 }), reads(), ask),
  options("more room than there is", writes(FREE, { reserve: 41 }), reads(), ask),
  options("too little room to be an option", writes(FREE, { reserve: 1 }), reads(), ask),
  options("a kind that the kernel writes itself", writes(TIMESTAMP), {}, ask),
  options("a kind without a length", writes(1), {}, ask),
  options("a length of one", writes(FREE, { write: 1 }), {}, ask),
  options("over IPv6", writes(), reads(), ask, { at: "[::1]:8080" }),
];

// ---- values of sockets

const OWN: Step = { do: "getsockopt", socket: "client", level: 0xdead, name: 1 };
const DELETE: Step = { do: "getsockopt", socket: "client", level: 0xdead, name: 2 };
const stored = (socket: string, map: "o.values" | "o.inherited" = "o.values"): Step => ({ do: "storage", socket, map });

function values(name: string, programs: readonly ("count" | "start" | "answer")[], parts: readonly Step[]): Row {
  return {
    name: `socket storage: ${name}`,
    objects: { o: "sock-storage" },
    attach: programs.map((program) => ({ program: `o.${program}`, cgroup: "/" })),
    steps: steps(connection(WEB, false), parts, events("o.events")),
  };
}

const STORAGE: readonly Row[] = [
  values("each socket has its own", ["count"], [stored("client"), stored("server"), stored("listener")]),
  values("two hooks share one value", ["count", "start"], [stored("client")]),
  values("a hook without the others", ["start"], [stored("client"), stored("server")]),
  values("nothing is stored", [], [stored("client"), stored("server")]),
  values("an option answers with it", ["count", "start", "answer"], [OWN]),
  values("deleted", ["count", "answer"], [DELETE, stored("client"), OWN, DELETE]),
  values(
    "inherited by accepted sockets",
    ["count"],
    [stored("listener", "o.inherited"), stored("server", "o.inherited"), stored("client", "o.inherited")],
  ),
  values(
    "a second connection starts anew",
    ["count"],
    steps(
      close("client"),
      recv("server"),
      open("tcp4", "client"),
      bind("client", "127.0.0.1:5001"),
      connect("client", WEB),
      stored("client"),
    ),
  ),
];

// ---- generated

function generated(seed: number): Row {
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const one = (): Rule => ({
    early: pick([0, WRITE, WRITE | PARSE_UNKNOWN]),
    late: pick([WRITE, PARSE_UNKNOWN, WRITE | PARSE_UNKNOWN]),
    reserve: pick([0, 4, 4, 8]),
    write: pick([0, 4, 4, 6]),
    kind: pick([FREE, FREE, EXPERIMENT]),
    read: pick([FREE, EXPERIMENT, MSS]),
    value: VALUE,
  });
  return options(`generated, seed ${seed}`, one(), one(), pick([ask, answer, steps(ask, answer), []]));
}

const GENERATED = Array.from({ length: 20 }, (_, seed) => generated(seed));

export const SOCK_OPS_DATA: readonly Scenario[] = scenariosOf("sock_ops", [...OPTIONS, ...STORAGE, ...GENERATED]);
