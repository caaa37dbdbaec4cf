/**
 * getsockopt and setsockopt: programs before the kernel sets an option and after it has read one.
 * All play `programs/sockopt.ts`.
 */
import { OPTION_LEVELS, OPTION_NAMES } from "./script.ts";
import type {
  Attachment,
  CgroupPath,
  MapValue,
  OptionLevel,
  OptionName,
  Preset,
  Scenario,
  Step,
  Task,
} from "./script.ts";
import {
  accept,
  connect,
  createRandom,
  events,
  getopt,
  listener,
  open,
  preset,
  scenariosOf,
  setopt,
  steps,
} from "./vocabulary.ts";
import type { Kind } from "./vocabulary.ts";

/** The number by which a program looks for its rules. */
const PROGRAM = { onGet: 0, onSet: 1, onGet2: 2, onSet2: 3 } as const;
type ProgramName = keyof typeof PROGRAM;

const ACTION = { length: 1, value: 2, forgive: 4, add: 8, other: 16 } as const;

interface Rule {
  readonly deny?: 1;
  readonly actions?: number;
  readonly length?: number;
  readonly value?: number;
  readonly otherLevel?: number;
  readonly otherName?: number;
  readonly retval?: number;
}

type Opt = readonly [level: OptionLevel, name: OptionName];

const KEEPALIVE: Opt = ["SOL_SOCKET", "SO_KEEPALIVE"];
const PRIORITY: Opt = ["SOL_SOCKET", "SO_PRIORITY"];
const MARK: Opt = ["SOL_SOCKET", "SO_MARK"];
const RCVLOWAT: Opt = ["SOL_SOCKET", "SO_RCVLOWAT"];
const LINGER: Opt = ["SOL_SOCKET", "SO_LINGER"];
const NODELAY: Opt = ["SOL_TCP", "TCP_NODELAY"];
const CONGESTION: Opt = ["SOL_TCP", "TCP_CONGESTION"];
const TOS: Opt = ["SOL_IP", "IP_TOS"];

const EACCES = -13;
const ENOPROTOOPT = -92;

const setLength = (length: number): Rule => ({ actions: ACTION.length, length });
const setValue = (value: number): Rule => ({ actions: ACTION.value, value });
const setBoth = (value: number, length: number): Rule => ({ actions: ACTION.value | ACTION.length, value, length });

type RuleRow = readonly [program: ProgramName, option: Opt | readonly [level: number, name: number], rule: Rule];

const ruleOf = ([program, [level, name], { ...value }]: RuleRow): Preset =>
  preset("o.rules", { level: levelOf(level), name: nameOf(name), program: PROGRAM[program] }, value as MapValue);
const levelOf = (level: OptionLevel | number): number => (typeof level === "number" ? level : OPTION_LEVELS[level]);
const nameOf = (name: OptionName | number): number => (typeof name === "number" ? name : OPTION_NAMES[name]);

const at = (program: ProgramName, cgroup: CgroupPath = "/"): Attachment => ({ program: `o.${program}`, cgroup });

const TASKS: Readonly<Record<string, Task>> = {
  nobody: { unprivileged: true },
  inner: { cgroup: "/a/b" },
  outer: { cgroup: "/a" },
};

/** Programs with rules; attached to the scenario's own cgroup unless said otherwise; the events are told at the end. */
function played(
  name: string,
  rules: readonly RuleRow[],
  parts: readonly Step[],
  attach: readonly Attachment[] = [at("onGet"), at("onSet")],
): Omit<Scenario, "hook"> {
  return {
    name: `sockopt: ${name}`,
    objects: { o: "sockopt" },
    tasks: TASKS,
    attach,
    presets: rules.map(ruleOf),
    steps: steps(parts, events("o.calls")),
  };
}

/** Sets and gets one option of a socket that a rule makes the programs look at. */
const setAndGet = (option: Opt, value: number | string, length?: number): readonly Step[] => [
  setopt("s", ...option, value),
  getopt("s", ...option, length),
];

// ---- programs that only look

const LOOK = (
  [
    ["tcp4", "SOL_SOCKET", "SO_KEEPALIVE", 1],
    ["tcp4", "SOL_SOCKET", "SO_REUSEADDR", 1],
    ["tcp6", "SOL_SOCKET", "SO_REUSEPORT", 1],
    ["udp4", "SOL_SOCKET", "SO_BROADCAST", 1],
    ["tcp4", "SOL_SOCKET", "SO_PRIORITY", 4],
    ["udp6", "SOL_SOCKET", "SO_MARK", 9],
    ["tcp4", "SOL_SOCKET", "SO_RCVLOWAT", 10],
    ["tcp4", "SOL_SOCKET", "SO_SNDBUF", 30_000],
    ["tcp4", "SOL_TCP", "TCP_NODELAY", 1],
    ["tcp6", "SOL_TCP", "TCP_KEEPIDLE", 60],
    ["tcp4", "SOL_TCP", "TCP_SYNCNT", 4],
    ["tcp4", "SOL_TCP", "TCP_USER_TIMEOUT", 3000],
    ["tcp4", "SOL_IP", "IP_TOS", 0x10],
    ["udp4", "SOL_IP", "IP_TTL", 12],
    ["tcp6", "SOL_IPV6", "IPV6_V6ONLY", 1],
    ["udp6", "SOL_IPV6", "IPV6_TCLASS", 0x20],
  ] as const
).map(([kind, level, name, value]) => {
  const option: Opt = [level, name];
  return played(
    `looks at ${name} of ${kind}`,
    [
      ["onGet", option, {}],
      ["onSet", option, {}],
    ],
    steps(open(kind satisfies Kind, "s"), getopt("s", ...option), setAndGet(option, value)),
  );
});

// ---- getsockopt

const got = (
  name: string,
  rule: Rule,
  option: Opt,
  length?: number,
  before: readonly Step[] = [],
): Omit<Scenario, "hook"> =>
  played(
    `get: ${name}`,
    [["onGet", option, rule]],
    steps(open("tcp4", "s"), before, getopt("s", ...option, length), getopt("s", ...RCVLOWAT)),
  );
const priorityFive = [setopt("s", ...PRIORITY, 5)];

const GET = [
  got("another value", setValue(77), PRIORITY, 4, priorityFive),
  got("a value added to", { actions: ACTION.add, value: 100 }, PRIORITY, 4, priorityFive),
  got("denied", { deny: 1 }, PRIORITY),
  got("denied with an error of its own", { deny: 1, retval: EACCES }, PRIORITY),
  got("allowed, but an error is set", { retval: EACCES }, PRIORITY),
  got("a shorter answer", setLength(2), PRIORITY, 4, priorityFive),
  got("an answer of one byte", setBoth(0x41424344, 1), PRIORITY, 4),
  // Length 0: what the kernel has answered stands, whatever the program wrote.
  got("length zero keeps the kernel's answer", setBoth(77, 0), PRIORITY, 4, priorityFive),
  got("longer than the caller's buffer", setLength(8), PRIORITY, 4, priorityFive),
  got("longer than the kernel's answer, within the caller's buffer", setLength(8), PRIORITY, 16, priorityFive),
  got("the whole of a large buffer", setBoth(7, 64), PRIORITY, 64, priorityFive),
  got("a negative length", setLength(-1), PRIORITY, 4, priorityFive),
  got("a very negative length", setLength(-1000), PRIORITY, 4, priorityFive),
  got("a buffer larger than a page", setBoth(7, 4), PRIORITY, 5000, priorityFive),
  got("a buffer larger than a page, all of it", setLength(5000), PRIORITY, 5000, priorityFive),
  got("a buffer of two bytes", {}, PRIORITY, 2, priorityFive),
  got("a buffer of two bytes, a value of four", setBoth(7, 4), PRIORITY, 2, priorityFive),
  got("an empty buffer", setValue(7), PRIORITY, 0, priorityFive),
  got("a structure", {}, LINGER, 8),
  got("a structure, changed", setValue(1), LINGER, 8),
  got("a name", {}, CONGESTION, 16, [setopt("s", ...CONGESTION, "72656e6f")]),
  got("a name, changed", setValue(0x69627563), CONGESTION, 16, [setopt("s", ...CONGESTION, "72656e6f")]),
  got("forgiven where there was nothing to forgive", { actions: ACTION.forgive }, PRIORITY, 4, priorityFive),
  played(
    "get: an option that there is not",
    [["onGet", [1, 999], {}]],
    [open("tcp4", "s"), { do: "getsockopt", socket: "s", level: 1, name: 999 }],
  ),
  played(
    "get: an option that there is not, answered",
    [["onGet", [1, 999], { actions: ACTION.forgive | ACTION.value | ACTION.length, value: 42, length: 4 }]],
    [open("tcp4", "s"), { do: "getsockopt", socket: "s", level: 1, name: 999 }],
  ),
  played(
    "get: an option that there is not, answered but not forgiven",
    [["onGet", [1, 999], setBoth(42, 4)]],
    [open("tcp4", "s"), { do: "getsockopt", socket: "s", level: 1, name: 999 }],
  ),
  played(
    "get: a level that there is not, answered",
    [["onGet", [0xdead, 1], { actions: ACTION.forgive | ACTION.value | ACTION.length, value: 42, length: 4 }]],
    [open("udp4", "s"), { do: "getsockopt", socket: "s", level: 0xdead, name: 1 }],
  ),
  played(
    "get: an option that there is not, denied",
    [["onGet", [1, 999], { deny: 1 }]],
    [open("tcp4", "s"), { do: "getsockopt", socket: "s", level: 1, name: 999 }],
  ),
  played(
    "get: an option that there is not, with another error",
    [["onGet", [1, 999], { retval: EACCES }]],
    [open("tcp4", "s"), { do: "getsockopt", socket: "s", level: 1, name: 999 }],
  ),
];

// ---- setsockopt

const put = (name: string, rule: Rule, option: Opt, value: number | string, length?: number): Omit<Scenario, "hook"> =>
  played(`set: ${name}`, [["onSet", option, rule]], steps(open("tcp4", "s"), setAndGet(option, value, length)));

const SET = [
  put("another value", setValue(3), PRIORITY, 5),
  put("a value added to", { actions: ACTION.add, value: 1 }, PRIORITY, 5),
  put("denied", { deny: 1 }, PRIORITY, 5),
  put("denied with an error of its own", { deny: 1, retval: ENOPROTOOPT }, PRIORITY, 5),
  put("allowed, but an error is set", { retval: EACCES }, PRIORITY, 5),
  // Length -1: success, and the kernel never hears of it.
  put("kept from the kernel", setLength(-1), PRIORITY, 5),
  put("kept from the kernel, and an error", { ...setLength(-1), retval: EACCES }, PRIORITY, 5),
  // Length 0: the kernel takes the caller's value, not what the program wrote.
  put("length zero takes the caller's value", setBoth(3, 0), PRIORITY, 5),
  put("a shorter value", setLength(2), PRIORITY, 5),
  put("a longer value than the caller's", setLength(8), PRIORITY, 5),
  put("a much longer value", setLength(5000), PRIORITY, 5),
  put("length minus two", setLength(-2), PRIORITY, 5),
  put("a value that the kernel does not take", setValue(0x7fffffff), ["SOL_TCP", "TCP_KEEPIDLE"], 60),
  put("a value that the kernel would not take, corrected", setValue(60), ["SOL_TCP", "TCP_KEEPIDLE"], 0x7fffffff),
  put("a value longer than needed", {}, KEEPALIVE, `01${"00".repeat(63)}`),
  put("a value longer than a page", {}, KEEPALIVE, `01${"00".repeat(4999)}`),
  put("a value longer than a page, changed", setValue(0), KEEPALIVE, `01${"00".repeat(4999)}`),
  put("a value longer than a page, changed and shortened", setBoth(0, 4), KEEPALIVE, `01${"00".repeat(4999)}`),
  put("a value longer than a page, length zero", setLength(0), KEEPALIVE, `01${"00".repeat(4999)}`),
  put("a value of two bytes", {}, PRIORITY, "0500"),
  put("a value of two bytes, made longer", setLength(4), PRIORITY, "0500"),
  put("an empty value", {}, PRIORITY, ""),
  put("an empty value, written", setBoth(5, 4), PRIORITY, ""),
  put("a name", {}, CONGESTION, "72656e6f", 16),
  put("another name", setValue(0x6f6e6572), CONGESTION, "63756269", 16),
  put("a structure", {}, LINGER, "0100000005000000", 8),
  put("a structure, changed", setValue(0), LINGER, "0100000005000000", 8),
  played(
    "set: another option",
    [["onSet", PRIORITY, { actions: ACTION.other, otherLevel: 1, otherName: OPTION_NAMES.SO_RCVLOWAT }]],
    steps(open("tcp4", "s"), setAndGet(PRIORITY, 5), getopt("s", ...RCVLOWAT)),
  ),
  played(
    "set: an option of another level",
    [["onSet", PRIORITY, { actions: ACTION.other, otherLevel: 6, otherName: OPTION_NAMES.TCP_NODELAY }]],
    steps(open("tcp4", "s"), setAndGet(PRIORITY, 5), getopt("s", ...NODELAY)),
  ),
  played(
    "set: an option that there is not becomes one",
    [["onSet", [0xdead, 1], { actions: ACTION.other, otherLevel: 1, otherName: OPTION_NAMES.SO_PRIORITY }]],
    steps(
      open("tcp4", "s"),
      { do: "setsockopt", socket: "s", level: 0xdead, name: 1, value: 5 },
      getopt("s", ...PRIORITY),
    ),
  ),
  played(
    "set: an option that there is not",
    [["onSet", [0xdead, 1], {}]],
    [open("tcp4", "s"), { do: "setsockopt", socket: "s", level: 0xdead, name: 1, value: 5 }],
  ),
  played(
    "set: an option that there is not, kept from the kernel",
    [["onSet", [0xdead, 1], setLength(-1)]],
    [open("tcp4", "s"), { do: "setsockopt", socket: "s", level: 0xdead, name: 1, value: 5 }],
  ),
  played(
    "set: an option of the program's own, set and got",
    [
      ["onSet", [0xdead, 1], setLength(-1)],
      ["onGet", [0xdead, 1], { actions: ACTION.forgive | ACTION.value | ACTION.length, value: 5, length: 4 }],
    ],
    [
      open("udp6", "s"),
      { do: "setsockopt", socket: "s", level: 0xdead, name: 1, value: 5 },
      { do: "getsockopt", socket: "s", level: 0xdead, name: 1 },
    ],
  ),
  // The application's right is checked by the kernel, after the program.
  played(
    "set: a mark without privilege",
    [["onSet", MARK, {}]],
    [open("tcp4", "s", "nobody"), { ...setopt("s", ...MARK, 5), task: "nobody" } as Step],
  ),
  played(
    "set: a mark without privilege becomes a priority",
    [["onSet", MARK, { actions: ACTION.other, otherLevel: 1, otherName: OPTION_NAMES.SO_PRIORITY }]],
    [open("tcp4", "s", "nobody"), { ...setopt("s", ...MARK, 5), task: "nobody" } as Step, getopt("s", ...PRIORITY)],
  ),
  played(
    "set: a high priority without privilege, lowered",
    [["onSet", PRIORITY, setValue(6)]],
    [open("tcp4", "s", "nobody"), { ...setopt("s", ...PRIORITY, 7), task: "nobody" } as Step, getopt("s", ...PRIORITY)],
  ),
];

// ---- several programs, cgroups, sockets

const NESTED = [at("onGet", "/a"), at("onGet2", "/a/b"), at("onSet", "/a"), at("onSet2", "/a/b")];
const look = (option: Opt, rules: Partial<Record<ProgramName, Rule>> = {}): readonly RuleRow[] =>
  (Object.keys(PROGRAM) as ProgramName[]).map((program) => [program, option, rules[program] ?? {}]);
const nested = (name: string, rules: Partial<Record<ProgramName, Rule>>, task = "inner"): Omit<Scenario, "hook"> =>
  played(`cgroups: ${name}`, look(PRIORITY, rules), steps(open("tcp4", "s", task), setAndGet(PRIORITY, 5)), NESTED);

const SEVERAL = [
  nested("the child's program first", {}),
  nested("a socket of the parent", {}, "outer"),
  nested("a socket of elsewhere", {}, "main"),
  nested("the parent reads what the child wrote", { onSet2: setValue(2), onGet2: setValue(50) }),
  nested("the parent writes last", {
    onSet2: setValue(2),
    onGet2: setValue(50),
    onSet: setValue(4),
    onGet: setValue(60),
  }),
  nested("the child denies setting", { onSet2: { deny: 1 } }),
  nested("the parent denies setting", { onSet: { deny: 1 } }),
  nested("the child denies getting", { onGet2: { deny: 1 } }),
  nested("the parent denies getting", { onGet: { deny: 1 } }),
  nested("the child keeps it from the kernel", { onSet2: setLength(-1) }),
  nested("the child keeps it from the kernel, the parent gives it back", {
    onSet2: setLength(-1),
    onSet: setLength(4),
  }),
  nested("the child makes the answer shorter", { onGet2: setLength(2) }),
  nested("the child sets an error, the parent sees it", { onGet2: { retval: EACCES }, onSet2: { retval: EACCES } }),
  nested("the child sets an error, the parent forgives", {
    onGet2: { retval: EACCES },
    onGet: { actions: ACTION.forgive },
  }),
  played(
    "cgroups: two programs of one cgroup, in the order of attaching",
    look(PRIORITY, { onGet2: setValue(9) }),
    steps(open("tcp4", "s"), setAndGet(PRIORITY, 5)),
    [at("onGet2"), at("onGet"), at("onSet2"), at("onSet")],
  ),
  played(
    "cgroups: the socket's, not the task's",
    look(PRIORITY, { onSet: { deny: 1 } }),
    steps(
      open("tcp4", "s", "outer"),
      { ...setopt("s", ...PRIORITY, 5), task: "main" } as Step,
      open("tcp4", "t", "main"),
      { ...setopt("t", ...PRIORITY, 5), task: "outer" } as Step,
    ),
    NESTED,
  ),
  played(
    "sockets: accepted ones are of their listener's cgroup",
    look(PRIORITY),
    steps(
      listener("l", "127.0.0.1:8080", "outer"),
      open("tcp4", "c"),
      connect("c", "127.0.0.1:8080"),
      accept("l", "a"),
      setopt("a", ...PRIORITY, 5),
      getopt("a", ...PRIORITY),
    ),
    NESTED,
  ),
  played("sockets: of UDP and IPv6", look(PRIORITY), steps(open("udp6", "s"), setAndGet(PRIORITY, 5))),
  played(
    "attached in between",
    look(PRIORITY, { onGet: setValue(9) }),
    steps(
      open("tcp4", "s"),
      setAndGet(PRIORITY, 5),
      { do: "attach", attachment: at("onGet") },
      getopt("s", ...PRIORITY),
    ),
    [],
  ),
  played(
    "detached in between",
    look(PRIORITY, { onGet: setValue(9) }),
    steps(open("tcp4", "s"), setAndGet(PRIORITY, 5), { do: "detach", id: "o.onGet" }, getopt("s", ...PRIORITY)),
  ),
  played(
    "replaced in between",
    look(PRIORITY, { onGet: setValue(9), onGet2: setValue(10) }),
    steps(
      open("tcp4", "s"),
      setAndGet(PRIORITY, 5),
      { do: "replace", id: "o.onGet", program: "o.onGet2" },
      getopt("s", ...PRIORITY),
    ),
  ),
  played(
    "the errors of a connection are got once",
    [["onGet", ["SOL_SOCKET", "SO_ERROR"], {}]],
    steps(
      { do: "socket", socket: "s", family: "inet", type: "stream", nonblock: true },
      connect("s", "127.0.0.1:9"),
      { do: "poll", socket: "s", for: ["hup"] },
      getopt("s", "SOL_SOCKET", "SO_ERROR"),
      getopt("s", "SOL_SOCKET", "SO_ERROR"),
    ),
  ),
];

// ---- generated

function generated(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const one = (setting: boolean): Rule => ({
    actions: random(16) & (setting ? ACTION.length | ACTION.value | ACTION.add : 15),
    length: pick([4, 4, 4, 2, 0, -1, 8]),
    value: random(7),
    ...(random(7) === 0 ? { deny: 1 as const } : {}),
    ...(random(7) === 0 ? { retval: pick([EACCES, ENOPROTOOPT]) } : {}),
  });
  const rules = { onGet: one(false), onSet: one(true), onGet2: one(false), onSet2: one(true) };
  const options = [PRIORITY, RCVLOWAT, NODELAY, TOS, KEEPALIVE];
  const option = pick(options);
  return played(
    `generated, seed ${seed}`,
    look(option, rules),
    steps(
      open("tcp4", "s", pick(["inner", "outer"])),
      setAndGet(option, random(7)),
      setAndGet(option, random(7), pick([4, 8, 2])),
    ),
    pick([NESTED, NESTED.toReversed(), NESTED.slice(0, 3)]),
  );
}

const GENERATED = Array.from({ length: 100 }, (_, seed) => generated(seed));

export const SOCKOPT: readonly Scenario[] = scenariosOf("sockopt", [...LOOK, ...GET, ...SET, ...SEVERAL, ...GENERATED]);
