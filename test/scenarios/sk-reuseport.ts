/**
 * sk_reuseport: which socket of a group that shares an address gets a connection or datagram. All play
 * `programs/sk-reuseport.ts`. Without a choice the kernel takes a socket by a hash with a secret of its own: only groups
 * of one show that here.
 */
import type { AddressText, MapValue, Preset, Scenario, Step } from "./script.ts";
import {
  accept,
  bind,
  close,
  connect,
  createRandom,
  dump,
  events,
  isSix,
  listen,
  open,
  pair,
  preset,
  put,
  recvfrom,
  scenariosOf,
  send,
  sendto,
  setopt,
  shutdown,
  steps,
} from "./vocabulary.ts";

const CHOOSE = { nothing: 0, index: 1, sourcePort: 2, payload: 3 } as const;
const FROM = { group: 0, sockets: 1, hashed: 2 } as const;

interface Rule {
  readonly choose?: number;
  readonly index?: number;
  readonly from?: number;
  readonly drop?: 1 | 2;
}

const pick = (index: number, rule: Rule = {}): Rule => ({ ...rule, choose: CHOOSE.index, index });
const NOTHING: Rule = {};
const DROP: Rule = { drop: 1 };
/** Refuses when the choice fails. */
const strictly = (rule: Rule): Rule => ({ ...rule, drop: 2 });
const bySourcePort = (sockets: number): Rule => ({ choose: CHOOSE.sourcePort, index: sockets });
const BY_PAYLOAD: Rule = { choose: CHOOSE.payload };

/** Calls that the program counts. */
const TURNS = 10;

/** Rules of the first, second... call; the last one goes on for ever. */
const rulesOf = (rules: readonly Rule[]): readonly Preset[] =>
  Array.from({ length: TURNS }, (_, i) => {
    const { ...rule } = rules[Math.min(i, rules.length - 1)] ?? {};
    return preset("o.rules", i, rule as MapValue);
  });

function played(name: string, rules: readonly Rule[], parts: readonly Step[]): Omit<Scenario, "hook"> {
  return {
    name: `sk_reuseport: ${name}`,
    objects: { o: "sk-reuseport" },
    presets: rulesOf(rules),
    steps: steps(parts, events("o.calls")),
  };
}

const UDP = "127.0.0.1:9000";
const UDP6 = "[::1]:9000";
const TCP = "127.0.0.1:8080";
const TCP6 = "[::1]:8080";
const NAMES = ["s0", "s1", "s2"] as const;

type Ref = "o.choose" | "o.choose2" | "o.migrate";
const use = (socket: string, program: Ref = "o.choose"): Step => ({ do: "reuseport", socket, program });

/** A member of a group: bound and, for TCP, listening. */
const member = (socket: string, address: AddressText, kind: "tcp" | "udp"): readonly Step[] => [
  open(`${kind}${isSix(address) ? 6 : 4}`, socket),
  setopt(socket, "SOL_SOCKET", "SO_REUSEPORT", 1),
  bind(socket, address),
  ...(kind === "tcp" ? [listen(socket)] : []),
];

/** Three members with a program. */
const members = (address: AddressText, kind: "tcp" | "udp", program: Ref): readonly Step[] =>
  steps(...NAMES.map((name) => member(name, address, kind)), use("s0", program));

/** Three members with a program; each has a place in `o.group` by its number. */
const group = (address: AddressText, kind: "tcp" | "udp", program: Ref = "o.choose"): readonly Step[] =>
  steps(members(address, kind, program), ...NAMES.map((name, i) => put(name, "o.group", i)));

const sender = (name: string, port: number): readonly Step[] => [open("udp4", name), bind(name, `127.0.0.1:${port}`)];
const SENDER = sender("c", 5000);
const ask = (...names: readonly string[]): readonly Step[] => names.map((name) => recvfrom(name));
const ALL = ask(...NAMES);

const DATAGRAMS = [
  ...NAMES.map((name, i) =>
    played(`udp: to ${name}`, [pick(i)], steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "hello"), ALL)),
  ),
  played(
    "udp: by turns",
    [pick(2), pick(0), pick(1)],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "one"), sendto("c", UDP, "two"), sendto("c", UDP, "three"), ALL),
  ),
  played(
    "udp: by source port",
    [bySourcePort(3)],
    steps(
      group(UDP, "udp"),
      ...[5001, 5002, 5003].map((port) => steps(sender(`c${port}`, port), sendto(`c${port}`, UDP, String(port)))),
      ALL,
      ALL,
    ),
  ),
  played(
    "udp: by the first byte",
    [BY_PAYLOAD],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "2 to the third"), sendto("c", UDP, "0 to the first"), ALL),
  ),
  played(
    "udp: by the first byte, beyond the group",
    [BY_PAYLOAD],
    steps(
      member("s0", UDP, "udp"),
      put("s0", "o.group", 0),
      use("s0"),
      SENDER,
      sendto("c", UDP, "5 to nobody"),
      ask("s0"),
    ),
  ),
  played("udp: an empty datagram", [pick(1)], steps(group(UDP, "udp"), SENDER, sendto("c", UDP, ""), ALL)),
  played("udp: refused", [DROP], steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "hello"), ALL)),
  played(
    "udp: refused, a connected sender hears of it",
    [DROP],
    steps(group(UDP, "udp"), SENDER, connect("c", UDP), send("c", "one"), send("c", "two")),
  ),
  played(
    "udp: refused, then let in",
    [DROP, pick(1)],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "lost"), sendto("c", UDP, "kept"), ALL),
  ),
  played(
    "udp: a place without a socket, left to the kernel",
    [pick(7)],
    steps(member("s0", UDP, "udp"), put("s0", "o.group", 0), use("s0"), SENDER, sendto("c", UDP, "hello"), ask("s0")),
  ),
  played(
    "udp: a place without a socket, refused",
    [strictly(pick(7))],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: a place beyond the map",
    [strictly(pick(99))],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: nothing chosen in a group of one",
    [NOTHING],
    steps(member("s0", UDP, "udp"), use("s0"), SENDER, sendto("c", UDP, "hello"), ask("s0")),
  ),
  played(
    "udp: 6",
    [pick(1)],
    steps(group(UDP6, "udp"), open("udp6", "c"), bind("c", "[::1]:5000"), sendto("c", UDP6, "hello"), ALL),
  ),
  played(
    "udp: bound to the any address",
    [pick(1)],
    steps(group("0.0.0.0:9000", "udp"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: 6 bound to the any address, an IPv4 sender",
    [pick(1)],
    steps(group("[::]:9000", "udp"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: a socket of another group",
    [strictly(pick(5))],
    steps(
      group(UDP, "udp"),
      member("other", "127.0.0.1:9001", "udp"),
      put("other", "o.group", 5),
      SENDER,
      sendto("c", UDP, "hello"),
      ALL,
      ask("other"),
    ),
  ),
  played(
    "udp: a TCP socket",
    [strictly(pick(5))],
    steps(
      group(UDP, "udp"),
      member("other", TCP, "tcp"),
      put("other", "o.group", 5),
      SENDER,
      sendto("c", UDP, "hello"),
      ALL,
    ),
  ),
  played(
    "udp: an IPv6 socket",
    [strictly(pick(5))],
    steps(
      group(UDP, "udp"),
      member("other", "[::1]:9001", "udp"),
      put("other", "o.group", 5),
      SENDER,
      sendto("c", UDP, "hello"),
      ALL,
    ),
  ),
  played(
    "udp: the chosen one has closed",
    [strictly(pick(1))],
    steps(group(UDP, "udp"), close("s1"), dump("o.group"), SENDER, sendto("c", UDP, "hello"), ask("s0", "s2")),
  ),
  played(
    "udp: the one that brought the program has closed",
    [pick(1)],
    steps(group(UDP, "udp"), close("s0"), SENDER, sendto("c", UDP, "hello"), ask("s1", "s2")),
  ),
  played(
    "udp: the chosen one is taken out of the map",
    [strictly(pick(1))],
    steps(group(UDP, "udp"), { do: "delete", map: "o.group", key: 1 }, SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: another socket takes the place",
    [pick(1)],
    steps(
      group(UDP, "udp"),
      { do: "delete", map: "o.group", key: 2 },
      put("s2", "o.group", 1),
      SENDER,
      sendto("c", UDP, "hello"),
      ALL,
    ),
  ),
  played(
    "udp: a member that comes later",
    [pick(3)],
    steps(
      group(UDP, "udp"),
      member("s3", UDP, "udp"),
      put("s3", "o.group", 3),
      SENDER,
      sendto("c", UDP, "hello"),
      ask("s3"),
    ),
  ),
  // A connected member is found before the group is asked.
  played(
    "udp: a connected member gets its peer's datagrams",
    [pick(0)],
    steps(group(UDP, "udp"), connect("s1", "127.0.0.1:5000"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: a connected member, another sender",
    [pick(0)],
    steps(group(UDP, "udp"), connect("s1", "127.0.0.1:5555"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "udp: the chosen one is connected to another sender",
    [strictly(pick(1))],
    steps(group(UDP, "udp"), connect("s1", "127.0.0.1:5555"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
];

const client = (name: string, port: number, at: AddressText = TCP): readonly Step[] => [
  open(isSix(at) ? "tcp6" : "tcp4", name),
  bind(name, isSix(at) ? `[::1]:${port}` : `127.0.0.1:${port}`),
  connect(name, at),
];
const acceptAll = steps(...NAMES.map((name) => accept(name, `${name}-accepted`)));

const CONNECTIONS = [
  ...NAMES.map((name, i) =>
    played(`tcp: to ${name}`, [pick(i)], steps(group(TCP, "tcp"), client("c", 5000), acceptAll)),
  ),
  played(
    "tcp: by turns",
    [pick(2), pick(0)],
    steps(group(TCP, "tcp"), client("c", 5000), client("d", 5001), acceptAll),
  ),
  played(
    "tcp: by source port",
    [bySourcePort(3)],
    steps(group(TCP, "tcp"), client("c", 5001), client("d", 5002), client("e", 5003), acceptAll),
  ),
  played(
    "tcp: data goes with the connection",
    [pick(1)],
    steps(group(TCP, "tcp"), client("c", 5000), accept("s1", "a"), send("c", "hello"), {
      do: "recv",
      socket: "a",
      length: 5,
    }),
  ),
  played("tcp: refused", [DROP], steps(group(TCP, "tcp"), client("c", 5000), acceptAll)),
  played(
    "tcp: refused, then let in",
    [DROP, pick(1)],
    steps(group(TCP, "tcp"), client("c", 5000), client("d", 5001), acceptAll),
  ),
  played(
    "tcp: a place without a socket, refused",
    [strictly(pick(7))],
    steps(group(TCP, "tcp"), client("c", 5000), acceptAll),
  ),
  played(
    "tcp: a place without a socket, left to the kernel",
    [pick(7)],
    steps(member("s0", TCP, "tcp"), put("s0", "o.group", 0), use("s0"), client("c", 5000), accept("s0", "a")),
  ),
  played(
    "tcp: nothing chosen in a group of one",
    [NOTHING],
    steps(member("s0", TCP, "tcp"), use("s0"), client("c", 5000), accept("s0", "a")),
  ),
  played("tcp: 6", [pick(2)], steps(group(TCP6, "tcp"), client("c", 5000, TCP6), acceptAll)),
  played("tcp: bound to the any address", [pick(2)], steps(group("0.0.0.0:8080", "tcp"), client("c", 5000), acceptAll)),
  played(
    "tcp: 6 bound to the any address, an IPv4 client",
    [pick(2)],
    steps(group("[::]:8080", "tcp"), client("c", 5000), acceptAll),
  ),
  played(
    "tcp: a socket of another group",
    [strictly(pick(5))],
    steps(
      group(TCP, "tcp"),
      member("other", "127.0.0.1:8081", "tcp"),
      put("other", "o.group", 5),
      client("c", 5000),
      acceptAll,
    ),
  ),
  played(
    "tcp: a UDP socket",
    [strictly(pick(5))],
    steps(group(TCP, "tcp"), member("other", UDP, "udp"), put("other", "o.group", 5), client("c", 5000), acceptAll),
  ),
  played(
    "tcp: the chosen one has closed",
    [strictly(pick(1))],
    steps(group(TCP, "tcp"), close("s1"), client("c", 5000), accept("s0", "a"), accept("s2", "b")),
  ),
  played(
    "tcp: the chosen one listens no more",
    [strictly(pick(1))],
    steps(
      group(TCP, "tcp"),
      shutdown("s1", "read"),
      dump("o.group"),
      client("c", 5000),
      accept("s0", "a"),
      accept("s2", "b"),
    ),
  ),
];

const PROGRAMS = [
  played(
    "programs: brought by a later member",
    [pick(2)],
    steps(
      ...NAMES.map((name) => member(name, UDP, "udp")),
      ...NAMES.map((name, i) => put(name, "o.group", i)),
      use("s2"),
      SENDER,
      sendto("c", UDP, "hello"),
      ALL,
    ),
  ),
  played(
    "programs: replaced",
    [pick(0)],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "one"), use("s1", "o.choose2"), sendto("c", UDP, "two"), ALL),
  ),
  played(
    "programs: detached from a group of one",
    [DROP],
    steps(
      member("s0", UDP, "udp"),
      use("s0"),
      SENDER,
      sendto("c", UDP, "lost"),
      { do: "reuseport-detach", socket: "s0" },
      sendto("c", UDP, "kept"),
      ask("s0"),
    ),
  ),
  played(
    "programs: detached where there is none",
    [DROP],
    steps(member("s0", UDP, "udp"), { do: "reuseport-detach", socket: "s0" }, { do: "reuseport-detach", socket: "s0" }),
  ),
  played("programs: of a socket that shares nothing", [DROP], steps(open("udp4", "s"), bind("s", UDP), use("s"))),
  played(
    "programs: before the socket is bound",
    [pick(0)],
    steps(
      open("udp4", "s0"),
      setopt("s0", "SOL_SOCKET", "SO_REUSEPORT", 1),
      use("s0"),
      bind("s0", UDP),
      put("s0", "o.group", 0),
      SENDER,
      sendto("c", UDP, "hello"),
      ask("s0"),
    ),
  ),
  played(
    "programs: a second member brings another",
    [pick(0)],
    steps(
      open("udp4", "s0"),
      setopt("s0", "SOL_SOCKET", "SO_REUSEPORT", 1),
      use("s0"),
      bind("s0", UDP),
      open("udp4", "s1"),
      setopt("s1", "SOL_SOCKET", "SO_REUSEPORT", 1),
      use("s1", "o.choose2"),
      bind("s1", UDP),
      put("s0", "o.group", 0),
      put("s1", "o.group", 1),
      SENDER,
      sendto("c", UDP, "hello"),
      ask("s0", "s1"),
    ),
  ),
  played(
    "programs: of a TCP group, before it listens",
    [pick(1)],
    steps(
      open("tcp4", "s0"),
      setopt("s0", "SOL_SOCKET", "SO_REUSEPORT", 1),
      use("s0"),
      bind("s0", TCP),
      listen("s0"),
      member("s1", TCP, "tcp"),
      put("s0", "o.group", 0),
      put("s1", "o.group", 1),
      client("c", 5000),
      accept("s0", "a"),
      accept("s1", "b"),
    ),
  ),
  played(
    "programs: a migrating one for datagrams",
    [pick(1)],
    steps(group(UDP, "udp", "o.migrate"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "programs: a port that only one side shares",
    [NOTHING],
    steps(member("s0", UDP, "udp"), open("udp4", "s1"), bind("s1", UDP)),
  ),
];

const MAPS = [
  played(
    "maps: the group in user space's eyes",
    [NOTHING],
    steps(
      group(UDP, "udp"),
      dump("o.group"),
      { do: "get", map: "o.group", key: 0 },
      { do: "get", map: "o.group", key: 5 },
    ),
  ),
  played(
    "maps: one socket in two places",
    [NOTHING],
    steps(group(UDP, "udp"), put("s0", "o.group", 5), dump("o.group")),
  ),
  played(
    "maps: a place that is taken",
    [NOTHING],
    steps(
      group(UDP, "udp"),
      { do: "delete", map: "o.group", key: 2 },
      { ...put("s2", "o.group", 0), mode: "create" } as Step,
      { ...put("s2", "o.group", 2), mode: "replace" } as Step,
      { ...put("s2", "o.group", 0), mode: "replace" } as Step,
      put("s0", "o.group", 8),
      dump("o.group"),
    ),
  ),
  played(
    "maps: sockets that cannot be members",
    [NOTHING],
    steps(
      open("udp4", "plain"),
      bind("plain", "127.0.0.1:9005"),
      put("plain", "o.group", 0),
      open("udp4", "unbound"),
      setopt("unbound", "SOL_SOCKET", "SO_REUSEPORT", 1),
      put("unbound", "o.group", 0),
      open("tcp4", "silent"),
      setopt("silent", "SOL_SOCKET", "SO_REUSEPORT", 1),
      bind("silent", "127.0.0.1:8085"),
      put("silent", "o.group", 0),
      dump("o.group"),
    ),
  ),
  played(
    "maps: taken out twice",
    [NOTHING],
    steps(
      group(UDP, "udp"),
      { do: "delete", map: "o.group", key: 1 },
      { do: "delete", map: "o.group", key: 1 },
      { do: "delete", map: "o.group", key: 9 },
    ),
  ),
  played(
    "maps: chosen from a sockmap",
    [pick(1, { from: FROM.sockets })],
    steps(members(UDP, "udp", "o.choose"), put("s1", "o.sockets", 1), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "maps: chosen from a sockmap, tcp",
    [pick(1, { from: FROM.sockets })],
    steps(members(TCP, "tcp", "o.choose"), put("s1", "o.sockets", 1), client("c", 5000), acceptAll),
  ),
  played(
    "maps: chosen from a sockhash",
    [pick(77, { from: FROM.hashed })],
    steps(members(UDP, "udp", "o.choose"), put("s2", "o.hashed", 77), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  // A socket is in a reuseport_sockarray or in a sockmap, not in both.
  played(
    "maps: in a sockmap and in the group",
    [NOTHING],
    steps(
      group(UDP, "udp"),
      put("s1", "o.sockets", 1),
      open("udp4", "t"),
      setopt("t", "SOL_SOCKET", "SO_REUSEPORT", 1),
      bind("t", UDP),
      put("t", "o.sockets", 2),
      put("t", "o.group", 5),
    ),
  ),
  played(
    "maps: chosen from a sockmap, no such place",
    [strictly(pick(1, { from: FROM.sockets }))],
    steps(group(UDP, "udp"), SENDER, sendto("c", UDP, "hello"), ALL),
  ),
  played(
    "maps: chosen from a sockmap, of no group",
    [strictly(pick(1, { from: FROM.sockets }))],
    steps(
      group(UDP, "udp"),
      open("udp4", "plain"),
      bind("plain", "127.0.0.1:9005"),
      put("plain", "o.sockets", 1),
      SENDER,
      sendto("c", UDP, "hello"),
      ALL,
      ask("plain"),
    ),
  ),
  played(
    "maps: chosen from a sockmap, a connection",
    [strictly(pick(1, { from: FROM.sockets }))],
    steps(
      group(TCP, "tcp"),
      pair("x", "127.0.0.1:5005", "y", "127.0.0.1:8085"),
      put("x", "o.sockets", 1),
      client("c", 5000),
      acceptAll,
    ),
  ),
];

const MIGRATION = [
  played(
    "migration: an established connection that nobody accepted",
    [pick(0), pick(1)],
    steps(group(TCP, "tcp", "o.migrate"), client("c", 5000), close("s0"), accept("s1", "a"), send("c", "hello"), {
      do: "recv",
      socket: "a",
      length: 5,
    }),
  ),
  played(
    "migration: to the third",
    [pick(0), pick(2)],
    steps(group(TCP, "tcp", "o.migrate"), client("c", 5000), close("s0"), accept("s1", "a"), accept("s2", "b")),
  ),
  played(
    "migration: two connections",
    [pick(0), pick(0), pick(1), pick(2)],
    steps(
      group(TCP, "tcp", "o.migrate"),
      client("c", 5000),
      client("d", 5001),
      close("s0"),
      accept("s1", "a"),
      accept("s2", "b"),
    ),
  ),
  played(
    "migration: refused",
    [pick(0), DROP],
    steps(
      group(TCP, "tcp", "o.migrate"),
      client("c", 5000),
      close("s0"),
      accept("s1", "a"),
      { do: "poll", socket: "c", for: ["hup"] },
      { do: "recv", socket: "c" },
    ),
  ),
  played(
    "migration: to a place without a socket",
    [pick(0), strictly(pick(7))],
    steps(group(TCP, "tcp", "o.migrate"), client("c", 5000), close("s0"), accept("s1", "a"), accept("s2", "b")),
  ),
  played(
    "migration: a listener that listens no more",
    [pick(0), pick(1)],
    steps(group(TCP, "tcp", "o.migrate"), client("c", 5000), shutdown("s0", "read"), accept("s1", "a")),
  ),
  played(
    "migration: an accepted connection stays",
    [pick(0), pick(1)],
    steps(
      group(TCP, "tcp", "o.migrate"),
      client("c", 5000),
      accept("s0", "a"),
      close("s0"),
      accept("s1", "b"),
      send("c", "hello"),
      { do: "recv", socket: "a", length: 5 },
    ),
  ),
  played(
    "migration: with data already sent",
    [pick(0), pick(1)],
    steps(group(TCP, "tcp", "o.migrate"), client("c", 5000), send("c", "early"), close("s0"), accept("s1", "a"), {
      do: "recv",
      socket: "a",
      length: 5,
    }),
  ),
  played(
    "migration: a client that has closed",
    [pick(0), pick(1)],
    steps(group(TCP, "tcp", "o.migrate"), client("c", 5000), close("c"), close("s0"), accept("s1", "a"), {
      do: "recv",
      socket: "a",
    }),
  ),
  played(
    "migration: 6",
    [pick(0), pick(1)],
    steps(group(TCP6, "tcp", "o.migrate"), client("c", 5000, TCP6), close("s0"), accept("s1", "a")),
  ),
  played(
    "migration: a group of one has nowhere to go",
    [pick(0)],
    steps(member("s0", TCP, "tcp"), put("s0", "o.group", 0), use("s0", "o.migrate"), client("c", 5000), close("s0"), {
      do: "poll",
      socket: "c",
      for: ["hup"],
    }),
  ),
  // A program that only selects is not asked: the connection is reset.
  played(
    "migration: without a program for it",
    [pick(0), pick(1)],
    steps(group(TCP, "tcp"), client("c", 5000), close("s0"), accept("s1", "a"), {
      do: "poll",
      socket: "c",
      for: ["hup"],
    }),
  ),
];

// ---- generated

function generated(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed);
  const some = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const one = (): Rule =>
    some<Rule>([pick(0), pick(1), pick(2), pick(2), DROP, strictly(pick(6)), bySourcePort(3), bySourcePort(2)]);
  const rules = Array.from({ length: 5 }, one);
  if (random(2) === 0) {
    const senders = [5001, 5002, 5003].map((port) => sender(`c${port}`, port));
    const sends = Array.from({ length: 6 }, (_, i) => sendto(`c${5001 + random(3)}`, UDP, `message ${i}`));
    return played(`generated, seed ${seed}`, rules, steps(group(UDP, "udp"), ...senders, sends, ALL, ALL, ALL));
  }
  const clients = Array.from({ length: 5 }, (_, i) => client(`c${i}`, 5000 + i));
  return played(
    `generated, seed ${seed}`,
    rules,
    steps(group(TCP, "tcp"), ...clients, acceptAll, acceptAll, acceptAll),
  );
}

const GENERATED = Array.from({ length: 122 }, (_, seed) => generated(seed));

export const SK_REUSEPORT: readonly Scenario[] = scenariosOf("sk_reuseport", [
  ...DATAGRAMS,
  ...CONNECTIONS,
  ...PROGRAMS,
  ...MAPS,
  ...MIGRATION,
  ...GENERATED,
]);
