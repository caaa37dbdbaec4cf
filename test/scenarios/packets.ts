/**
 * Packets on their way between two pods through the node's own namespace: tcx, XDP, cgroup_skb, and sk_lookup where they
 * arrive. All play `programs/packets.ts`.
 *
 *   client  eth0 10.1.0.2 ─── 10.1.0.1 va  node  vb 10.2.0.1 ─── 10.2.0.2 eth0  server
 *
 * In each namespace `lo` is interface 1; the node's `va` and `vb` are 2 and 3, the pods' eth0 are 2.
 */
import type { Attachment, MapValue, Preset, Scenario, Step, Topology } from "./script.ts";
import {
  accept,
  bind,
  close,
  connect,
  events,
  listener,
  open,
  preset,
  put,
  receiver,
  recv,
  recvfrom,
  scenariosOf,
  send,
  sendto,
  setopt,
  steps,
} from "./vocabulary.ts";

/** Index of each program's rule. */
// prettier-ignore
const RULE = { in1: 0, in2: 1, out1: 2, out2: 3, toSocket: 4, fromSocket: 5, toSocket2: 6, fromSocket2: 7, driver: 8, choose: 10 } as const;
type ProgramName = keyof typeof RULE;

const ACTION = { redirect: 1, peer: 2, neighbour: 4, clone: 8, mark: 16, assign: 64 } as const;

interface Rule {
  readonly verdict?: number;
  readonly actions?: number;
  readonly ifindex?: number;
  readonly flags?: number;
  readonly mark?: number;
  readonly onlyPort?: number;
}

const TCX = { next: -1, pass: 0, drop: 2 };
const XDP = { aborted: 0, drop: 1, pass: 2, tx: 3 };
const SK = { drop: 0, pass: 1 };
const VA = 2;
const VB = 3;

const PODS: Topology = {
  netns: [
    { name: "node", forwards: true },
    { name: "client", routes: [{ to: "default", via: "10.1.0.1" }] },
    { name: "server", routes: [{ to: "default", via: "10.2.0.1" }] },
  ],
  veth: [
    {
      ends: [
        { netns: "node", device: "va", addresses: ["10.1.0.1/24"], mac: "02:00:00:00:00:01" },
        { netns: "client", device: "eth0", addresses: ["10.1.0.2/24"], mac: "02:00:00:00:00:02" },
      ],
    },
    {
      ends: [
        { netns: "node", device: "vb", addresses: ["10.2.0.1/24"], mac: "02:00:00:00:00:03" },
        { netns: "server", device: "eth0", addresses: ["10.2.0.2/24"], mac: "02:00:00:00:00:04" },
      ],
    },
  ],
};

const tcx = (program: "in1" | "in2" | "out1" | "out2", device: "va" | "vb"): Attachment => ({
  program: `o.${program}`,
  netns: "node",
  device,
});
const xdp = (program: "driver" | "otherEnd", netns: string, device: string): Attachment => ({
  program: `o.${program}`,
  netns,
  device,
});
const cgroup = (program: ProgramName, path: "/" | "/client" | "/server"): Attachment => ({
  program: `o.${program}`,
  cgroup: path,
});
const lookup: Attachment = { program: "o.choose", netns: "server" };

type Rules = Partial<Record<ProgramName, Rule>>;
const rulesOf = (rules: Rules): readonly Preset[] =>
  (Object.keys(rules) as ProgramName[]).map((name) => preset("o.rules", RULE[name], { ...rules[name] } as MapValue));

/** What `programs/frames.ts` does: at va (`driver`), at the server's eth0 (`otherEnd`), and in entries of maps. */
interface Shape {
  readonly verdict?: number;
  readonly head?: number;
  readonly tail?: number;
  readonly meta?: number;
  readonly via?: number;
  readonly index?: number;
  readonly flags?: number;
  readonly station?: number;
}
// prettier-ignore
const SHAPED = { driver: 0, otherEnd: 1, leaving: 2, moved: 3 } as const;
type Shapes = Partial<Record<keyof typeof SHAPED, Shape>>;

/** As `played`, with `programs/frames.ts`. */
const framed = (
  name: string,
  shapes: Shapes,
  attach: readonly Attachment[],
  entries: readonly Preset[] = [],
): Omit<Scenario, "hook"> => ({
  ...played(name, {}, attach, dialogue),
  objects: { o: "frames" },
  presets: [
    ...(Object.keys(shapes) as (keyof Shapes)[]).map((program) =>
      preset("o.rules", SHAPED[program], { verdict: XDP.pass, ...shapes[program] }),
    ),
    ...entries,
  ],
});

function played(
  name: string,
  rules: Rules,
  attach: readonly Attachment[],
  parts: readonly Step[],
): Omit<Scenario, "hook"> {
  return {
    name: `packets: ${name}`,
    topology: PODS,
    objects: { o: "packets" },
    tasks: {
      client: { netns: "client", cgroup: "/client" },
      server: { netns: "server", cgroup: "/server" },
    },
    attach,
    presets: rulesOf(rules),
    steps: steps(parts, events("o.seen")),
  };
}

const WEB = "10.2.0.2:8080";
const DNS = "10.2.0.2:5353";
const OTHER = "10.2.0.2:9090";

/** A question and its answer over UDP; each end tells what came. */
const dialogue = steps(
  receiver("server", DNS, "server"),
  open("udp4", "client", "client"),
  bind("client", "10.1.0.2:5000"),
  sendto("client", DNS, "question"),
  recvfrom("server"),
  sendto("server", "10.1.0.2:5000", "answer"),
  recvfrom("client"),
);
/** A TCP connection with data both ways. */
const connection = steps(
  listener("listener", WEB, "server"),
  open("tcp4", "client", "client"),
  bind("client", "10.1.0.2:5000"),
  connect("client", WEB),
  accept("listener", "server"),
  send("client", "hello"),
  recv("server", 5),
  send("server", "world"),
  recv("client", 5),
);
const refused = steps(listener("listener", WEB, "server"), open("tcp4", "client", "client"), connect("client", WEB));

const TCX_SCENARIOS = [
  played("routed between two pods", {}, [], steps(dialogue, connection)),
  played("seen coming in and going out", {}, [tcx("in1", "va"), tcx("out1", "vb")], dialogue),
  played("a connection as the node sees it", {}, [tcx("in1", "va"), tcx("in2", "vb")], steps(dialogue, connection)),
  played("dropped at the ingress", { in1: { verdict: TCX.drop } }, [tcx("in1", "va"), tcx("out1", "vb")], dialogue),
  played("dropped at the egress", { out1: { verdict: TCX.drop } }, [tcx("in1", "va"), tcx("out1", "vb")], dialogue),
  played(
    "a port is dropped",
    { in1: { verdict: TCX.drop, onlyPort: 8080 } },
    [tcx("in1", "va")],
    steps(dialogue, refused),
  ),
  played("the next program is asked", { in1: { verdict: TCX.next } }, [tcx("in1", "va"), tcx("in2", "va")], dialogue),
  played("a program that decides ends the chain", {}, [tcx("in1", "va"), tcx("in2", "va")], dialogue),
  played(
    "a code that is none ends the chain and passes",
    { in1: { verdict: 5 }, in2: { verdict: TCX.drop } },
    [tcx("in1", "va"), tcx("in2", "va")],
    dialogue,
  ),
  played(
    "a mark is seen by the next program and at the egress",
    { in1: { verdict: TCX.next, actions: ACTION.mark, mark: 7 } },
    [tcx("in1", "va"), tcx("in2", "va"), tcx("out1", "vb")],
    dialogue,
  ),
  played(
    "in the order of attaching",
    { in1: { verdict: TCX.next }, in2: { verdict: TCX.next } },
    [tcx("in2", "va"), tcx("in1", "va")],
    dialogue,
  ),
  played(
    "redirected out of the wrong device: the address is not the pod's",
    { in1: { actions: ACTION.redirect, ifindex: VB } },
    [tcx("in1", "va"), tcx("out1", "vb")],
    dialogue,
  ),
  played(
    "redirected to a neighbour",
    { in1: { actions: ACTION.neighbour, ifindex: VB }, in2: { actions: ACTION.neighbour, ifindex: VA } },
    [tcx("in1", "va"), tcx("in2", "vb"), tcx("out1", "vb")],
    steps(dialogue, connection),
  ),
  played(
    "redirected into the other pod",
    { in1: { actions: ACTION.peer, ifindex: VB }, in2: { actions: ACTION.peer, ifindex: VA } },
    [tcx("in1", "va"), tcx("in2", "vb"), tcx("out1", "vb")],
    steps(dialogue, connection),
  ),
  played(
    "redirected to a device that there is not",
    { in1: { actions: ACTION.redirect, ifindex: 99 } },
    [tcx("in1", "va")],
    dialogue,
  ),
  played(
    "a clone goes into another device",
    { in1: { actions: ACTION.clone, ifindex: VB, flags: 1 }, in2: { verdict: TCX.drop } },
    [tcx("in1", "va"), tcx("in2", "vb")],
    dialogue,
  ),
  played(
    "detached",
    { in1: { verdict: TCX.drop } },
    [tcx("in1", "va")],
    steps({ do: "detach", id: "o.in1" }, dialogue),
  ),
  played(
    "replaced",
    { in1: { verdict: TCX.drop } },
    [tcx("in1", "va")],
    steps({ do: "replace", id: "o.in1", program: "o.in2" }, dialogue),
  ),
  played(
    "the same program twice",
    {},
    [tcx("in1", "va")],
    steps({ do: "attach", attachment: { ...tcx("in1", "va"), id: "again" } }, dialogue),
  ),
];

/** At the server's own device. */
const AT_POD: Attachment = { program: "o.in1", netns: "server", device: "eth0" };
const assigned = (index: number, onlyPort: number): Rules => ({
  in1: { actions: ACTION.assign, ifindex: index, onlyPort },
});
const ASSIGN_SCENARIOS = [
  played(
    "assigned: a datagram for another port's socket",
    assigned(0, 9090),
    [AT_POD],
    steps(
      receiver("server", DNS, "server"),
      put("server", "o.sockets", 0),
      open("udp4", "client", "client"),
      bind("client", "10.1.0.2:5000"),
      sendto("client", OTHER, "hello"),
      recvfrom("server"),
    ),
  ),
  played(
    // The acknowledgement is given to the listener too, and not to the connection: it is reset.
    "assigned: a listener gets all of a connection's packets",
    assigned(0, 9090),
    [AT_POD],
    steps(
      listener("listener", WEB, "server"),
      put("listener", "o.sockets", 0),
      open("tcp4", "client", "client"),
      bind("client", "10.1.0.2:5000"),
      connect("client", OTHER),
      accept("listener", "server"),
    ),
  ),
];

const XDP_SCENARIOS = [
  played("xdp: passed", { driver: { verdict: XDP.pass } }, [xdp("driver", "node", "va")], dialogue),
  played("xdp: dropped", { driver: { verdict: XDP.drop } }, [xdp("driver", "node", "va"), tcx("in1", "va")], dialogue),
  played(
    "xdp: aborted",
    { driver: { verdict: XDP.aborted } },
    [xdp("driver", "node", "va"), tcx("in1", "va")],
    dialogue,
  ),
  played(
    "xdp: a port is dropped",
    { driver: { verdict: XDP.drop, onlyPort: 5353 } },
    [xdp("driver", "node", "va")],
    steps(dialogue, connection),
  ),
  played(
    "xdp: sent back",
    { driver: { verdict: XDP.tx } },
    [xdp("driver", "node", "va"), xdp("otherEnd", "client", "eth0")],
    dialogue,
  ),
  played(
    "xdp: a second program",
    {},
    [xdp("driver", "node", "va")],
    steps({ do: "attach", attachment: xdp("otherEnd", "node", "va") }),
  ),
];

const AT_VA = xdp("driver", "node", "va");
const AT_SERVER = xdp("otherEnd", "server", "eth0");
const watched = (program: "into" | "outOf" | "wrap", device: "va" | "vb"): Attachment => ({
  program: `o.${program}`,
  netns: "node",
  device,
});
const INTO_VA = watched("into", "va");

const FRAME_SCENARIOS = [
  framed("xdp: bytes in front", { driver: { head: -14 } }, [AT_VA, INTO_VA]),
  framed("xdp: bytes in front are taken away", { otherEnd: { head: 14 } }, [AT_SERVER, watched("wrap", "vb")]),
  framed("xdp: more than there is in front", { driver: { head: -4096 } }, [AT_VA, INTO_VA]),
  framed("xdp: a longer frame", { driver: { tail: 10 } }, [AT_VA, INTO_VA, watched("outOf", "vb")]),
  framed("xdp: a shorter frame", { driver: { tail: -3 } }, [AT_VA, INTO_VA, watched("outOf", "vb")]),
  framed("xdp: nothing left", { driver: { tail: -4096 } }, [AT_VA, INTO_VA]),
  framed("xdp: metadata", { driver: { meta: 7 } }, [AT_VA, INTO_VA, watched("outOf", "vb")]),
  framed("xdp: metadata, and bytes in front", { driver: { meta: 7, head: -14 } }, [AT_VA, INTO_VA]),
];

const VIA = { redirect: 1, devmap: 2, hash: 3, cpumap: 4 };
/** The frame is for the server's eth0 then. */
const past = (via: number, index: number, more: Shape = {}): Shape => ({ via, index, station: 4, ...more });
const device = (map: "devices" | "numbered", key: number, program?: Preset["program"]): Preset => ({
  ...preset(`o.${map}`, key, { ifindex: VB }),
  ...(program === undefined ? {} : { program }),
});
const cpu = (program?: Preset["program"]): Preset => ({
  ...preset("o.cpus", 0, { length: 64 }),
  ...(program === undefined ? {} : { program }),
});
const BOTH = [AT_VA, AT_SERVER];
const ON_CPU = [AT_VA, INTO_VA];
const toDevice = past(VIA.devmap, 1);
const toCpu: Shape = { via: VIA.cpumap, index: 0 };

const REDIRECT_SCENARIOS = [
  framed("xdp: redirected", { driver: past(VIA.redirect, VB), otherEnd: {} }, [...BOTH, watched("outOf", "vb")]),
  framed("xdp: redirected, no XDP at the other end", { driver: past(VIA.redirect, VB) }, [AT_VA]),
  framed("xdp: redirected to a device that there is not", { driver: past(VIA.redirect, 99) }, BOTH),
  framed("xdp: redirected with flags", { driver: past(VIA.redirect, VB, { flags: 1 }) }, BOTH),
  framed("xdp: devmap", { driver: toDevice }, BOTH, [device("devices", 1)]),
  framed("xdp: devmap, nothing there", { driver: toDevice }, BOTH),
  framed("xdp: devmap_hash", { driver: past(VIA.hash, 777) }, BOTH, [device("numbered", 777)]),
  framed("xdp: devmap, its program passes", { driver: past(VIA.devmap, 1, { meta: 7 }), leaving: {} }, BOTH, [
    device("devices", 1, "o.leaving"),
  ]),
  framed("xdp: devmap, its program drops", { driver: toDevice, leaving: { verdict: XDP.drop } }, BOTH, [
    device("devices", 1, "o.leaving"),
  ]),
  framed("xdp: devmap, its program would send back", { driver: toDevice, leaving: { verdict: XDP.tx } }, BOTH, [
    device("devices", 1, "o.leaving"),
  ]),
  framed("xdp: devmap_hash, its program passes", { driver: past(VIA.hash, 777), leaving: {} }, BOTH, [
    device("numbered", 777, "o.leaving"),
  ]),
  framed("xdp: cpumap", { driver: { ...toCpu, meta: 7 } }, ON_CPU, [cpu()]),
  framed("xdp: cpumap, nothing there", { driver: toCpu }, ON_CPU),
  framed("xdp: cpumap, its program passes", { driver: { ...toCpu, meta: 7 }, moved: {} }, ON_CPU, [cpu("o.moved")]),
  framed("xdp: cpumap, its program drops", { driver: toCpu, moved: { verdict: XDP.drop } }, ON_CPU, [cpu("o.moved")]),
  framed("xdp: cpumap, its program would send back", { driver: toCpu, moved: { verdict: XDP.tx } }, ON_CPU, [
    cpu("o.moved"),
  ]),
];

const CGROUP_SCENARIOS = [
  played(
    "cgroup: seen by both",
    { fromSocket: { verdict: 1 }, toSocket: { verdict: 1 } },
    [cgroup("fromSocket", "/client"), cgroup("toSocket", "/server")],
    dialogue,
  ),
  played("cgroup: nothing goes out", { fromSocket: { verdict: 0 } }, [cgroup("fromSocket", "/client")], dialogue),
  played("cgroup: nothing comes in", { toSocket: { verdict: 0 } }, [cgroup("toSocket", "/server")], dialogue),
  played("cgroup: congested, and passed", { fromSocket: { verdict: 3 } }, [cgroup("fromSocket", "/client")], dialogue),
  played(
    "cgroup: a SYN does not go out",
    { fromSocket: { verdict: 0, onlyPort: 8080 } },
    [cgroup("fromSocket", "/client")],
    refused,
  ),
  played(
    "cgroup: a SYN does not come in",
    { toSocket: { verdict: 0, onlyPort: 8080 } },
    [cgroup("toSocket", "/server")],
    refused,
  ),
  played(
    "cgroup: parent and child are both asked",
    { fromSocket: { verdict: 1 }, fromSocket2: { verdict: 0 } },
    [cgroup("fromSocket", "/client"), cgroup("fromSocket2", "/")],
    dialogue,
  ),
  played(
    "cgroup: a connection",
    { fromSocket: { verdict: 1 }, toSocket: { verdict: 1 } },
    [cgroup("fromSocket", "/client"), cgroup("toSocket", "/client")],
    connection,
  ),
];

const chosen = (index: number, onlyPort: number): Rule => ({ actions: ACTION.assign, ifindex: index, onlyPort });
const LOOKUP_SCENARIOS = [
  played(
    "lookup: another port's listener takes it",
    { choose: chosen(0, 9090) },
    [lookup],
    steps(
      listener("listener", WEB, "server"),
      put("listener", "o.sockets", 0),
      open("tcp4", "client", "client"),
      connect("client", OTHER),
      accept("listener", "server"),
      send("client", "hello"),
      recv("server", 5),
    ),
  ),
  played(
    "lookup: a datagram for another port's socket",
    { choose: chosen(0, 9090) },
    [lookup],
    steps(
      receiver("server", DNS, "server"),
      put("server", "o.sockets", 0),
      open("udp4", "client", "client"),
      bind("client", "10.1.0.2:5000"),
      sendto("client", OTHER, "hello"),
      recvfrom("server"),
    ),
  ),
  played(
    "lookup: the chosen socket, whatever its group would choose",
    { choose: { ...chosen(0, 9090), flags: 2 } },
    [lookup],
    steps(
      ...["one", "two"].map((name) =>
        steps(open("udp4", name, "server"), setopt(name, "SOL_SOCKET", "SO_REUSEPORT", 1), bind(name, DNS)),
      ),
      put("one", "o.sockets", 0),
      ...[5000, 5001, 5002, 5003].map((port) =>
        steps(
          open("udp4", `client${port}`, "client"),
          bind(`client${port}`, `10.1.0.2:${port}`),
          sendto(`client${port}`, OTHER, "hello"),
          recvfrom("one"),
        ),
      ),
    ),
  ),
  played("lookup: refused", { choose: { verdict: SK.drop } }, [lookup], steps(refused)),
  played("lookup: passed", { choose: { verdict: SK.pass } }, [lookup], connection),
  played(
    "lookup: an established connection is not asked for",
    { choose: { verdict: SK.pass } },
    [lookup],
    steps(
      connection,
      { do: "set", map: "o.rules", key: RULE.choose, value: { verdict: SK.drop } },
      send("client", "more"),
      recv("server", 4),
      close("client"),
    ),
  ),
];

export const PACKETS: readonly Scenario[] = scenariosOf("packets", [
  ...TCX_SCENARIOS,
  ...ASSIGN_SCENARIOS,
  ...XDP_SCENARIOS,
  ...FRAME_SCENARIOS,
  ...REDIRECT_SCENARIOS,
  ...CGROUP_SCENARIOS,
  ...LOOKUP_SCENARIOS,
]);
