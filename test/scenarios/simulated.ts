/**
 * Plays scenarios on the simulated node, and observes what the player of the real kernel observes. Where that one waits
 * for something to come, here virtual time passes.
 */
import { CpuMap, DeviceMap, MapError, codecsOf, createMachine, createNode, drainEvents } from "../../lib/vm/index.ts";
import type {
  Attachment as Attached,
  EngineName,
  Machine,
  Namespace,
  Node,
  NodeSocket,
  VmMap,
} from "../../lib/vm/index.ts";
import { errnoName } from "../../lib/vm/errno.ts";
import { compiledProgram } from "./compiled.ts";
import { canonical, groupBy, plain, showData } from "./observation.ts";
import type { Observation } from "./observation.ts";
import { DEFAULT_NETNS, OPTION_LEVELS, OPTION_NAMES } from "./script.ts";
import type {
  Attachment,
  MapValue,
  MessageFlag,
  Option,
  Preset,
  Ref,
  Scenario,
  SocketType,
  Step,
  Task,
  Topology,
} from "./script.ts";
import { encodeValue, payloadBytes, splitRef } from "./values.ts";

/** How long the real player waits for what may come, and for a connection; STEP_MS: how often the simulated one looks. */
const QUIET_MS = 250;
const LIMIT_MS = 3000;
const STEP_MS = 10;

/** Maps whose values are cookies of sockets for user space. */
const SOCKET_MAPS: readonly string[] = ["sockmap", "sockhash", "reuseport_sockarray"];

/** One observation a step, canonical. */
export async function simulate(scenario: Scenario, engine: EngineName = "interpreter"): Promise<Observation[]> {
  const stage = new Stage(scenario, await machinesOf(scenario, engine));
  return canonical(scenario.steps.map((step) => act(stage, step)));
}

interface Made {
  readonly node: Node;
  readonly machines: ReadonlyMap<string, Machine>;
}

async function machinesOf({ objects }: Scenario, engine: EngineName): Promise<Made> {
  const node = createNode();
  const machines = new Map<string, Machine>();
  for (const [id, file] of Object.entries(objects)) {
    machines.set(id, createMachine(await compiledProgram(file), { host: node.host, engine }));
  }
  return { node, machines };
}

/** A task whose cgroup and namespace are known. */
type Placed = Task & Required<Pick<Task, "cgroup" | "netns">>;

/** A scenario's node and what its steps refer to by name. */
class Stage {
  readonly node: Node;
  private readonly machines: ReadonlyMap<string, Machine>;
  private readonly sockets = new Map<string, { readonly socket: NodeSocket; readonly type: SocketType }>();
  private readonly attached = new Map<string, Attached>();
  private readonly tasks = new Map<string, Placed>();

  constructor(scenario: Scenario, { node, machines }: Made) {
    this.node = node;
    this.machines = machines;
    this.makeNamespaces(scenario.topology ?? { netns: [DEFAULT_NETNS] });
    const [first] = scenario.topology?.netns ?? [DEFAULT_NETNS];
    for (const [name, task] of Object.entries<Task>({ main: {}, ...scenario.tasks })) {
      this.tasks.set(name, { cgroup: "/", netns: first?.name ?? DEFAULT_NETNS.name, ...task });
    }
    for (const entry of scenario.presets ?? []) this.setEntry(entry);
    for (const attachment of scenario.attach ?? []) this.must(this.attach(attachment), attachment.program);
  }

  private must(observation: Observation, what: string): void {
    if (observation !== "ok") throw new Error(`${what}: ${JSON.stringify(observation)}`);
  }

  private makeNamespaces({ netns, veth = [] }: Topology): void {
    for (const { name, addresses = [], forwards = false } of netns) {
      const made = this.node.namespace(name);
      made.forwarding = forwards;
      for (const address of addresses) made.addAddress(address);
    }
    for (const { ends } of veth) {
      const [a, b] = ends.map((end) => ({ ...end, namespace: this.node.namespace(end.netns), name: end.device }));
      if (a !== undefined && b !== undefined) this.node.veth(a, b);
    }
    for (const { name, routes = [] } of netns) {
      for (const { to, via } of routes) this.node.namespace(name).route(to, { via });
    }
  }

  task(name = "main"): Placed {
    const task = this.tasks.get(name);
    if (task === undefined) throw new Error(`no task ${name}`);
    return task;
  }

  move(name: string | undefined, cgroup: Placed["cgroup"]): void {
    this.tasks.set(name ?? "main", { ...this.task(name), cgroup });
  }

  namespaceOf(task: string | undefined): Namespace {
    return this.node.namespace(this.task(task).netns);
  }

  keep(name: string, socket: NodeSocket, type: SocketType): void {
    this.sockets.set(name, { socket, type });
  }

  socket(name: string): NodeSocket {
    return this.open(name).socket;
  }

  isStream(name: string): boolean {
    return this.open(name).type === "stream";
  }

  private open(name: string): { readonly socket: NodeSocket; readonly type: SocketType } {
    const open = this.sockets.get(name);
    if (open === undefined) throw new Error(`no socket ${name}`);
    return open;
  }

  machine(ref: Ref): readonly [Machine, string] {
    const [object, name] = splitRef(ref);
    const machine = this.machines.get(object);
    if (machine === undefined) throw new Error(`no object ${object}`);
    return [machine, name];
  }

  map(ref: Ref): VmMap {
    const [machine, name] = this.machine(ref);
    return machine.map(name);
  }

  key(ref: Ref, key: MapValue): Uint8Array {
    const [machine] = this.machine(ref);
    return encodeValue(codecsOf(machine, this.map(ref)).key, key);
  }

  /** A value, or for maps of sockets its cookie. */
  decode(ref: Ref, bytes: Uint8Array): ReturnType<typeof plain> {
    const [machine] = this.machine(ref);
    const map = this.map(ref);
    const value = plain(codecsOf(machine, map).value.decode(bytes));
    return SOCKET_MAPS.includes(map.spec.type) ? { cookie: value } : value;
  }

  setEntry({ map: ref, key, value, program }: Preset): void {
    const [machine] = this.machine(ref);
    const map = this.map(ref);
    const own = program === undefined ? null : splitRef(program)[1];
    const { ifindex = 0, length = 0 } = value as { readonly ifindex?: number; readonly length?: number };
    if (map instanceof CpuMap) return map.setCpu(Number(key), { size: length, program: own });
    if (map instanceof DeviceMap) return this.putDevice(map, Number(key), ifindex, own);
    map.set(this.key(ref, key), encodeValue(codecsOf(machine, map).value, value));
  }

  private putDevice(map: DeviceMap, key: number, ifindex: number, program: string | null): void {
    const { netns = "" } = this.tasks.get("main") ?? {};
    const device = this.node.namespace(netns).findInterface(ifindex);
    if (device === null) throw new Error(`no interface ${ifindex}`);
    this.must(outcome(this.node.putDevice(map, key, device, program)), map.name);
  }

  attach(attachment: Attachment): Observation {
    const [machine, name] = this.machine(attachment.program);
    const made = this.node.attach(machine, name, this.place(attachment));
    if (made.errno !== null) return { errno: made.errno };
    this.attached.set(attachment.id ?? attachment.program, made);
    return "ok";
  }

  private place(attachment: Attachment): Parameters<Node["attach"]>[2] {
    if ("cgroup" in attachment) {
      const { cgroup, mode = "link" } = attachment;
      return { cgroup, mode };
    }
    if ("device" in attachment) {
      return { interface: this.node.namespace(attachment.netns).interface(attachment.device) };
    }
    if ("netns" in attachment) return { namespace: this.node.namespace(attachment.netns) };
    return { map: this.map(attachment.map) };
  }

  standing(id: string): Attached {
    const attached = this.attached.get(id);
    if (attached === undefined) throw new Error(`nothing attached as ${id}`);
    return attached;
  }
}

type Name = Step["do"];
type StepOf<N extends Name> = Extract<Step, { readonly do: N }>;
type Act<N extends Name> = (stage: Stage, step: StepOf<N>) => Observation;

function act<N extends Name>(stage: Stage, step: Step & { readonly do: N }): Observation {
  if ("socket" in step && step.do !== "socket") {
    stage.socket(step.socket).callerUid = stage.task(step.task).unprivileged === true ? NOBODY : 0;
  }
  const perform = ACTS[step.do] as Act<N>;
  return perform(stage, step as StepOf<N>);
}

/** A user without privileges. */
const NOBODY = 65_534;

const KINDS = { stream: "tcp", dgram: "udp", raw: "raw" } as const satisfies Record<SocketType, string>;

const ACTS: { readonly [N in Name]: Act<N> } = {
  socket: (stage, { task, socket, family, type, nonblock = false, protocol }) => {
    const { cgroup, unprivileged } = stage.task(task);
    const uid = unprivileged === true ? NOBODY : 0;
    const options = { family, cgroup, nonblock, uid, ...(protocol === undefined ? {} : { protocol }) };
    const made = stage.namespaceOf(task).socket(KINDS[type], options);
    if (made.errno !== null) return { errno: made.errno };
    stage.keep(socket, made, type);
    return "ok";
  },
  bind: (stage, { socket, address }) => outcome(stage.socket(socket).bind(address)),
  listen: (stage, { socket, backlog }) => outcome(stage.socket(socket).listen(backlog)),
  connect: (stage, { socket: name, address }) => {
    const socket = stage.socket(name);
    const waits = (result: string): boolean => result === "EINPROGRESS" && !socket.nonblock;
    let connected = socket.connect(address);
    for (let ms = 0; ms < LIMIT_MS && waits(connected); ms += STEP_MS) {
      stage.node.advance(STEP_MS);
      const again = socket.connect(address);
      if (again !== "EALREADY") connected = again;
    }
    return waits(connected) ? { errno: "ETIMEDOUT" } : outcome(connected);
  },
  accept: (stage, { socket, as, nonblock = false }) => {
    const accept = (): NodeSocket => stage.socket(socket).accept({ nonblock });
    const accepted = patiently(stage, accept, (result) => result.errno === "EAGAIN");
    if (accepted.errno !== null) return { errno: accepted.errno };
    stage.keep(as, accepted, "stream");
    return { peer: accepted.peer };
  },
  send: (stage, { socket, data, flags }) => sent(stage.socket(socket).send(payloadBytes(data), flagsOf(flags))),
  sendto: (stage, { socket, data, to, flags }) =>
    sent(stage.socket(socket).sendTo(payloadBytes(data), to, flagsOf(flags))),
  recv: receive,
  recvfrom: (stage, { socket, length = 4096, flags }) => {
    const recv = (): ReturnType<NodeSocket["recvFrom"]> => stage.socket(socket).recvFrom(length, flagsOf(flags));
    const received = patiently(stage, recv, (result) => result === "EAGAIN");
    return typeof received === "string" ? { errno: received } : { data: showData(received.data), from: received.from };
  },
  shutdown: (stage, { socket, how }) => outcome(stage.socket(socket).shutdown(how)),
  close: (stage, { socket }) => outcome(stage.socket(socket).close()),
  getsockname: (stage, { socket }) => address(stage.socket(socket).getsockname()),
  getpeername: (stage, { socket }) => address(stage.socket(socket).getpeername()),
  setsockopt: (stage, { socket, value, ...option }) => {
    const bytes = typeof value === "string" ? Uint8Array.from(Buffer.from(value, "hex")) : value;
    return outcome(stage.socket(socket).setsockopt(...numbers(option), bytes));
  },
  getsockopt: (stage, { socket, length, ...option }) => {
    const value = stage.socket(socket).getsockopt(...numbers(option), length);
    return typeof value === "string" ? { errno: value } : { value: Buffer.from(value).toString("hex") };
  },
  poll: (stage, { socket, for: wanted }) => {
    const asked = new Set<string>([...wanted, "err", "hup"]);
    return {
      ready: stage
        .socket(socket)
        .poll()
        .filter((event) => asked.has(event)),
    };
  },
  put: (stage, { map, key, socket, mode }) =>
    outcome(stage.node.put(stage.map(map), stage.key(map, key), stage.socket(socket), mode)),
  storage: (stage, { map, socket }) => {
    const bytes = stage.socket(socket).storage(stage.map(map));
    return bytes === null ? { errno: "ENOENT" } : { value: stage.decode(map, bytes) };
  },
  reuseport: (stage, { socket, program }) => outcome(stage.socket(socket).attachReuseport(...stage.machine(program))),
  "reuseport-detach": (stage, { socket }) => outcome(stage.socket(socket).detachReuseport()),
  get: (stage, { map, key }) =>
    attempt(() => {
      const bytes = stage.map(map).get(stage.key(map, key));
      return bytes === null ? { errno: "ENOENT" } : { value: stage.decode(map, bytes) };
    }),
  set: (stage, entry) => attempt(() => stage.setEntry(entry)),
  delete: (stage, { map, key }) =>
    attempt(() => (stage.map(map).delete(stage.key(map, key)) ? "ok" : { errno: "ENOENT" })),
  dump: (stage, { map: ref }) => {
    const map = stage.map(ref);
    const [machine] = stage.machine(ref);
    const { key } = codecsOf(machine, map);
    const isArray = map.spec.type === "array";
    const entries = [...map.entries()]
      .filter(([, value]) => !isArray || value.some((byte) => byte !== 0))
      .toSorted(([a], [b]) => Buffer.compare(a, b))
      .map(([k, v]) => [plain(key.decode(k)), stage.decode(ref, v)] as const);
    return { entries };
  },
  events: (stage, { map, by }) => {
    stage.node.advance(QUIET_MS);
    const came = drainEvents(...stage.machine(map)).map(plain);
    return { events: by === undefined ? came : groupBy(came, by) };
  },
  attach: (stage, { attachment }) => stage.attach(attachment),
  detach: (stage, { id }) => outcome(stage.standing(id).detach()),
  replace: (stage, { id, program }) =>
    outcome(stage.standing(id).replace(stage.node.program(...stage.machine(program)))),
  move: (stage, { task, cgroup }) => {
    stage.move(task, cgroup);
    return "ok";
  },
  link: (stage, { netns, device, up }) => {
    stage.node.namespace(netns).interface(device).up = up;
    return "ok";
  },
  wait: (stage, { ms }) => {
    stage.node.advance(ms);
    return "ok";
  },
};

/** Lets some time pass when nothing has come yet. */
function patiently<T>(stage: Stage, call: () => T, nothing: (result: T) => boolean): T {
  let result = call();
  for (let ms = 0; ms < QUIET_MS && nothing(result); ms += STEP_MS) {
    stage.node.advance(STEP_MS);
    result = call();
  }
  return result;
}

/** Reads until `length` bytes have come, the stream ends, or nothing comes any more. */
function receive(stage: Stage, { socket: name, length = 4096, once = false, flags }: StepOf<"recv">): Observation {
  const socket = stage.socket(name);
  const stream = stage.isStream(name);
  const parts: Uint8Array[] = [];
  let size = 0;
  const so = (): { data: string } => ({ data: showData(Buffer.concat(parts)) });
  for (;;) {
    const recv = (): ReturnType<NodeSocket["recv"]> => socket.recv(length - size, flagsOf(flags));
    const received = patiently(stage, recv, (result) => result === "EAGAIN");
    if (typeof received === "string") {
      if (size === 0) return { errno: received };
      return received === "EAGAIN" ? so() : { ...so(), errno: received };
    }
    if (received.length === 0 && stream) return size === 0 ? { end: true } : { ...so(), end: true };
    parts.push(received);
    size += received.length;
    if (once || !stream || size >= length) return so();
  }
}

function outcome(result: string): Observation {
  return result === "ok" ? "ok" : { errno: result };
}

function sent(result: number | string): Observation {
  return typeof result === "number" ? { sent: result } : { errno: result };
}

function address(result: string): Observation {
  return result.includes(":") ? { address: result } : { errno: result };
}

/** What an operation on a map gives, or its error as an observation. */
function attempt(work: () => Observation | void): Observation {
  try {
    return work() ?? "ok";
  } catch (failure) {
    if (failure instanceof MapError) return { errno: errnoName(failure.errno) };
    throw failure;
  }
}

function flagsOf(flags: readonly MessageFlag[] = []): { readonly [flag in MessageFlag]?: boolean } {
  return Object.fromEntries(flags.map((flag) => [flag, true]));
}

function numbers({ level, name }: Option): [number, number] {
  return [
    typeof level === "number" ? level : OPTION_LEVELS[level],
    typeof name === "number" ? name : OPTION_NAMES[name],
  ];
}
