/**
 * Plays scenarios on the real kernel.
 *
 * Whether nothing comes any more can only be learnt by waiting. A player that knows what to expect (a replay) waits long
 * for what should come and hardly at all after it; one that knows nothing (a recording) waits `QUIET_MS` each time. Both
 * observe the same things.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { nameErrno } from "./hands.ts";
import type { Answer, Hands } from "./hands.ts";
import { canonical, groupBy, plain, showData } from "./observation.ts";
import type { Observation, Plain } from "./observation.ts";
import { MESSAGE_FLAGS, OPTION_LEVELS, OPTION_NAMES, POLL_EVENTS } from "./script.ts";
import type { MessageFlag, Option, PollEvent, Scenario, SocketType, Step } from "./script.ts";
import { AF_INET, AF_INET6, decodeSockaddr, encodeSockaddr } from "./sockaddr.ts";
import { errnoOf, Stage } from "./stage.ts";
import { encodeValue, payloadBytes } from "./values.ts";

/** Plays one scenario; canonical observations, one a step. `expected`: what a former play observed. */
export async function play(
  scenario: Scenario,
  hands: Hands,
  expected?: readonly Observation[],
): Promise<readonly Observation[]> {
  await using stage = await Stage.set(scenario, hands);
  const seen: Observation[] = [];
  for (const [i, step] of scenario.steps.entries()) {
    try {
      seen.push(await perform(stage, step, expected?.[i]));
    } catch (cause) {
      throw new Error(`${scenario.name}: step ${i} (${JSON.stringify(step)})`, { cause });
    }
  }
  return canonical(seen);
}

/** A step of one kind. */
type StepOf<Name extends Step["do"]> = Extract<Step, { do: Name }>;
type Act<Name extends Step["do"]> = (
  stage: Stage,
  step: StepOf<Name>,
  expected: Observation | undefined,
) => Promise<Observation>;

function perform<Name extends Step["do"]>(
  stage: Stage,
  step: StepOf<Name>,
  expected: Observation | undefined,
): Promise<Observation> {
  const act = ACTS[step.do as Name] as Act<Name>;
  return act(stage, step, expected);
}

// ---- waiting

const QUIET_MS = 250;
const LIMIT_MS = 3000;
const GRACE_MS = 3;

/** How long to wait for more, having seen this much. */
function patience(seen: Observation, expected: Observation | undefined): number {
  if (expected === undefined) return QUIET_MS;
  return isDeepStrictEqual(seen, expected) ? GRACE_MS : LIMIT_MS;
}

const NOTHING: Observation = { errno: "EAGAIN" };

// ---- steps

const SOCKET_TYPES = { stream: 1, dgram: 2, raw: 3 } as const satisfies Record<SocketType, number>;
const NONBLOCK = 0o4000;
const HOW = { read: 0, write: 1, both: 2 } as const;
const SET_FLAGS = { any: 0, create: 1, replace: 2 } as const;
const SO_ATTACH_REUSEPORT_EBPF = 52;
const SO_DETACH_REUSEPORT_BPF = 68;

const ACTS: { readonly [Name in Step["do"]]: Act<Name> } = {
  socket: async (stage, { task, socket, family, type, nonblock, protocol }) => {
    const kind = SOCKET_TYPES[type] | (nonblock === true ? NONBLOCK : 0);
    const answer = await stage.ask(task, "socket", family === "inet" ? AF_INET : AF_INET6, kind, protocol ?? 0);
    if (answer.result >= 0) stage.sockets.set(socket, { fd: answer.result, stream: type === "stream" });
    return okOf(answer);
  },
  bind: async (stage, { task, socket, address }) =>
    okOf(await stage.ask(task, "bind", stage.socket(socket).fd, encodeSockaddr(address))),
  listen: async (stage, { task, socket, backlog }) =>
    okOf(await stage.ask(task, "listen", stage.socket(socket).fd, backlog ?? 16)),
  connect: async (stage, { task, socket, address }, expected) => {
    const ms = isDeepStrictEqual(expected, { errno: "ETIMEDOUT" }) ? QUIET_MS : LIMIT_MS;
    const answer = await stage.ask(task, "connect", stage.socket(socket).fd, encodeSockaddr(address), ms);
    return nameErrno(-answer.result) === "EINTR" ? { errno: "ETIMEDOUT" } : okOf(answer);
  },
  accept: async (stage, { task, socket, as, nonblock }, expected) => {
    const flags = nonblock === true ? NONBLOCK : 0;
    const answer = await stage.ask(task, "accept", stage.socket(socket).fd, flags, patience(NOTHING, expected));
    if (answer.result < 0) return failed(answer);
    stage.sockets.set(as, { fd: answer.result, stream: true });
    return { peer: decodeSockaddr(answer.words[0] ?? "") ?? "" };
  },
  send: async (stage, { task, socket, data, flags }) =>
    sentOf(await stage.ask(task, "send", stage.socket(socket).fd, bits(flags), hex(payloadBytes(data)), "-")),
  sendto: async (stage, { task, socket, data, to, flags }) => {
    const bytes = hex(payloadBytes(data));
    return sentOf(await stage.ask(task, "send", stage.socket(socket).fd, bits(flags), bytes, encodeSockaddr(to)));
  },
  recv: receive,
  recvfrom: async (stage, { task, socket, length, flags }, expected) => {
    const ms = patience(NOTHING, expected);
    const answer = await stage.ask(task, "recv", stage.socket(socket).fd, length ?? 4096, bits(flags), ms);
    if (answer.result < 0) return failed(answer);
    return { data: showData(dataOf(answer)), from: decodeSockaddr(answer.words[1] ?? "") };
  },
  shutdown: async (stage, { task, socket, how }) =>
    okOf(await stage.ask(task, "shutdown", stage.socket(socket).fd, HOW[how])),
  close: async (stage, { task, socket }) => {
    const { fd } = stage.socket(socket);
    stage.sockets.delete(socket);
    return okOf(await stage.ask(task, "close", fd));
  },
  getsockname: async (stage, { task, socket }) => nameOf(await stage.ask(task, "getsockname", stage.socket(socket).fd)),
  getpeername: async (stage, { task, socket }) => nameOf(await stage.ask(task, "getpeername", stage.socket(socket).fd)),
  setsockopt: async (stage, { task, socket, value, ...option }) => {
    const bytes = typeof value === "string" ? value : hex(new Uint8Array(Int32Array.of(value).buffer));
    return okOf(await stage.ask(task, "setsockopt", stage.socket(socket).fd, ...numbers(option), bytes || "-"));
  },
  getsockopt: async (stage, { task, socket, length, ...option }) => {
    const answer = await stage.ask(task, "getsockopt", stage.socket(socket).fd, ...numbers(option), length ?? 4);
    return answer.result < 0 ? failed(answer) : { value: answer.words[0] ?? "" };
  },
  poll,
  put: async (stage, { task, socket, map, key, mode }) => {
    const target = stage.map(map);
    const fd = await stage.lend(target.fd);
    const bytes = hex(encodeValue(target.keyCodec, key));
    const answer = await stage.ask(task, "put", fd, bytes, stage.socket(socket).fd, SET_FLAGS[mode ?? "any"]);
    await stage.hands.must("close", fd);
    return okOf(answer);
  },
  storage: async (stage, { task, socket, map }) => {
    const target = stage.map(map);
    const fd = await stage.lend(target.fd);
    const answer = await stage.ask(task, "storage", fd, stage.socket(socket).fd, target.valueCodec.size);
    await stage.hands.must("close", fd);
    return answer.result < 0 ? failed(answer) : { value: plain(target.valueCodec.decode(dataOf(answer))) };
  },
  reuseport: async (stage, { task, socket, program }) => {
    const fd = await stage.lend(stage.program(program).fd);
    const value = hex(new Uint8Array(Int32Array.of(fd).buffer));
    const at = [stage.socket(socket).fd, OPTION_LEVELS.SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, value] as const;
    const answer = await stage.ask(task, "setsockopt", ...at);
    await stage.hands.must("close", fd);
    return okOf(answer);
  },
  "reuseport-detach": async (stage, { task, socket }) => {
    const at = [stage.socket(socket).fd, OPTION_LEVELS.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, "00000000"] as const;
    return okOf(await stage.ask(task, "setsockopt", ...at));
  },
  get: (stage, { map: ref, key }) =>
    attempt(async () => {
      const map = stage.map(ref);
      const value = map.getRaw(encodeValue(map.keyCodec, key));
      return value === undefined ? { errno: "ENOENT" } : { value: valueOf(map, map.valueCodec.decode(value)) };
    }),
  set: (stage, entry) => attempt(async () => stage.setEntry(entry)),
  delete: (stage, { map: ref, key }) =>
    attempt(async () => {
      const map = stage.map(ref);
      return map.deleteRaw(encodeValue(map.keyCodec, key)) ? "ok" : { errno: "ENOENT" };
    }),
  dump: async (stage, { map: ref }) => {
    const map = stage.map(ref);
    const isArray = map.shape.type === "array";
    const entries = [...map.entriesRaw()]
      .filter(([, value]) => !isArray || value.some((byte) => byte !== 0))
      .toSorted(([a], [b]) => Buffer.compare(a, b))
      .map(([k, v]) => [plain(map.keyCodec.decode(k)), valueOf(map, map.valueCodec.decode(v))] as const);
    return { entries };
  },
  events,
  attach: (stage, { attachment }) => attempt(() => stage.attach(attachment)),
  detach: (stage, { id }) => attempt(() => stage.detach(id)),
  replace: (stage, { id, program }) => attempt(() => stage.replace(id, program)),
  move: async (stage, { task, cgroup }) => okOf(await stage.ask(task, "move", stage.cgroup(cgroup))),
  link: async (stage, { netns, device, up }) => {
    stage.ip(netns, `link set ${device} ${up ? "up" : "down"}`);
    return "ok";
  },
  wait: async (_, { ms }) => {
    await sleep(ms);
    return "ok";
  },
};

// ---- what may take a while

async function receive(
  stage: Stage,
  { task, socket, length = 4096, once, flags }: StepOf<"recv">,
  expected: Observation | undefined,
): Promise<Observation> {
  const { fd, stream } = stage.socket(socket);
  const single = once === true || !stream;
  const parts: Uint8Array[] = [];
  let size = 0;
  const so = (): { data: string } => ({ data: showData(Buffer.concat(parts)) });
  for (;;) {
    const ms = patience(size === 0 ? NOTHING : so(), expected);
    const answer = await stage.ask(task, "recv", fd, length - size, bits(flags), ms);
    if (answer.result < 0) {
      if (size === 0) return failed(answer);
      return nameErrno(-answer.result) === "EAGAIN" ? so() : { ...so(), ...failed(answer) };
    }
    if (answer.result === 0 && stream) return size === 0 ? { end: true } : { ...so(), end: true };
    parts.push(dataOf(answer));
    size += answer.result;
    if (single || size >= length) return so();
  }
}

async function poll(
  stage: Stage,
  { task, socket, for: wanted }: StepOf<"poll">,
  expected: Observation | undefined,
): Promise<Observation> {
  const asked = wanted.reduce((sum, name) => sum | POLL_EVENTS[name], 0);
  const names = Object.keys(POLL_EVENTS) as PollEvent[];
  const until = Date.now() + (expected === undefined ? QUIET_MS : LIMIT_MS);
  for (;;) {
    const { result } = await stage.ask(task, "poll", stage.socket(socket).fd, asked, 0);
    const seen = { ready: names.filter((name) => (result & POLL_EVENTS[name]) !== 0) };
    const complete = expected === undefined ? (result & asked) === asked : isDeepStrictEqual(seen, expected);
    if (complete || Date.now() > until) return seen;
    await sleep(1);
  }
}

async function events(
  stage: Stage,
  { map, by }: StepOf<"events">,
  expected: Observation | undefined,
): Promise<Observation> {
  const ring = stage.ring(map);
  const came: Plain[] = [];
  const count = typeof expected === "object" && "events" in expected ? expected.events.length : undefined;
  const wait = (): number => (count === undefined ? QUIET_MS : came.length < count ? LIMIT_MS : GRACE_MS);
  for (let quietSince = Date.now(); Date.now() - quietSince < wait(); await sleep(1)) {
    for (let event = ring.read(); event !== undefined; event = ring.read()) {
      came.push(plain(event));
      quietSince = Date.now();
    }
  }
  return { events: by === undefined ? came : groupBy(came, by) };
}

// ---- answers as observations

function failed({ result }: Answer): { errno: string } {
  return { errno: nameErrno(-result) };
}

function okOf(answer: Answer): Observation {
  return answer.result < 0 ? failed(answer) : "ok";
}

function sentOf(answer: Answer): Observation {
  return answer.result < 0 ? failed(answer) : { sent: answer.result };
}

function nameOf(answer: Answer): Observation {
  return answer.result < 0 ? failed(answer) : { address: decodeSockaddr(answer.words[0] ?? "") ?? "" };
}

function dataOf({ words: [data = ""] }: Answer): Uint8Array {
  return Uint8Array.from(Buffer.from(data, "hex"));
}

/** What something of the loader gives, or its error as an observation. */
async function attempt(work: () => Promise<Observation | void>): Promise<Observation> {
  try {
    return (await work()) ?? "ok";
  } catch (failure) {
    return { errno: errnoOf(failure) };
  }
}

// ---- small conversions

function hex(bytes: Uint8Array): string {
  return bytes.length === 0 ? "-" : Buffer.from(bytes).toString("hex");
}

function bits(flags: readonly MessageFlag[] = []): number {
  return flags.reduce((sum, name) => sum | MESSAGE_FLAGS[name], 0);
}

function numbers({ level, name }: Option): [number, number] {
  return [
    typeof level === "number" ? level : OPTION_LEVELS[level],
    typeof name === "number" ? name : OPTION_NAMES[name],
  ];
}

const OF_SOCKETS: ReadonlySet<string> = new Set(["sockmap", "sockhash", "reuseport_sockarray"]);

/** A decoded value as it is shown; maps of sockets give cookies to user space. */
function valueOf(map: { readonly shape: { readonly type: string } }, value: unknown): Plain {
  const shown = plain(value);
  return OF_SOCKETS.has(map.shape.type) ? { cookie: shown } : shown;
}
