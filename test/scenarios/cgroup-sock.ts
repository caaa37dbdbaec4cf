/**
 * The life of a socket in a cgroup: sock_create, bind (a sock_addr hook, before), post_bind (after), sock_release.
 * All play `programs/cgroup-sock.ts`.
 */
import type { Attachment, CgroupPath, MapValue, Preset, Scenario, Step, Task } from "./script.ts";
import {
  accept,
  bind,
  close,
  connect,
  createRandom,
  events,
  getopt,
  ip4,
  listen,
  listener,
  open,
  preset,
  receiver,
  recvfrom,
  scenariosOf,
  send,
  sendto,
  setopt,
  shutdown,
  sockname,
  steps,
} from "./vocabulary.ts";
import type { Kind } from "./vocabulary.ts";

/** Index of each program's rule. */
// prettier-ignore
const RULE = {
  made: 0, closed: 1, after4: 2, after6: 3, before4: 4, before6: 5, made2: 16, after4b: 17, before4b: 18, before4c: 19,
} as const;
type ProgramName = keyof typeof RULE;

/** What a rule changes. */
const MARK = 1;
const PRIORITY = 2;
const INTERFACE = 4;
const IP = 8;
const PORT = 16;

interface Rule {
  readonly deny?: 1;
  readonly change?: number;
  readonly mark?: number;
  readonly priority?: number;
  readonly boundInterface?: number;
  readonly ip4?: number;
  readonly ip6High?: bigint;
  readonly ip6Low?: bigint;
  readonly port?: number;
  readonly only?: number;
  readonly retval?: number;
  readonly lowPort?: 1;
  readonly quiet?: 1;
}

const EACCES = -13;
const EADDRINUSE = -98;
const FD00 = 0xfd00_0000_0000_0000n;

type Rules = Partial<Record<ProgramName, Rule>>;

const at = (program: ProgramName, cgroup: CgroupPath = "/"): Attachment => ({ program: `o.${program}`, cgroup });
const ruleOf = (program: ProgramName, { ...value }: Rule): Preset =>
  preset("o.rules", RULE[program], value as unknown as MapValue);

/** Who else there may be: a task without privilege, and tasks of other cgroups. */
const TASKS: Readonly<Record<string, Task>> = {
  nobody: { unprivileged: true },
  inner: { cgroup: "/a/b" },
  outer: { cgroup: "/a" },
};

/** Programs with their rules, attached to the scenario's own cgroup unless said otherwise; the events are told at the end. */
function played(
  name: string,
  rules: Rules,
  parts: readonly Step[],
  attach: readonly Attachment[] = (Object.keys(rules) as ProgramName[]).map((program) => at(program)),
): Omit<Scenario, "hook"> {
  return {
    name: `cgroup_sock: ${name}`,
    objects: { o: "cgroup-sock" },
    tasks: TASKS,
    attach,
    presets: (Object.keys(rules) as ProgramName[]).map((program) => ruleOf(program, rules[program] ?? {})),
    steps: steps(parts, events("o.calls")),
  };
}

const WEB = "127.0.0.1:8080";
const SHOP = "10.0.0.2:9090";
const WEB6 = "[::1]:8080";

// ---- made

const KINDS: readonly Kind[] = ["tcp4", "tcp6", "udp4", "udp6", "raw4", "raw6"];

const MADE = [
  ...KINDS.map((kind) => played(`made: ${kind}`, { made: {} }, [open(kind, "s")])),
  ...KINDS.map((kind) => played(`made: ${kind} denied`, { made: { deny: 1 } }, [open(kind, "s")])),
  played("made: denied with an error of its own", { made: { deny: 1, retval: EACCES } }, [open("tcp4", "s")]),
  played("made: allowed, but an error is set", { made: { retval: EACCES } }, [open("tcp4", "s")]),
  played("made: raw sockets alone are denied", { made: { deny: 1, only: 3 } }, [
    open("raw4", "r"),
    open("tcp4", "t"),
    open("udp6", "u"),
  ]),
  played("made: with a mark", { made: { change: MARK, mark: 42 } }, [
    open("tcp4", "s"),
    getopt("s", "SOL_SOCKET", "SO_MARK"),
  ]),
  played("made: with a priority", { made: { change: PRIORITY, priority: 6 } }, [
    open("udp4", "s"),
    getopt("s", "SOL_SOCKET", "SO_PRIORITY"),
  ]),
  played(
    "made: bound to the loopback",
    { made: { change: INTERFACE, boundInterface: 1 } },
    steps(
      receiver("r", WEB),
      getopt("r", "SOL_SOCKET", "SO_BINDTOIFINDEX"),
      open("udp4", "s"),
      sendto("s", WEB, "x"),
      recvfrom("r"),
    ),
  ),
  played(
    "made: bound to an interface that there is not",
    { made: { change: INTERFACE, boundInterface: 99 } },
    steps(open("tcp4", "s"), getopt("s", "SOL_SOCKET", "SO_BINDTOIFINDEX"), connect("s", WEB)),
  ),
  played(
    "made: bound to an interface that there is not, then bound to an address",
    { made: { change: INTERFACE, boundInterface: 99 } },
    steps(open("tcp6", "s"), bind("s", WEB6)),
  ),
  played(
    "made: with everything",
    { made: { change: MARK | PRIORITY | INTERFACE, mark: 7, priority: 3, boundInterface: 1 }, closed: {} },
    steps(
      open("tcp6", "s"),
      getopt("s", "SOL_SOCKET", "SO_MARK"),
      getopt("s", "SOL_SOCKET", "SO_PRIORITY"),
      getopt("s", "SOL_SOCKET", "SO_BINDTOIFINDEX"),
      close("s"),
    ),
  ),
  played("made: the application changes the mark afterwards", { made: { change: MARK, mark: 42 } }, [
    open("tcp4", "s"),
    setopt("s", "SOL_SOCKET", "SO_MARK", 43),
    getopt("s", "SOL_SOCKET", "SO_MARK"),
  ]),
  played("made: a task without privilege has the mark too", { made: { change: MARK, mark: 42 } }, [
    open("tcp4", "s", "nobody"),
    { ...setopt("s", "SOL_SOCKET", "SO_MARK", 43), task: "nobody" } as Step,
    getopt("s", "SOL_SOCKET", "SO_MARK"),
  ]),
  // An accepted socket is not made but cloned from its listener: nobody asks, and it has the listener's mark.
  played(
    "made: not asked by accept, the mark is the listener's",
    { made: { change: MARK, mark: 42 }, closed: {} },
    steps(
      listener("l", WEB),
      open("tcp4", "c"),
      connect("c", WEB),
      accept("l", "a"),
      getopt("a", "SOL_SOCKET", "SO_MARK"),
      close("a"),
    ),
  ),
  played(
    "made: in the cgroup of the task",
    { made: {} },
    [open("tcp4", "a", "inner"), open("tcp4", "b", "outer"), open("tcp4", "c")],
    [at("made", "/a")],
  ),
  played("made: the child's program first", {}, [open("tcp4", "s", "inner")], [at("made", "/a"), at("made2", "/a/b")]),
  played(
    "made: the child denies",
    { made2: { deny: 1 } },
    [open("tcp4", "s", "inner")],
    [at("made", "/a"), at("made2", "/a/b")],
  ),
  played(
    "made: the parent denies",
    { made: { deny: 1 } },
    [open("tcp4", "s", "inner")],
    [at("made", "/a"), at("made2", "/a/b")],
  ),
  played(
    "made: the parent sees the child's mark, and writes another",
    { made2: { change: MARK, mark: 1 }, made: { change: MARK, mark: 2 } },
    [open("tcp4", "s", "inner"), getopt("s", "SOL_SOCKET", "SO_MARK")],
    [at("made", "/a"), at("made2", "/a/b")],
  ),
  played(
    "made: the parent sees the child's error",
    { made2: { retval: EACCES } },
    [open("tcp4", "s", "inner")],
    [at("made", "/a"), at("made2", "/a/b")],
  ),
  played(
    "made: after the task has moved",
    { made: { deny: 1 } },
    [open("tcp4", "s", "outer"), { do: "move", task: "outer", cgroup: "/b" }, open("tcp4", "t", "outer")],
    [at("made", "/a")],
  ),
  played("made: detached", { made: { deny: 1 } }, [
    open("tcp4", "s"),
    { do: "detach", id: "o.made" },
    open("tcp4", "s"),
  ]),
];

// ---- closed

const CLOSED = [
  ...KINDS.map((kind) => played(`closed: ${kind}`, { closed: {} }, [open(kind, "s"), close("s")])),
  // Nothing can be refused any more.
  played("closed: refusing has no effect", { closed: { deny: 1 } }, [open("tcp4", "s"), close("s")]),
  played("closed: not asked when making it was denied", { made: { deny: 1 }, closed: {} }, [open("tcp4", "s")]),
  played("closed: with the mark it has then", { closed: {} }, [
    open("tcp4", "s"),
    setopt("s", "SOL_SOCKET", "SO_MARK", 9),
    close("s"),
  ]),
  played(
    "closed: shutdown is no close",
    { closed: {} },
    steps(
      listener("l", WEB),
      open("tcp4", "c"),
      connect("c", WEB),
      shutdown("c", "both"),
      events("o.calls"),
      close("c"),
    ),
  ),
  played(
    "closed: accepted and listening sockets",
    { closed: {} },
    steps(
      listener("l", WEB),
      open("tcp4", "c"),
      connect("c", WEB),
      accept("l", "a"),
      close("a"),
      events("o.calls"),
      close("l"),
      events("o.calls"),
      close("c"),
    ),
  ),
  played(
    "closed: a connection that nobody accepted",
    { closed: {} },
    steps(listener("l", WEB), open("tcp4", "c"), connect("c", WEB), close("l")),
  ),
  played(
    "closed: seen by the cgroup it was made in",
    { closed: {} },
    [
      open("tcp4", "s", "outer"),
      { do: "move", task: "outer", cgroup: "/b" },
      { do: "close", task: "outer", socket: "s" },
    ],
    [at("closed", "/a")],
  ),
];

// ---- bound

const BEFORE = [
  played("before bind: as it is", { before4: {} }, [open("tcp4", "s"), bind("s", WEB), sockname("s")]),
  played("before bind: udp", { before4: {} }, [open("udp4", "s"), bind("s", WEB), sockname("s")]),
  played("before bind: raw", { before4: {} }, [open("raw4", "s"), bind("s", "127.0.0.1:0"), sockname("s")]),
  played("before bind: denied", { before4: { deny: 1 } }, [open("tcp4", "s"), bind("s", WEB), sockname("s")]),
  played("before bind: denied with an error of its own", { before4: { deny: 1, retval: EADDRINUSE } }, [
    open("tcp4", "s"),
    bind("s", WEB),
  ]),
  played("before bind: allowed, but an error is set", { before4: { retval: EACCES } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played("before bind: another port", { before4: { change: PORT, port: 9090 } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played("before bind: another address", { before4: { change: IP, ip4: ip4("10.0.0.2") } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played(
    "before bind: another address and port, and it works",
    { before4: { change: IP | PORT, ip4: ip4("10.0.0.2"), port: 9090, only: 8080 } },
    steps(
      listener("l", WEB),
      open("tcp4", "c"),
      connect("c", SHOP),
      accept("l", "a"),
      open("tcp4", "d"),
      connect("d", WEB),
    ),
  ),
  played("before bind: an address of nobody", { before4: { change: IP, ip4: ip4("192.0.2.1") } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played("before bind: the any address", { before4: { change: IP, ip4: 0 } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played("before bind: port zero lets the system choose", { before4: { change: PORT, port: 0 } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played("before bind: the system was to choose, the program does", { before4: { change: PORT, port: 9090 } }, [
    open("tcp4", "s"),
    bind("s", "127.0.0.1:0"),
    sockname("s"),
  ]),
  played("before bind: a port that is taken", { before4: { change: PORT, port: 9090, only: 8080 } }, [
    open("tcp4", "a"),
    bind("a", "127.0.0.1:9090"),
    open("tcp4", "b"),
    bind("b", WEB),
  ]),
  played("before bind: around a port that is taken", { before4: { change: PORT, port: 9090, only: 8080 } }, [
    open("tcp4", "a"),
    bind("a", "127.0.0.1:8081"),
    open("tcp4", "b"),
    bind("b", WEB),
    sockname("b"),
  ]),
  played("before bind: twice, the second is refused by the system", { before4: {} }, [
    open("tcp4", "s"),
    bind("s", WEB),
    bind("s", "127.0.0.1:8081"),
  ]),
  played(
    "before bind: connect and listen do not ask",
    { before4: { deny: 1 }, after4: { deny: 1 } },
    steps(
      open("tcp4", "l"),
      listen("l"),
      open("udp4", "u"),
      sendto("u", WEB, "x"),
      open("tcp4", "c"),
      connect("c", WEB),
    ),
  ),
  played("before bind: 6 as it is", { before6: {} }, [open("tcp6", "s"), bind("s", WEB6), sockname("s")]),
  played("before bind: 6 denied", { before6: { deny: 1 } }, [open("tcp6", "s"), bind("s", WEB6), sockname("s")]),
  played(
    "before bind: 6 another address and port",
    { before6: { change: IP | PORT, ip6High: FD00, ip6Low: 2n, port: 9090 } },
    [open("udp6", "s"), bind("s", WEB6), sockname("s")],
  ),
  played("before bind: 6 an address of nobody", { before6: { change: IP, ip6High: FD00, ip6Low: 99n } }, [
    open("tcp6", "s"),
    bind("s", WEB6),
    sockname("s"),
  ]),
  played("before bind: 6 a v4-mapped address", { before4: {}, before6: {} }, [
    open("tcp6", "s"),
    bind("s", "[::ffff:127.0.0.1]:8080"),
    sockname("s"),
  ]),
  played(
    "before bind: 6 rewritten to a v4-mapped address",
    { before6: { change: IP, ip6High: 0n, ip6Low: 0xffff_7f00_0001n } },
    [open("tcp6", "s"), bind("s", WEB6), sockname("s")],
  ),
  played("before bind: an address of the other family", { before4: {}, before6: {} }, [
    open("tcp4", "a"),
    bind("a", WEB6),
    open("tcp6", "b"),
    bind("b", WEB),
  ]),
  played("before bind: a low port without privilege", { before4: {} }, [
    open("tcp4", "s", "nobody"),
    { ...bind("s", "127.0.0.1:80"), task: "nobody" } as Step,
  ]),
  played("before bind: a low port without privilege, allowed", { before4: { lowPort: 1 } }, [
    open("tcp4", "s", "nobody"),
    { ...bind("s", "127.0.0.1:80"), task: "nobody" } as Step,
    sockname("s"),
  ]),
  played("before bind: rewritten to a low port, without leave", { before4: { change: PORT, port: 80 } }, [
    open("tcp4", "s", "nobody"),
    { ...bind("s", WEB), task: "nobody" } as Step,
  ]),
  played("before bind: rewritten to a low port, with leave", { before4: { change: PORT, port: 80, lowPort: 1 } }, [
    open("tcp4", "s", "nobody"),
    { ...bind("s", WEB), task: "nobody" } as Step,
    sockname("s"),
  ]),
  played("before bind: rewritten from a low port", { before4: { change: PORT, port: 8080 } }, [
    open("tcp4", "s", "nobody"),
    { ...bind("s", "127.0.0.1:80"), task: "nobody" } as Step,
    sockname("s"),
  ]),
  played("before bind: a low port without privilege, 6, allowed", { before6: { lowPort: 1 } }, [
    open("tcp6", "s", "nobody"),
    { ...bind("s", "[::1]:80"), task: "nobody" } as Step,
    sockname("s"),
  ]),
  played("before bind: a low port, one program of two gives leave", { before4: {}, before4b: { lowPort: 1 } }, [
    open("tcp4", "s", "nobody"),
    { ...bind("s", "127.0.0.1:80"), task: "nobody" } as Step,
  ]),
  played(
    "before bind: a low port, leave from one, no from the other",
    { before4: { deny: 1 }, before4b: { lowPort: 1 } },
    [open("tcp4", "s", "nobody"), { ...bind("s", "127.0.0.1:80"), task: "nobody" } as Step],
  ),
  played(
    "before bind: what one wrote, the next reads",
    {
      before4: { change: PORT, port: 9090 },
      before4b: { change: PORT, port: 7070, only: 9090 },
      before4c: { change: IP, ip4: ip4("10.0.0.3"), only: 7070 },
    },
    [open("tcp4", "s"), bind("s", WEB), sockname("s")],
  ),
  played(
    "before bind: the child's program first",
    {},
    [open("tcp4", "s", "inner"), bind("s", WEB)],
    [at("before4", "/"), at("before4b", "/a"), at("before4c", "/a/b")],
  ),
];

const AFTER = [
  played("after bind: as it is", { after4: {} }, [open("tcp4", "s"), bind("s", WEB)]),
  played("after bind: udp", { after4: {} }, [open("udp4", "s"), bind("s", WEB)]),
  played("after bind: the port that the system chose", { after4: {} }, [
    open("tcp4", "s"),
    bind("s", "0.0.0.0:0"),
    sockname("s"),
  ]),
  played("after bind: denied, and the port is free again", { after4: { deny: 1, only: 8080 } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
    { do: "detach", id: "o.after4" },
    open("tcp4", "t"),
    bind("t", WEB),
    sockname("t"),
  ]),
  played("after bind: denied, then the same socket on another port", { after4: { deny: 1, only: 8080 } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    bind("s", "127.0.0.1:8081"),
    sockname("s"),
  ]),
  played("after bind: denied udp, then the same socket on another port", { after4: { deny: 1, only: 8080 } }, [
    open("udp4", "s"),
    bind("s", WEB),
    sockname("s"),
    bind("s", "127.0.0.1:8081"),
    sockname("s"),
  ]),
  played("after bind: denied with an error of its own", { after4: { deny: 1, retval: EADDRINUSE } }, [
    open("tcp4", "s"),
    bind("s", WEB),
  ]),
  played("after bind: allowed, but an error is set", { after4: { retval: EACCES } }, [
    open("tcp4", "s"),
    bind("s", WEB),
    sockname("s"),
  ]),
  played("after bind: not asked when bind fails", { after4: {} }, [
    open("tcp4", "s"),
    bind("s", "192.0.2.1:80"),
    open("tcp4", "a"),
    bind("a", WEB),
    open("tcp4", "b"),
    bind("b", WEB),
  ]),
  played(
    "after bind: sees what the program before wrote",
    { before4: { change: IP | PORT, ip4: ip4("10.0.0.2"), port: 9090 }, after4: {} },
    [open("tcp4", "s"), bind("s", WEB)],
  ),
  played("after bind: not asked when the program before denies", { before4: { deny: 1 }, after4: {} }, [
    open("tcp4", "s"),
    bind("s", WEB),
  ]),
  played("after bind: 6 as it is", { after6: {} }, [open("tcp6", "s"), bind("s", WEB6)]),
  played("after bind: 6 denied, and the port is free again", { after6: { deny: 1 } }, [
    open("tcp6", "s"),
    bind("s", WEB6),
    sockname("s"),
    { do: "detach", id: "o.after6" },
    open("tcp6", "t"),
    bind("t", WEB6),
  ]),
  played("after bind: 6 denied with an error of its own", { after6: { deny: 1, retval: EADDRINUSE } }, [
    open("udp6", "s"),
    bind("s", WEB6),
  ]),
  played("after bind: 6 a v4-mapped address", { after4: {}, after6: {} }, [
    open("tcp6", "s"),
    bind("s", "[::ffff:127.0.0.1]:8080"),
  ]),
  played("after bind: 6 any address", { after4: {}, after6: {} }, [open("tcp6", "s"), bind("s", "[::]:8080")]),
  played("after bind: raw", { after4: {} }, [open("raw4", "s"), bind("s", "127.0.0.1:0")]),
  played(
    "after bind: connecting chooses a port without asking",
    { after4: { deny: 1 } },
    steps(open("udp4", "s"), connect("s", WEB), sockname("s"), send("s", "x")),
  ),
  played("after bind: two programs, the first denies", { after4: { deny: 1 }, after4b: {} }, [
    open("tcp4", "s"),
    bind("s", WEB),
  ]),
  played("after bind: two programs, the second denies", { after4: {}, after4b: { deny: 1 } }, [
    open("tcp4", "s"),
    bind("s", WEB),
  ]),
  played(
    "after bind: the child's program first",
    {},
    [open("tcp4", "s", "inner"), bind("s", WEB)],
    [at("after4", "/a"), at("after4b", "/a/b")],
  ),
];

const WHOLE = [
  played("whole life: tcp4", { made: {}, before4: {}, after4: {}, closed: {} }, [
    open("tcp4", "s"),
    bind("s", WEB),
    listen("s"),
    close("s"),
  ]),
  played("whole life: udp6", { made: {}, before6: {}, after6: {}, closed: {} }, [
    open("udp6", "s"),
    bind("s", WEB6),
    close("s"),
  ]),
  played("whole life: denied after bind, then closed", { made: {}, before4: {}, after4: { deny: 1 }, closed: {} }, [
    open("tcp4", "s"),
    bind("s", WEB),
    close("s"),
  ]),
];

// ---- generated

function generated(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const one = (changes: number): Rule => ({
    change: random(changes + 1) & changes,
    mark: random(100),
    priority: random(7),
    boundInterface: 1,
    ip4: ip4(pick(["127.0.0.1", "10.0.0.2", "0.0.0.0"])),
    port: pick([8080, 9090, 80]),
    only: pick([0, 0, 8080, 1]),
    ...(random(5) === 0 ? { deny: 1 as const } : {}),
    ...(random(5) === 0 ? { retval: pick([EACCES, EADDRINUSE]) } : {}),
    ...(random(3) === 0 ? { lowPort: 1 as const } : {}),
  });
  const place = (): CgroupPath => pick<CgroupPath>(["/", "/a", "/a/b"]);
  const socket = (name: string): readonly Step[] => {
    const task = pick(["main", "inner", "outer", "nobody"]);
    return [
      open(pick<Kind>(["tcp4", "udp4"]), name, task),
      ...[1, 2].map(
        (): Step =>
          ({
            ...bind(name, `${pick(["127.0.0.1", "10.0.0.1", "0.0.0.0"])}:${pick([8080, 9090, 80, 0])}`),
            task,
          }) as Step,
      ),
      sockname(name),
      getopt(name, "SOL_SOCKET", "SO_MARK"),
      close(name),
    ];
  };
  const programs = ["before4", "before4b", "after4", "after4b", "made2", "closed"] as const;
  const rules: Rules = {
    before4: one(IP | PORT),
    before4b: one(IP | PORT),
    after4: one(0),
    after4b: one(0),
    closed: {},
    made2: { change: MARK | PRIORITY, mark: random(100), priority: random(7) },
  };
  return played(
    `generated, seed ${seed}`,
    rules,
    steps(socket("x"), socket("y"), socket("z")),
    programs.map((program) => at(program, place())),
  );
}

const GENERATED = Array.from({ length: 100 }, (_, seed) => generated(seed));

export const CGROUP_SOCK: readonly Scenario[] = scenariosOf("cgroup_sock", [
  ...MADE,
  ...CLOSED,
  ...BEFORE,
  ...AFTER,
  ...WHOLE,
  ...GENERATED,
]);
