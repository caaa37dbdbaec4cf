/**
 * connect, sendmsg, recvmsg, getpeername, getsockname: programs that look at a socket address and may change or refuse it.
 * All play `programs/sock-addr.ts`, whose programs do what the rule at their index says and tell what they saw.
 */
import type { Attachment, CgroupPath, MapValue, Preset, Scenario, Step } from "./script.ts";
import {
  accept,
  bind,
  connect,
  createRandom,
  events,
  ip4,
  isSix,
  listener,
  open,
  peername,
  preset,
  receiver,
  recv,
  recvfrom,
  scenariosOf,
  send,
  sendto,
  sockname,
  steps,
} from "./vocabulary.ts";

/** Index of each program's rule. */
// prettier-ignore
const RULE = {
  to4: 0, to6: 1, send4: 2, send6: 3, recv4: 4, recv6: 5, peer4: 6, peer6: 7, self4: 8, self6: 9,
  to4b: 16, to4c: 17, send4b: 18, to6b: 19,
} as const;
type ProgramName = keyof typeof RULE;

const IP = 1;
const PORT = 2;
const BOTH = IP | PORT;

interface Rule {
  readonly deny?: 1;
  readonly rewrite?: number;
  readonly ip4?: number;
  readonly ip6High?: bigint;
  readonly ip6Low?: bigint;
  readonly port?: number;
  readonly onlyPort?: number;
  readonly retval?: number;
  readonly quiet?: 1;
}

const FD00 = 0xfd00_0000_0000_0000n;
const to = (ip: string, port: number): Rule => ({ rewrite: BOTH, ip4: ip4(ip), port });
const to6 = (high: bigint, low: bigint, port: number): Rule => ({ rewrite: BOTH, ip6High: high, ip6Low: low, port });

const rule = (program: ProgramName, { ...value }: Rule): Preset =>
  preset("o.rules", RULE[program], value as unknown as MapValue);
const at = (program: ProgramName, cgroup: CgroupPath = "/"): Attachment => ({ program: `o.${program}`, cgroup });

type Rules = Partial<Record<ProgramName, Rule>>;

/** Programs with their rules, all attached to the scenario's own cgroup; the events are told at the end. */
function played(name: string, rules: Rules, parts: readonly Step[]): Omit<Scenario, "hook"> {
  const programs = Object.keys(rules) as ProgramName[];
  return {
    name,
    objects: { o: "sock-addr" },
    attach: programs.map((program) => at(program)),
    presets: programs.map((program) => rule(program, rules[program] ?? {})),
    steps: steps(parts, events("o.calls")),
  };
}

// ---- connect, TCP

/** A client connects; each server sees whether somebody came. */
function connecting(name: string, rules: Rules, target: string, ...servers: readonly string[]): Omit<Scenario, "hook"> {
  const six = isSix(target);
  return played(
    `connect tcp: ${name}`,
    rules,
    steps(
      ...servers.map((address, i) => listener(`server${i}`, address)),
      open(six ? "tcp6" : "tcp4", "client"),
      connect("client", target),
      peername("client"),
      ...servers.map((_, i) => accept(`server${i}`, `accepted${i}`)),
    ),
  );
}

const WEB = "127.0.0.1:8080";
const SHOP = "10.0.0.2:9090";
const WEB6 = "[::1]:8080";
const SHOP6 = "[fd00::2]:9090";
const TO_SHOP = to("10.0.0.2", 9090);
const TO_SHOP6 = to6(FD00, 2n, 9090);
const EACCES = -13;
const ECONNREFUSED = -111;

const CONNECT = [
  connecting("allowed as it is", { to4: {} }, WEB, WEB),
  connecting("denied", { to4: { deny: 1 } }, WEB, WEB),
  connecting("denied with an error of its own", { to4: { deny: 1, retval: EACCES } }, WEB, WEB),
  connecting("denied with the error of a closed port", { to4: { deny: 1, retval: ECONNREFUSED } }, WEB, WEB),
  // A program that allows but has set an error refuses all the same.
  connecting("allowed, but an error is set", { to4: { retval: EACCES } }, WEB, WEB),
  // connect(2) returns what was set: a success, without a connection.
  connecting("an error that is none", { to4: { retval: 5 } }, WEB, WEB),
  // And here -5000, which libc does not take for an error.
  connecting("an error out of range", { to4: { retval: -5000 } }, WEB, WEB),
  connecting("another port", { to4: { rewrite: PORT, port: 9090 } }, WEB, WEB, "127.0.0.1:9090"),
  connecting("another address", { to4: { rewrite: IP, ip4: ip4("10.0.0.2") } }, WEB, WEB, "10.0.0.2:8080"),
  connecting("another address and port", { to4: TO_SHOP }, WEB, WEB, SHOP),
  connecting("a closed port", { to4: to("127.0.0.1", 9) }, WEB, WEB),
  connecting("a network without a route", { to4: to("192.0.2.1", 80) }, WEB, WEB),
  connecting("port zero", { to4: { rewrite: PORT, port: 0 } }, WEB, WEB),
  connecting("the any address is this host", { to4: to("0.0.0.0", 8080) }, "10.0.0.3:80", "127.0.0.1:8080"),
  connecting("a multicast address", { to4: to("224.0.0.1", 8080) }, WEB, WEB),
  connecting("broadcast", { to4: to("255.255.255.255", 8080) }, WEB, WEB),
  connecting("a rule for another port", { to4: { ...TO_SHOP, onlyPort: 81 } }, WEB, WEB, SHOP),
  connecting("a service that nobody could reach", { to4: { ...TO_SHOP, onlyPort: 80 } }, "198.51.100.1:80", SHOP),
  connecting("rewritten and denied", { to4: { ...TO_SHOP, deny: 1 } }, WEB, WEB, SHOP),
  connecting("the wrong family's program", { to6: { deny: 1 } }, WEB, WEB),
  connecting("getpeername hides the backend", { to4: TO_SHOP, peer4: to("127.0.0.1", 8080) }, WEB, SHOP),
  connecting("getpeername hides the port alone", { to4: TO_SHOP, peer4: { rewrite: PORT, port: 8080 } }, WEB, SHOP),
  connecting("getpeername shows an address of nobody", { peer4: to("203.0.113.9", 1) }, WEB, WEB),

  connecting("6 allowed as it is", { to6: {} }, WEB6, WEB6),
  connecting("6 denied", { to6: { deny: 1 } }, WEB6, WEB6),
  connecting("6 denied with an error of its own", { to6: { deny: 1, retval: EACCES } }, WEB6, WEB6),
  connecting("6 another port", { to6: { rewrite: PORT, port: 9090 } }, WEB6, WEB6, "[::1]:9090"),
  connecting("6 another address", { to6: { rewrite: IP, ip6High: FD00, ip6Low: 2n } }, WEB6, WEB6, "[fd00::2]:8080"),
  connecting("6 another address and port", { to6: TO_SHOP6 }, WEB6, WEB6, SHOP6),
  connecting("6 a closed port", { to6: to6(0n, 1n, 9) }, WEB6, WEB6),
  connecting("6 a network without a route", { to6: to6(0x2001_0db8n << 32n, 1n, 80) }, WEB6, WEB6),
  connecting("6 the any address is this host", { to6: to6(0n, 0n, 8080) }, "[fd00::3]:80", WEB6),
  connecting("6 the wrong family's program", { to4: { deny: 1 } }, WEB6, WEB6),
  connecting("6 getpeername hides the backend", { to6: TO_SHOP6, peer6: to6(0n, 1n, 8080) }, WEB6, SHOP6),
  // A v4-mapped target on an IPv6 socket: which family's program is asked?
  connecting("6 to a v4-mapped address", { to4: {}, to6: {} }, "[::ffff:127.0.0.1]:8080", WEB),
  connecting("6 to a v4-mapped address, 4 denies", { to4: { deny: 1 }, to6: {} }, "[::ffff:127.0.0.1]:8080", WEB),
  connecting("6 to a v4-mapped address, 6 denies", { to4: {}, to6: { deny: 1 } }, "[::ffff:127.0.0.1]:8080", WEB),
  connecting("6 rewritten to a v4-mapped address", { to4: {}, to6: to6(0n, 0xffff_7f00_0001n, 8080) }, WEB6, WEB),
];

const CALLS = [
  played(
    "connect tcp: the client's own address is seen by the server",
    { to4: TO_SHOP },
    steps(
      listener("server", SHOP),
      open("tcp4", "client"),
      bind("client", "10.0.0.3:5000"),
      connect("client", WEB),
      accept("server", "accepted"),
      sockname("client"),
      peername("client"),
      sockname("accepted"),
      peername("accepted"),
      send("client", "over"),
      recv("accepted", 4),
      send("accepted", "back"),
      recv("client", 4),
    ),
  ),
  played(
    "connect tcp: twice",
    { to4: {} },
    steps(listener("server", WEB), open("tcp4", "client"), connect("client", WEB), connect("client", WEB)),
  ),
  played(
    "connect tcp: again after a refusal",
    { to4: { onlyPort: 8080, deny: 1 } },
    steps(
      listener("server", WEB),
      listener("other", SHOP),
      open("tcp4", "client"),
      connect("client", WEB),
      connect("client", SHOP),
      accept("other", "accepted"),
    ),
  ),
  played(
    "connect tcp: again after a closed port",
    { to4: {} },
    steps(
      listener("server", WEB),
      open("tcp4", "client"),
      connect("client", "127.0.0.1:9"),
      connect("client", WEB),
      peername("client"),
    ),
  ),
  played(
    "connect tcp: not blocking",
    { to4: TO_SHOP },
    steps(
      listener("server", SHOP),
      { do: "socket", socket: "client", family: "inet", type: "stream", nonblock: true },
      connect("client", WEB),
      { do: "poll", socket: "client", for: ["out"] },
      { do: "getsockopt", socket: "client", level: "SOL_SOCKET", name: "SO_ERROR" },
      connect("client", WEB),
      accept("server", "accepted"),
    ),
  ),
  played(
    "connect tcp: of a family that is not the socket's",
    { to4: {}, to6: {} },
    steps(open("tcp4", "four"), connect("four", WEB6), open("tcp6", "six"), connect("six", WEB)),
  ),
  played(
    "connect tcp: unspec ends the connection",
    { to4: {} },
    steps(
      listener("server", WEB),
      open("tcp4", "client"),
      connect("client", WEB),
      connect("client", "unspec"),
      peername("client"),
    ),
  ),
  played("connect tcp: of a listener", { to4: {} }, steps(listener("server", WEB), connect("server", SHOP))),
  played(
    "connect udp: allowed as it is",
    { to4: {} },
    steps(
      receiver("server", WEB),
      open("udp4", "client"),
      connect("client", WEB),
      peername("client"),
      sockname("client"),
      send("client", "hello"),
      recvfrom("server"),
    ),
  ),
  played(
    "connect udp: rewritten",
    { to4: TO_SHOP },
    steps(
      receiver("web", WEB),
      receiver("shop", SHOP),
      open("udp4", "client"),
      connect("client", WEB),
      peername("client"),
      send("client", "hello"),
      recvfrom("web"),
      recvfrom("shop"),
    ),
  ),
  played(
    "connect udp: denied, then sent all the same",
    { to4: { deny: 1 } },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      connect("client", WEB),
      peername("client"),
      send("client", "hello"),
      sendto("client", WEB, "hello"),
      recvfrom("web"),
    ),
  ),
  played(
    "connect udp: an answer comes only from the peer that was written",
    { to4: TO_SHOP },
    steps(
      receiver("web", WEB),
      receiver("shop", SHOP),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      connect("client", WEB),
      sendto("web", "10.0.0.1:5000", "from web"),
      sendto("shop", "10.0.0.1:5000", "from shop"),
      recvfrom("client"),
      recvfrom("client"),
    ),
  ),
  played(
    "connect udp: unspec, then another peer",
    { to4: {} },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      connect("client", WEB),
      connect("client", "unspec"),
      peername("client"),
      connect("client", SHOP),
      peername("client"),
    ),
  ),
  played(
    "connect udp: again without unspec",
    { to4: { onlyPort: 8080, ...TO_SHOP } },
    steps(
      open("udp4", "client"),
      connect("client", WEB),
      peername("client"),
      connect("client", "10.0.0.1:53"),
      peername("client"),
    ),
  ),
  played(
    "connect udp: 6 rewritten",
    { to6: TO_SHOP6 },
    steps(
      receiver("shop", SHOP6),
      open("udp6", "client"),
      connect("client", WEB6),
      peername("client"),
      send("client", "x"),
      recvfrom("shop"),
    ),
  ),
  played(
    "connect udp: 6 to a v4-mapped address",
    { to4: {}, to6: {}, send4: {}, send6: {} },
    steps(
      receiver("web", WEB),
      open("udp6", "client"),
      connect("client", "[::ffff:127.0.0.1]:8080"),
      peername("client"),
      send("client", "x"),
      recvfrom("web"),
    ),
  ),
];

// ---- names of sockets

const NAMES = [
  played(
    "getsockname: as it is, without and with an address",
    { self4: {} },
    steps(open("tcp4", "s"), sockname("s"), bind("s", WEB), sockname("s")),
  ),
  played(
    "getsockname: rewritten",
    { self4: to("203.0.113.1", 99) },
    steps(open("tcp4", "s"), sockname("s"), bind("s", WEB), sockname("s")),
  ),
  played(
    "getsockname: 6 rewritten",
    { self6: to6(FD00, 9n, 99) },
    steps(open("udp6", "s"), bind("s", WEB6), sockname("s")),
  ),
  played(
    "getsockname: port zero",
    { self4: { rewrite: PORT, port: 0 } },
    steps(open("udp4", "s"), bind("s", WEB), sockname("s")),
  ),
  played("getpeername: of no connection", { peer4: to("203.0.113.1", 99) }, steps(open("tcp4", "s"), peername("s"))),
  played(
    "getpeername and getsockname: of both ends",
    { peer4: {}, self4: {} },
    steps(
      listener("server", WEB),
      open("tcp4", "client"),
      bind("client", "10.0.0.3:5000"),
      connect("client", WEB),
      accept("server", "accepted"),
      peername("client"),
      sockname("client"),
      peername("accepted"),
      sockname("accepted"),
      sockname("server"),
    ),
  ),
  // accept(2) asks the getpeername program for the address that it gives.
  played(
    "getpeername: asked by accept too",
    { peer4: to("203.0.113.1", 99) },
    steps(
      listener("server", WEB),
      open("tcp4", "client"),
      bind("client", "10.0.0.3:5000"),
      connect("client", WEB),
      accept("server", "accepted"),
      peername("accepted"),
    ),
  ),
  played(
    "getpeername: after the peer has closed",
    { peer4: to("203.0.113.1", 99) },
    steps(
      listener("server", WEB),
      open("tcp4", "client"),
      bind("client", "10.0.0.3:5000"),
      connect("client", WEB),
      accept("server", "accepted"),
      { do: "close", socket: "client" },
      recv("accepted"),
      peername("accepted"),
    ),
  ),
  played(
    "getpeername: of an IPv6 socket with an IPv4 peer",
    { peer4: to("203.0.113.1", 99), peer6: to6(FD00, 9n, 7) },
    steps(
      listener("server", "[::]:8080"),
      open("tcp4", "client"),
      bind("client", "10.0.0.3:5000"),
      connect("client", WEB),
      accept("server", "accepted"),
      peername("accepted"),
      peername("client"),
    ),
  ),
  played(
    "getpeername: of connected UDP",
    { peer4: to("203.0.113.1", 99) },
    steps(open("udp4", "s"), connect("s", WEB), peername("s"), connect("s", "unspec"), peername("s")),
  ),
];

// ---- datagrams

/** A socket without a peer sends to an address; receivers see what came, and from whom. */
function sending(name: string, rules: Rules, target: string, ...receivers: readonly string[]): Omit<Scenario, "hook"> {
  const six = isSix(target);
  return played(
    `sendmsg udp: ${name}`,
    rules,
    steps(
      ...receivers.map((address, i) => receiver(`receiver${i}`, address)),
      open(six ? "udp6" : "udp4", "client"),
      bind("client", six ? "[fd00::1]:5000" : "10.0.0.1:5000"),
      sendto("client", target, "hello"),
      ...receivers.map((_, i) => recvfrom(`receiver${i}`)),
    ),
  );
}

const SENDMSG = [
  sending("allowed as it is", { send4: {} }, WEB, WEB),
  sending("denied", { send4: { deny: 1 } }, WEB, WEB),
  sending("denied with an error of its own", { send4: { deny: 1, retval: EACCES } }, WEB, WEB),
  sending("allowed, but an error is set", { send4: { retval: EACCES } }, WEB, WEB),
  sending("another port", { send4: { rewrite: PORT, port: 9090 } }, WEB, WEB, "127.0.0.1:9090"),
  sending("another address", { send4: { rewrite: IP, ip4: ip4("10.0.0.2") } }, WEB, WEB, "10.0.0.2:8080"),
  sending("another address and port", { send4: TO_SHOP }, WEB, WEB, SHOP),
  sending("port zero is refused", { send4: { rewrite: PORT, port: 0 } }, WEB, WEB),
  sending("a network without a route", { send4: to("192.0.2.1", 53) }, WEB, WEB),
  sending("broadcast needs leave", { send4: to("255.255.255.255", 53) }, WEB, WEB),
  sending("nobody there", { send4: to("127.0.0.1", 9) }, WEB, WEB),
  sending("the connect program is not asked", { to4: { deny: 1 }, send4: {} }, WEB, WEB),
  sending("6 allowed as it is", { send6: {} }, WEB6, WEB6),
  sending("6 denied", { send6: { deny: 1 } }, WEB6, WEB6),
  sending("6 denied with an error of its own", { send6: { deny: 1, retval: EACCES } }, WEB6, WEB6),
  sending("6 another port", { send6: { rewrite: PORT, port: 9090 } }, WEB6, WEB6, "[::1]:9090"),
  sending("6 another address and port", { send6: TO_SHOP6 }, WEB6, WEB6, SHOP6),
  sending("6 port zero is refused", { send6: { rewrite: PORT, port: 0 } }, WEB6, WEB6),
  sending("6 rewritten to a v4-mapped address is refused", { send6: to6(0n, 0xffff_7f00_0001n, 8080) }, WEB6, WEB6),
  played(
    "sendmsg udp: 6 to a v4-mapped address",
    { send4: {}, send6: {} },
    steps(
      receiver("web", WEB),
      open("udp6", "client"),
      sendto("client", "[::ffff:127.0.0.1]:8080", "x"),
      recvfrom("web"),
    ),
  ),
  played(
    "sendmsg udp: a connected socket sends without asking",
    { send4: { deny: 1 } },
    steps(receiver("web", WEB), open("udp4", "client"), connect("client", WEB), send("client", "x"), recvfrom("web")),
  ),
  played(
    "sendmsg udp: a connected socket sends to another address",
    { send4: TO_SHOP },
    steps(
      receiver("web", WEB),
      receiver("shop", SHOP),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      connect("client", WEB),
      sendto("client", "10.0.0.3:53", "x"),
      recvfrom("web"),
      recvfrom("shop"),
      peername("client"),
    ),
  ),
  played(
    "sendmsg udp: the error of a port without a receiver comes to the connected",
    { to4: {}, send4: {} },
    steps(
      open("udp4", "client"),
      connect("client", "127.0.0.1:9"),
      send("client", "x"),
      send("client", "y"),
      send("client", "z"),
    ),
  ),
  played(
    "sendmsg udp: each message is asked for",
    { send4: {} },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "one"),
      sendto("client", WEB, "two"),
      sendto("client", WEB, ""),
      recvfrom("web"),
      recvfrom("web"),
      recvfrom("web"),
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg udp: the sender's address as it is",
    { recv4: {} },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "x"),
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg udp: the sender's address rewritten",
    { recv4: TO_SHOP },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "x"),
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg udp: the sender's port alone",
    { recv4: { rewrite: PORT, port: 0 } },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "x"),
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg udp: 6 rewritten",
    { recv6: TO_SHOP6 },
    steps(
      receiver("web", WEB6),
      open("udp6", "client"),
      bind("client", "[fd00::1]:5000"),
      sendto("client", WEB6, "x"),
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg udp: an IPv4 sender at an IPv6 socket",
    { recv4: TO_SHOP, recv6: TO_SHOP6 },
    steps(
      receiver("web", "[::]:8080"),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "x"),
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg udp: asked of a connected socket too",
    { recv4: TO_SHOP },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      connect("client", WEB),
      sendto("web", "10.0.0.1:5000", "x"),
      recvfrom("client"),
    ),
  ),
  played(
    "recvmsg udp: not asked when nothing is there",
    { recv4: TO_SHOP },
    steps(receiver("web", WEB), recvfrom("web")),
  ),
  played(
    "recvmsg udp: asked when data is only looked at",
    { recv4: TO_SHOP },
    steps(
      receiver("web", WEB),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "x"),
      { do: "recvfrom", socket: "web", flags: ["peek"] },
      recvfrom("web"),
    ),
  ),
  played(
    "recvmsg: TCP does not ask",
    { recv4: TO_SHOP },
    steps(
      listener("server", WEB),
      open("tcp4", "client"),
      connect("client", WEB),
      accept("server", "accepted"),
      send("client", "x"),
      recvfrom("accepted"),
    ),
  ),
  // A service address for datagrams: written on the way out, and written back on the way in.
  played(
    "sendmsg and recvmsg udp: a service",
    { send4: { ...TO_SHOP, onlyPort: 53 }, recv4: { ...to("198.51.100.1", 53), onlyPort: 9090 } },
    steps(
      receiver("shop", SHOP),
      open("udp4", "client"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", "198.51.100.1:53", "question"),
      recvfrom("shop"),
      sendto("shop", "10.0.0.1:5000", "answer"),
      recvfrom("client"),
    ),
  ),
];

// ---- several programs, several cgroups

/** Programs by where they are attached; the client is in `/a/b`, the servers in a cgroup without programs. */
function nested(
  name: string,
  attach: readonly Attachment[],
  rules: Rules,
  parts: readonly Step[],
): Omit<Scenario, "hook"> {
  return {
    name: `cgroups: ${name}`,
    objects: { o: "sock-addr" },
    tasks: { inner: { cgroup: "/a/b" }, outer: { cgroup: "/a" }, server: { cgroup: "/servers" } },
    attach,
    presets: (Object.keys(rules) as ProgramName[]).map((program) => rule(program, rules[program] ?? {})),
    steps: steps(parts, events("o.calls")),
  };
}

const servers = steps(
  listener("web", WEB, "server"),
  listener("shop", SHOP, "server"),
  listener("bank", "10.0.0.3:7070", "server"),
);
const go = (task: string): readonly Step[] =>
  steps(open("tcp4", "client", task), connect("client", WEB), peername("client"));
const multi = (program: ProgramName, cgroup: CgroupPath): Attachment => ({ ...at(program, cgroup), mode: "multi" });
const override = (program: ProgramName, cgroup: CgroupPath): Attachment => ({
  ...at(program, cgroup),
  mode: "override",
});
const exclusive = (program: ProgramName, cgroup: CgroupPath): Attachment => ({
  ...at(program, cgroup),
  mode: "exclusive",
});
const TO_BANK = to("10.0.0.3", 7070);

const CGROUPS = [
  nested(
    "the child's program runs before the parent's",
    [at("to4", "/a"), at("to4b", "/a/b")],
    {},
    steps(servers, go("inner")),
  ),
  nested("three levels", [at("to4", "/"), at("to4b", "/a"), at("to4c", "/a/b")], {}, steps(servers, go("inner"))),
  nested(
    "a task of the parent is not asked for by the child's",
    [at("to4", "/a"), at("to4b", "/a/b")],
    {},
    steps(servers, go("outer")),
  ),
  nested("a task elsewhere is not asked for", [at("to4", "/a")], { to4: { deny: 1 } }, steps(servers, go("main"))),
  nested(
    "one cgroup: in the order of attaching",
    [at("to4b", "/a"), at("to4", "/a"), at("to4c", "/a")],
    {},
    steps(servers, go("inner")),
  ),
  nested("the parent denies", [at("to4", "/a"), at("to4b", "/a/b")], { to4: { deny: 1 } }, steps(servers, go("inner"))),
  // All programs run, whatever the first said, and see its verdict as the return value.
  nested(
    "the child denies, the parent is asked all the same",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: { deny: 1 } },
    steps(servers, go("inner")),
  ),
  nested(
    "the parent sees the error that the child set",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: { retval: EACCES } },
    steps(servers, go("inner")),
  ),
  nested(
    "the last error counts",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: { retval: EACCES }, to4: { retval: ECONNREFUSED } },
    steps(servers, go("inner")),
  ),
  nested(
    "denied after an error was set",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: { retval: EACCES }, to4: { deny: 1 } },
    steps(servers, go("inner")),
  ),
  nested(
    "an error set after a denial",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: { deny: 1 }, to4: { retval: EACCES } },
    steps(servers, go("inner")),
  ),
  nested(
    "what one wrote, the next reads",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: TO_SHOP, to4: { ...TO_BANK, onlyPort: 9090 } },
    steps(servers, go("inner")),
  ),
  nested(
    "the parent writes last",
    [at("to4", "/a"), at("to4b", "/a/b")],
    { to4b: TO_SHOP, to4: TO_BANK },
    steps(servers, go("inner")),
  ),
  nested(
    "a chain of three writes",
    [at("to4", "/a"), at("to4b", "/a"), at("to4c", "/a")],
    { to4: TO_SHOP, to4b: { ...TO_BANK, onlyPort: 9090 }, to4c: { ...to("127.0.0.1", 9), onlyPort: 7070 } },
    steps(servers, go("inner")),
  ),
  nested(
    "datagrams too: child, then parent",
    [at("send4", "/a"), at("send4b", "/a/b")],
    { send4b: TO_SHOP },
    steps(
      receiver("shop", SHOP, "server"),
      open("udp4", "client", "inner"),
      bind("client", "10.0.0.1:5000"),
      sendto("client", WEB, "x"),
      recvfrom("shop"),
    ),
  ),
  nested(
    "the socket stays with the cgroup it was made in",
    [at("to4", "/a")],
    { to4: { deny: 1 } },
    steps(
      servers,
      open("tcp4", "client", "outer"),
      { do: "move", task: "outer", cgroup: "/servers" },
      { do: "connect", task: "outer", socket: "client", address: WEB },
      open("tcp4", "second", "outer"),
      { do: "connect", task: "outer", socket: "second", address: WEB },
    ),
  ),
  nested(
    "a task of another cgroup uses the socket",
    [at("to4", "/a")],
    { to4: TO_SHOP },
    steps(
      servers,
      open("tcp4", "client", "outer"),
      { do: "connect", task: "main", socket: "client", address: WEB },
      peername("client"),
    ),
  ),
  nested(
    "attached between two calls",
    [],
    { to4: { deny: 1 } },
    steps(
      servers,
      go("inner"),
      { do: "close", socket: "client" },
      { do: "attach", attachment: at("to4", "/a") },
      go("inner"),
    ),
  ),
  nested(
    "detached between two calls",
    [at("to4", "/a")],
    { to4: { deny: 1 } },
    steps(servers, go("inner"), { do: "close", socket: "client" }, { do: "detach", id: "o.to4" }, go("inner")),
  ),
  nested(
    "replaced between two calls",
    [at("to4", "/a")],
    { to4: { deny: 1 } },
    steps(
      servers,
      go("inner"),
      { do: "close", socket: "client" },
      { do: "replace", id: "o.to4", program: "o.to4b" },
      go("inner"),
    ),
  ),
  nested(
    "a replaced program keeps its place",
    [at("to4", "/a"), at("to4b", "/a")],
    {},
    steps(servers, { do: "replace", id: "o.to4", program: "o.to4c" }, go("inner")),
  ),
  nested(
    "the rule is changed between two calls",
    [at("to4", "/a")],
    { to4: { deny: 1 } },
    steps(
      servers,
      go("inner"),
      { do: "close", socket: "client" },
      { do: "set", map: "o.rules", key: 0, value: { rewrite: BOTH, ip4: ip4("10.0.0.2"), port: 9090 } },
      go("inner"),
    ),
  ),
  nested(
    "one program twice by links",
    [at("to4", "/a"), { ...at("to4", "/a"), id: "again" }],
    {},
    steps(servers, go("inner")),
  ),
  nested("multi: several in one cgroup", [multi("to4", "/a"), multi("to4b", "/a")], {}, steps(servers, go("inner"))),
  nested(
    "multi: the same program twice is refused",
    [multi("to4", "/a")],
    {},
    steps({ do: "attach", attachment: { ...multi("to4", "/a"), id: "again" } }, servers, go("inner")),
  ),
  nested("multi: child and parent", [multi("to4", "/a"), multi("to4b", "/a/b")], {}, steps(servers, go("inner"))),
  nested(
    "multi: replaced in place",
    [multi("to4", "/a"), multi("to4b", "/a")],
    {},
    steps(servers, { do: "replace", id: "o.to4", program: "o.to4c" }, go("inner")),
  ),
  nested(
    "exclusive: a second one takes the place of the first",
    [exclusive("to4", "/a")],
    {},
    steps(servers, { do: "attach", attachment: exclusive("to4b", "/a") }, go("inner")),
  ),
  nested(
    "exclusive: nothing below",
    [exclusive("to4", "/a")],
    {},
    steps(
      { do: "attach", attachment: exclusive("to4b", "/a/b") },
      { do: "attach", attachment: multi("to4b", "/a/b") },
      { do: "attach", attachment: at("to4b", "/a/b") },
      servers,
      go("inner"),
    ),
  ),
  nested("exclusive: covers what is below", [exclusive("to4", "/a")], { to4: TO_SHOP }, steps(servers, go("inner"))),
  nested(
    "override: the child's takes the parent's place",
    [override("to4", "/a"), override("to4b", "/a/b")],
    {},
    steps(servers, go("inner")),
  ),
  nested(
    "override: the parent's comes back",
    [override("to4", "/a"), override("to4b", "/a/b")],
    {},
    steps(servers, { do: "detach", id: "o.to4b" }, go("inner")),
  ),
  nested("override: a link below", [override("to4", "/a"), at("to4b", "/a/b")], {}, steps(servers, go("inner"))),
  nested(
    "override: flags may not change while attached",
    [override("to4", "/a")],
    {},
    steps(
      { do: "attach", attachment: multi("to4b", "/a") },
      { do: "attach", attachment: exclusive("to4b", "/a") },
      { do: "attach", attachment: at("to4b", "/a") },
      servers,
      go("inner"),
    ),
  ),
  nested(
    "links and multi together",
    [at("to4", "/a"), multi("to4b", "/a"), at("to4c", "/a")],
    {},
    steps(servers, go("inner")),
  ),
];

// ---- generated

/** Chains of programs in a hierarchy with random rules: a few addresses, so that rules meet. */
function generated(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const targets = [
    ["127.0.0.1", 8080],
    ["10.0.0.2", 9090],
    ["10.0.0.3", 7070],
    ["127.0.0.1", 9],
  ] as const;
  const one = (): Rule => {
    const [ip, port] = pick(targets);
    return {
      rewrite: random(4),
      ip4: ip4(ip),
      port,
      onlyPort: pick([0, 0, 8080, 9090]),
      ...(random(6) === 0 ? { deny: 1 as const } : {}),
      ...(random(6) === 0 ? { retval: pick([EACCES, ECONNREFUSED]) } : {}),
    };
  };
  const programs = ["to4", "to4b", "to4c"] as const;
  const attach = programs.map((program) => at(program, pick(["/", "/a", "/a/b"])));
  const client = (i: number): readonly Step[] => [
    open("tcp4", `client${i}`, pick(["main", "outer", "inner"])),
    connect(`client${i}`, pick(targets.map(([ip, port]) => `${ip}:${port}`))),
    peername(`client${i}`),
  ];
  return nested(
    `generated, seed ${seed}`,
    attach,
    { to4: one(), to4b: one(), to4c: one() },
    steps(servers, client(0), client(1), client(2)),
  );
}

/** Datagrams and names of sockets with random rules at every hook of a family. */
function generatedNames(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed + 1000);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const six = random(2) === 0;
  const targets = six ? [WEB6, SHOP6, "[fd00::1]:53"] : [WEB, SHOP, "10.0.0.1:53"];
  const one = (refusing: boolean): Rule => ({
    ...pick(
      six ? [TO_SHOP6, to6(0n, 1n, 8080), to6(FD00, 9n, 7)] : [TO_SHOP, to("127.0.0.1", 8080), to("203.0.113.9", 7)],
    ),
    rewrite: random(4),
    onlyPort: pick([0, 0, 8080, 9090, 5000]),
    ...(refusing && random(6) === 0 ? { deny: 1 as const } : {}),
    ...(refusing && random(6) === 0 ? { retval: pick([EACCES, ECONNREFUSED]) } : {}),
  });
  const family = six
    ? (["to6", "send6", "recv6", "peer6", "self6"] as const)
    : (["to4", "send4", "recv4", "peer4", "self4"] as const);
  const rules = Object.fromEntries(family.map((program, i) => [program, one(i < 2)])) as Rules;
  const call = (): readonly Step[] => {
    const target = pick(targets);
    return pick([
      steps(sendto("client", target, "hello"), recvfrom("web"), recvfrom("shop")),
      steps(connect("client", target), peername("client"), send("client", "hi"), recvfrom("web"), recvfrom("shop")),
      steps(peername("client"), sockname("web"), sockname("client")),
      steps(sendto("web", six ? "[fd00::1]:5000" : "10.0.0.1:5000", "back"), recvfrom("client")),
    ]);
  };
  return played(
    `generated names, seed ${seed}`,
    rules,
    steps(
      receiver("web", targets[0] ?? ""),
      receiver("shop", targets[1] ?? ""),
      open(six ? "udp6" : "udp4", "client"),
      bind("client", six ? "[fd00::1]:5000" : "10.0.0.1:5000"),
      call(),
      call(),
      call(),
    ),
  );
}

const GENERATED = [
  ...Array.from({ length: 24 }, (_, seed) => generated(seed)),
  ...Array.from({ length: 50 }, (_, seed) => generatedNames(seed)),
];

/** All but bind: see cgroup-sock.ts for that. */
export const SOCK_ADDR: readonly Scenario[] = scenariosOf("sock_addr", [
  ...CONNECT,
  ...CALLS,
  ...NAMES,
  ...SENDMSG,
  ...CGROUPS,
  ...GENERATED,
]);
