/**
 * sock_ops: the events of TCP sockets on both ends, their order, what programs may answer and ask for.
 * All play `programs/sock-ops.ts`. BASE_RTT does not occur: only the congestion control TCP-NV asks for it, and few kernels
 * have that. Options of the TCP header and values of sockets: sock-ops-data.ts.
 */
import type { Attachment, CgroupPath, MapValue, Preset, Scenario, Step } from "./script.ts";
import {
  accept,
  bind,
  close,
  connect,
  createRandom,
  events,
  listener,
  open,
  preset,
  recv,
  scenariosOf,
  send,
  shutdown,
  sockname,
  steps,
} from "./vocabulary.ts";

/** Numbers of events: SockOp in lib/std/contexts.ts. */
// prettier-ignore
const OP = {
  timeoutInit: 1, windowInit: 2, connect: 3, active: 4, passive: 5, needsEcn: 6, timeout: 8, retransmit: 9, state: 10,
  listen: 11, rtt: 12,
} as const;
type OpName = keyof typeof OP;

/** Bits of SockOps.setCallbacks. */
const WANT = { timeout: 1, retransmit: 2, state: 4, rtt: 8 } as const;

const ACTION = { reply: 1, callbacks: 2, setOption: 4, keep: 8, getOption: 16 } as const;

interface Rule {
  readonly deny?: 1;
  readonly quiet?: 1;
  readonly actions?: number;
  readonly reply?: number;
  readonly callbacks?: number;
  readonly level?: number;
  readonly option?: number;
  readonly value?: number;
  readonly index?: number;
}

const callbacks = (flags: number): Rule => ({ actions: ACTION.callbacks, callbacks: flags });
const reply = (value: number): Rule => ({ actions: ACTION.reply, reply: value });
const setOption = (level: number, option: number, value: number): Rule => ({
  actions: ACTION.setOption,
  level,
  option,
  value,
});
const getOption = (level: number, option: number): Rule => ({ actions: ACTION.getOption, level, option });
const keep = (index: number): Rule => ({ actions: ACTION.keep, index });

type Rules = Partial<Record<OpName, Rule>>;

/** Rules of the first or second program, at sockets of a client or server. */
function rulesOf(rules: Rules, side: "client" | "server", program = 0): readonly Preset[] {
  return (Object.keys(rules) as OpName[]).map((op) =>
    preset("o.rules", OP[op] + (side === "server" ? 32 : 0) + program * 64, rules[op] as MapValue),
  );
}

interface Cast {
  readonly client?: Rules;
  readonly server?: Rules;
  readonly second?: Rules;
  readonly attach?: readonly Attachment[];
}

const ends = (step: Step): boolean => step.do === "close" || step.do === "shutdown";
const at = (program: "first" | "second", cgroup: CgroupPath = "/"): Attachment => ({ program: `o.${program}`, cgroup });

function played(
  name: string,
  { client, server, second, attach }: Cast,
  parts: readonly Step[],
): Omit<Scenario, "hook"> {
  return {
    name: `sock_ops: ${name}`,
    objects: { o: "sock-ops" },
    tasks: { client: { cgroup: "/client" }, server: { cgroup: "/server" } },
    attach: attach ?? [at("first")],
    presets: [
      ...rulesOf(client ?? {}, "client"),
      ...rulesOf(server ?? {}, "server"),
      ...rulesOf(second ?? {}, "client", 1),
      ...rulesOf(second ?? {}, "server", 1),
    ],
    // While a connection ends, a delayed acknowledgement comes sooner or later: the order of the two ends varies.
    steps: steps(parts, parts.some(ends) ? events("o.events", "cookie") : events("o.events")),
  };
}

/** Numbers of socket(7), tcp(7) and of include/uapi/linux/bpf.h (TCP_BPF_...). */
const SOL_SOCKET = 1;
const SOL_TCP = 6;
const SOL_IP = 0;
const RENO = 0x6f6e6572;

// ---- life of a connection

const WEB = "127.0.0.1:8080";
const WEB6 = "[::1]:8080";
const CLIENT = "127.0.0.1:5000";

/** A connection between a client and a server task, from 127.0.0.1:5000 to port 8080. */
const connection = steps(
  listener("listener", WEB, "server"),
  open("tcp4", "client", "client"),
  bind("client", CLIENT),
  connect("client", WEB),
  accept("listener", "server"),
);
const connection6 = steps(
  listener("listener", WEB6, "server"),
  open("tcp6", "client", "client"),
  bind("client", "[::1]:5000"),
  connect("client", WEB6),
  accept("listener", "server"),
);
const hello = steps(send("client", "hello"), recv("server", 5), send("server", "world"), recv("client", 5));
/** The client closes first. */
const clientCloses = steps(close("client"), recv("server"), close("server"));
const serverCloses = steps(close("server"), recv("client"), close("client"));

const STATE_AT_CONNECT: Cast = {
  client: { connect: callbacks(WANT.state) },
  server: { listen: callbacks(WANT.state) },
};

const LIFE = [
  played("a connection", {}, connection),
  played("a connection over IPv6", {}, connection6),
  played("a connection that carries data and ends", {}, steps(connection, hello, clientCloses)),
  played("seen by the client's cgroup", { attach: [at("first", "/client")] }, steps(connection, hello, clientCloses)),
  played("seen by the server's cgroup", { attach: [at("first", "/server")] }, steps(connection, hello, clientCloses)),
  played(
    "an IPv4 client of an IPv6 server",
    {},
    steps(
      listener("listener", "[::]:8080", "server"),
      open("tcp4", "client", "client"),
      bind("client", CLIENT),
      connect("client", WEB),
      accept("listener", "server"),
    ),
  ),
  played(
    "a port that the system chooses",
    {},
    steps(
      listener("listener", WEB, "server"),
      open("tcp4", "client"),
      connect("client", WEB),
      sockname("client"),
      accept("listener", "server"),
    ),
  ),
  played(
    "a closed port",
    STATE_AT_CONNECT,
    steps(open("tcp4", "client"), bind("client", CLIENT), connect("client", WEB)),
  ),
  played(
    "not blocking",
    {},
    steps(
      listener("listener", WEB),
      { do: "socket", socket: "client", family: "inet", type: "stream", nonblock: true },
      bind("client", CLIENT),
      connect("client", WEB),
      accept("listener", "server"),
      { do: "poll", socket: "client", for: ["out"] },
    ),
  ),
  played(
    "two connections",
    {},
    steps(
      listener("listener", WEB),
      open("tcp4", "one"),
      bind("one", CLIENT),
      connect("one", WEB),
      accept("listener", "a"),
      open("tcp4", "two"),
      bind("two", "127.0.0.1:5001"),
      connect("two", WEB),
      accept("listener", "b"),
    ),
  ),
  played(
    "a connection that nobody accepts",
    STATE_AT_CONNECT,
    steps(
      listener("listener", WEB),
      open("tcp4", "client"),
      bind("client", CLIENT),
      connect("client", WEB),
      close("listener"),
      { do: "poll", socket: "client", for: ["in"] },
      recv("client"),
    ),
  ),
  played(
    "a socket that connects to itself",
    STATE_AT_CONNECT,
    steps(open("tcp4", "self"), bind("self", CLIENT), connect("self", CLIENT), send("self", "me"), recv("self", 2)),
  ),
  played("listening twice", {}, steps(listener("listener", WEB), { do: "listen", socket: "listener" })),
  played(
    "UDP has no events",
    {},
    steps(open("udp4", "s"), bind("s", WEB), connect("s", WEB), send("s", "x"), recv("s")),
  ),
];

// ---- states

const STATES = [
  played("states: the client closes first", STATE_AT_CONNECT, steps(connection, clientCloses)),
  played("states: the server closes first", STATE_AT_CONNECT, steps(connection, serverCloses)),
  played("states: over IPv6", STATE_AT_CONNECT, steps(connection6, clientCloses)),
  played(
    "states: the client stops sending, the server goes on",
    STATE_AT_CONNECT,
    steps(
      connection,
      shutdown("client", "write"),
      recv("server"),
      send("server", "still"),
      recv("client", 5),
      close("server"),
      recv("client"),
      close("client"),
    ),
  ),
  played(
    "states: the server stops sending, the client goes on",
    STATE_AT_CONNECT,
    steps(
      connection,
      shutdown("server", "write"),
      recv("client"),
      send("client", "still"),
      recv("server", 5),
      close("client"),
      recv("server"),
      close("server"),
    ),
  ),
  played(
    "states: both stop sending, then close",
    STATE_AT_CONNECT,
    steps(
      connection,
      shutdown("client", "write"),
      recv("server"),
      shutdown("server", "write"),
      recv("client"),
      close("client"),
      close("server"),
    ),
  ),
  played(
    "states: shutdown both ways",
    STATE_AT_CONNECT,
    steps(connection, shutdown("client", "both"), recv("server"), close("server")),
  ),
  played("states: shutdown of reading is no event", STATE_AT_CONNECT, steps(connection, shutdown("client", "read"))),
  played(
    "states: reset by linger zero",
    STATE_AT_CONNECT,
    steps(
      connection,
      { do: "setsockopt", socket: "client", level: "SOL_SOCKET", name: "SO_LINGER", value: "0100000000000000" },
      close("client"),
      { do: "poll", socket: "server", for: ["in"] },
      recv("server"),
      close("server"),
    ),
  ),
  played(
    "states: closing with unread data resets",
    STATE_AT_CONNECT,
    steps(
      connection,
      send("server", "unread"),
      { do: "poll", socket: "client", for: ["in"] },
      close("client"),
      { do: "poll", socket: "server", for: ["in"] },
      recv("server"),
      close("server"),
    ),
  ),
  played(
    "states: sending to who has closed",
    STATE_AT_CONNECT,
    steps(
      connection,
      close("server"),
      recv("client"),
      send("client", "late"),
      { do: "poll", socket: "client", for: ["hup"] },
      send("client", "later"),
      close("client"),
    ),
  ),
  played("states: the listener closes", STATE_AT_CONNECT, steps(listener("listener", WEB), close("listener"))),
  played(
    "states: shutdown of the listener",
    STATE_AT_CONNECT,
    steps(listener("listener", WEB), shutdown("listener", "read")),
  ),
  played(
    "states: disconnected by unspec",
    STATE_AT_CONNECT,
    steps(connection, connect("client", "unspec"), recv("server")),
  ),
  played(
    "states: asked for when established",
    { client: { active: callbacks(WANT.state) }, server: { passive: callbacks(WANT.state) } },
    steps(connection, clientCloses),
  ),
  played(
    "states: asked for by one side alone",
    { client: { active: callbacks(WANT.state) } },
    steps(connection, serverCloses),
  ),
  played(
    "states: asked for by the listener, its connections have it",
    { server: { listen: callbacks(WANT.state) } },
    steps(connection, serverCloses),
  ),
  played(
    "states: no more after the flag is taken back",
    { client: { connect: callbacks(WANT.state), active: callbacks(0) } },
    steps(connection, clientCloses),
  ),
  played(
    "states: no more after the program is detached",
    STATE_AT_CONNECT,
    steps(connection, { do: "detach", id: "o.first" }, clientCloses),
  ),
  played(
    "states: a program attached later sees what was asked for",
    { ...STATE_AT_CONNECT, attach: [at("first")] },
    steps(connection, { do: "attach", attachment: at("second") }, clientCloses),
  ),
  played(
    "states: attached after the connection, nothing was asked for",
    { attach: [] },
    steps(connection, { do: "attach", attachment: at("first") }, clientCloses),
  ),
];

// ---- callbacks that programs ask for

const CALLBACKS = [
  played("asked for: all flags but those of header options", { client: { active: callbacks(0x0f) } }, connection),
  // The answer is the bits that the kernel does not know.
  played("asked for: flags that there are not", { client: { active: callbacks(0x780) } }, connection),
  played(
    "asked for: known and unknown flags",
    { client: { active: callbacks(0x84) } },
    steps(connection, clientCloses),
  ),
  played(
    "asked for: in the listener's event",
    { server: { listen: callbacks(WANT.state | WANT.retransmit) } },
    connection,
  ),
  // A request socket is not a full one: nothing can be asked for.
  played(
    "asked for: at the server's first event of a connection",
    { server: { timeoutInit: callbacks(WANT.state), windowInit: callbacks(WANT.state) } },
    connection,
  ),
  played(
    "asked for: round trip times come",
    { client: { active: callbacks(WANT.rtt), rtt: { ...setOption(SOL_SOCKET, 12, 6), quiet: 1 } } },
    steps(connection, { do: "getsockopt", socket: "client", level: "SOL_SOCKET", name: "SO_PRIORITY" }, hello, {
      do: "getsockopt",
      socket: "client",
      level: "SOL_SOCKET",
      name: "SO_PRIORITY",
    }),
  ),
];

// ---- replies

/** Jiffies are 4 ms here. */
const SOON = 5;
const loseNext = (packets: number): Step => ({ do: "set", map: "o.drops", key: 0, value: { value: packets } });
const losing = (cgroup: CgroupPath): Attachment => ({ program: "o.lose", cgroup });
const lossy = (cgroup: CgroupPath): readonly Attachment[] => [at("first"), losing(cgroup)];
const TIMERS = callbacks(WANT.timeout | WANT.retransmit);

const REPLIES = [
  played(
    "a lost SYN is sent again soon",
    { client: { timeoutInit: reply(SOON), connect: TIMERS }, attach: lossy("/server") },
    steps(
      listener("listener", WEB, "server"),
      loseNext(1),
      open("tcp4", "client", "client"),
      bind("client", CLIENT),
      connect("client", WEB),
      accept("listener", "server"),
    ),
  ),
  played(
    "two lost SYNs",
    { client: { timeoutInit: reply(SOON), connect: TIMERS }, attach: lossy("/server") },
    steps(
      listener("listener", WEB, "server"),
      loseNext(2),
      open("tcp4", "client", "client"),
      bind("client", CLIENT),
      connect("client", WEB),
      accept("listener", "server"),
    ),
  ),
  played(
    "SYNs are lost until the client gives up",
    {
      client: { timeoutInit: reply(SOON), connect: callbacks(WANT.timeout | WANT.retransmit | WANT.state) },
      attach: lossy("/server"),
    },
    steps(
      listener("listener", WEB, "server"),
      loseNext(9),
      open("tcp4", "client", "client"),
      bind("client", CLIENT),
      { do: "setsockopt", socket: "client", level: "SOL_TCP", name: "TCP_SYNCNT", value: 2 },
      connect("client", WEB),
    ),
  ),
  played("a timeout of zero is the usual one", { client: { timeoutInit: reply(0) } }, connection),
  played("a timeout of minus one is the usual one", { client: { timeoutInit: reply(-1) } }, connection),
  played(
    "a timeout that the program refuses to say",
    { client: { timeoutInit: { ...reply(SOON), deny: 1 } } },
    connection,
  ),
  played(
    "a receive window of ten segments",
    { client: { windowInit: reply(10) }, server: { windowInit: reply(10) } },
    steps(connection, hello),
  ),
  played("a receive window of minus one", { client: { windowInit: reply(-1) } }, steps(connection, hello)),
  played(
    "ECN is wanted by both",
    { client: { needsEcn: reply(1) }, server: { needsEcn: reply(1) } },
    steps(
      connection,
      { do: "getsockopt", socket: "client", level: "SOL_TCP", name: "TCP_INFO", length: 6 },
      { do: "getsockopt", socket: "server", level: "SOL_TCP", name: "TCP_INFO", length: 6 },
    ),
  ),
  played(
    "ECN is wanted by the client",
    { client: { needsEcn: reply(1) } },
    steps(connection, { do: "getsockopt", socket: "client", level: "SOL_TCP", name: "TCP_INFO", length: 6 }),
  ),
  played(
    "ECN is wanted by the server",
    { server: { needsEcn: reply(1) } },
    steps(connection, { do: "getsockopt", socket: "client", level: "SOL_TCP", name: "TCP_INFO", length: 6 }),
  ),
  played(
    "ECN is not wanted",
    {},
    steps(connection, { do: "getsockopt", socket: "client", level: "SOL_TCP", name: "TCP_INFO", length: 6 }),
  ),
  played(
    "refusing an event has no effect",
    { client: { connect: { deny: 1 }, active: { deny: 1 } }, server: { listen: { deny: 1 }, passive: { deny: 1 } } },
    steps(connection, hello),
  ),
];

// ---- several programs

const BOTH: readonly Attachment[] = [at("first", "/"), at("second", "/client")];

const SEVERAL = [
  played("two programs: in the order of attaching", { attach: [at("second"), at("first")] }, connection),
  played("two programs: the child's before the parent's", { attach: BOTH }, connection),
  played(
    "two programs: the last reply counts",
    {
      attach: [...BOTH, losing("/server")],
      client: { timeoutInit: reply(1000), connect: TIMERS },
      second: { timeoutInit: reply(SOON) },
    },
    connection,
  ),
  played(
    "two programs: each sees the flags of the other",
    { attach: BOTH, second: { connect: callbacks(WANT.state) } },
    steps(connection, clientCloses),
  ),
  played(
    "two programs: the last flags count",
    { attach: BOTH, client: { connect: callbacks(0) }, second: { connect: callbacks(WANT.state) } },
    steps(connection, clientCloses),
  ),
  played(
    "replaced in the middle",
    STATE_AT_CONNECT,
    steps(connection, { do: "replace", id: "o.first", program: "o.second" }, clientCloses),
  ),
];

// ---- options and maps

/** The program sets an option of the client when it connects; the application asks for it. */
// prettier-ignore
const OPTIONS = ([
  ["SO_KEEPALIVE",     SOL_SOCKET, 9,  1,       "SOL_SOCKET", 4],
  ["SO_PRIORITY",      SOL_SOCKET, 12, 5,       "SOL_SOCKET", 4],
  ["SO_MARK",          SOL_SOCKET, 36, 77,      "SOL_SOCKET", 4],
  ["SO_RCVLOWAT",      SOL_SOCKET, 18, 3,       "SOL_SOCKET", 4],
  ["SO_SNDBUF",        SOL_SOCKET, 7,  40_000,  "SOL_SOCKET", 4],
  ["SO_RCVBUF",        SOL_SOCKET, 8,  50_000,  "SOL_SOCKET", 4],
  ["TCP_NODELAY",      SOL_TCP,    1,  1,       "SOL_TCP",    4],
  ["TCP_KEEPIDLE",     SOL_TCP,    4,  123,     "SOL_TCP",    4],
  ["TCP_KEEPINTVL",    SOL_TCP,    5,  45,      "SOL_TCP",    4],
  ["TCP_KEEPCNT",      SOL_TCP,    6,  7,       "SOL_TCP",    4],
  ["TCP_SYNCNT",       SOL_TCP,    7,  3,       "SOL_TCP",    4],
  ["TCP_USER_TIMEOUT", SOL_TCP,    18, 5000,    "SOL_TCP",    4],
  ["TCP_CONGESTION",   SOL_TCP,    13, RENO,    "SOL_TCP",    16],
  ["IP_TOS",           SOL_IP,     1,  0x10,    "SOL_IP",     4],
] as const).map(([name, level, option, value, levelName, length]) =>
  played(`sets ${name}`, { client: { connect: setOption(level, option, value), active: getOption(level, option) } }, steps(
    connection, { do: "getsockopt", socket: "client", level: levelName, name, length },
  )));

const MAPS = [
  played(
    "sets an option that there is not",
    { client: { connect: setOption(SOL_SOCKET, 999, 1), active: setOption(99, 1, 1) } },
    connection,
  ),
  played("sets a priority out of range", { client: { connect: setOption(SOL_TCP, 4, -1) } }, connection),
  played(
    "sets the initial window too late",
    { client: { connect: setOption(SOL_TCP, 1001, 20), active: setOption(SOL_TCP, 1001, 20) } },
    steps(connection, hello),
  ),
  played(
    "keeps an established socket",
    { client: { active: keep(0) }, server: { passive: keep(1) } },
    steps(connection, { do: "dump", map: "o.sockets" }, hello, clientCloses, { do: "dump", map: "o.sockets" }),
  ),
  played(
    "keeps a socket that only begins to connect",
    { client: { connect: keep(0) } },
    steps(connection, { do: "dump", map: "o.sockets" }),
  ),
  played("keeps a listener", { server: { listen: keep(0) } }, steps(connection, { do: "dump", map: "o.sockets" })),
  played("keeps a socket beyond the end of the map", { client: { active: keep(8) } }, connection),
  played(
    "keeps two sockets in one place",
    { client: { active: keep(0) }, server: { passive: keep(0) } },
    steps(connection, { do: "dump", map: "o.sockets" }),
  ),
  played(
    "keeps a socket, user space takes it out",
    { client: { active: keep(0) } },
    steps(
      connection,
      { do: "delete", map: "o.sockets", key: 0 },
      { do: "dump", map: "o.sockets" },
      { do: "delete", map: "o.sockets", key: 0 },
      hello,
    ),
  ),
];

// ---- generated

function generated(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const some = (ops: readonly OpName[]): Rules =>
    Object.fromEntries(
      ops
        .filter(() => random(2) === 0)
        .map((op) => [
          op,
          pick<Rule>([
            callbacks(WANT.state),
            callbacks(0),
            { deny: 1 },
            reply(-1),
            getOption(SOL_SOCKET, 3),
            setOption(SOL_TCP, 1, 1),
          ]),
        ]),
    );
  const body = pick([
    steps(),
    hello,
    steps(send("client", "x"), recv("server", 1)),
    steps(send("server", "x"), recv("client", 1)),
  ]);
  const end = pick([
    clientCloses,
    serverCloses,
    steps(shutdown("client", "write"), recv("server"), close("server"), recv("client"), close("client")),
  ]);
  return played(
    `generated, seed ${seed}`,
    {
      client: some(["connect", "active", "state"]),
      server: some(["listen", "passive", "state"]),
      attach: pick([
        [at("first")],
        [at("first", "/client"), at("second", "/")],
        [at("second", "/server"), at("first", "/")],
      ]),
    },
    steps(pick([connection, connection6]), body, end),
  );
}

const GENERATED = Array.from({ length: 66 }, (_, seed) => generated(seed));

export const SOCK_OPS: readonly Scenario[] = scenariosOf("sock_ops", [
  ...LIFE,
  ...STATES,
  ...CALLBACKS,
  ...REPLIES,
  ...SEVERAL,
  ...OPTIONS,
  ...MAPS,
  ...GENERATED,
]);
