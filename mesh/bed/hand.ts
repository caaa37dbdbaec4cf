/**
 * A program that runs inside a pod of the test bed: an ordinary server and client of TCP, UDP and HTTP. It is told what to
 * do by messages over its IPC channel, many at once, and answers each by its number; it ends when the channel does.
 * It imports nothing of ours but the ICMP socket that Node does not have: what it sees of the mesh is what any program sees.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer as createHttpServer, request as requestHttp } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect, createServer, isIPv6 } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What a server does: TCP and UDP send back what comes; HTTP answers 200 with what it was asked, as JSON. */
export type Service = "tcp" | "udp" | "http";
/** ICMP is answered by the kernel: echo requests, and time stamp requests of IPv4. */
export type Client = Service | "icmp";

export interface HttpRequest {
  readonly method: string;
  /** As sent, with the query. */
  readonly path: string;
  /** The Host header; the address and port when absent. */
  readonly host?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

/** One try to reach somebody, from a socket of its own that is closed afterwards. */
export interface Try {
  readonly service: Client;
  readonly address: string;
  /** ICMP: the type of the request. */
  readonly port: number;
  /** No answer for so long is a time-out. */
  readonly limitMs: number;
  /** For HTTP. */
  readonly request?: HttpRequest;
  /**
   * For TCP: reached only when the other end answers this end's FIN with its own. A waypoint in the pod's namespace accepts
   * connections before it has one to the server.
   */
  readonly orderly?: boolean;
}

/**
 * What became of it. `reached`: TCP connected, UDP had its echo, HTTP an answer of whatever status. `refused`: a reset or
 * an ICMP error. `cut`: connected, and then closed without an HTTP answer. `forbidden`: connect() or send() failed with EPERM.
 */
export interface Tried {
  readonly outcome: "reached" | "refused" | "timeout" | "forbidden" | "cut" | "failed";
  /** Node's name of the error (`ECONNREFUSED`); null without one. */
  readonly errno: string | null;
  /** getpeername(2): `address:port`; null when not connected. */
  readonly peer: string | null;
  /** getsockname(2). */
  readonly local: string | null;
  /** HTTP only. */
  readonly status: number | null;
  /** Of an HTTP answer. */
  readonly body: string | null;
  readonly ms: number;
}

export interface Exchanged {
  /** True when every echo equalled what was sent. */
  readonly intact: boolean;
  readonly bytes: number;
  readonly ms: number;
}

/** What came of many. */
export interface Totals {
  readonly count: number;
  /**
   * How many had which outcome: of a try its outcome, or the status where HTTP answered; of a message `intact`, or what went
   * wrong; of a datagram `sent`, or the error.
   */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The longest that succeeded. */
  readonly slowestMs: number;
}

/** How a kept connection ended. */
export interface Ended {
  readonly how: "closed" | "error";
  readonly errno: string | null;
}

/** What a hand can be told, and what it gives back. */
export interface Tasks {
  listen: {
    readonly ask: { readonly service: Service; readonly port: number };
    readonly gives: { readonly port: number };
  };
  try: { readonly ask: Try; readonly gives: Tried };
  connect: {
    readonly ask: { readonly address: string; readonly port: number; readonly limitMs: number };
    readonly gives: Tried & { readonly connection: number };
  };
  exchange: {
    /** `limitMs`: for each echo. */
    readonly ask: {
      readonly connection: number;
      readonly rounds: number;
      readonly size: number;
      readonly limitMs: number;
    };
    readonly gives: Exchanged;
  };
  /** Tries again and again, each time `everyMs` after the last one began, or at once when it took longer. */
  repeat: { readonly ask: { readonly one: Try; readonly everyMs: number }; readonly gives: { readonly run: number } };
  /** Sends messages over a kept connection, each `everyMs` after the last one's echo was there. */
  pump: {
    readonly ask: { readonly connection: number; readonly size: number; readonly everyMs: number };
    readonly gives: { readonly run: number };
  };
  /** Sends datagrams and waits for nothing: `count` at once, every so often. */
  flood: {
    readonly ask: { readonly address: string; readonly port: number; readonly count: number; readonly everyMs: number };
    readonly gives: { readonly run: number };
  };
  /** Of all datagrams that its UDP servers got: how many, by the sender's address. */
  tally: {
    readonly ask: Record<string, never>;
    readonly gives: { readonly datagrams: Readonly<Record<string, number>> };
  };
  /** Ends what `repeat`, `pump` or `flood` began. */
  halt: { readonly ask: { readonly run: number }; readonly gives: Totals };
  /** Answered when the connection has ended, by whomever. */
  ended: { readonly ask: { readonly connection: number }; readonly gives: Ended };
  disconnect: { readonly ask: { readonly connection: number }; readonly gives: Ended };
}
export type TaskName = keyof Tasks;
export type Request = {
  [K in TaskName]: { readonly id: number; readonly task: K; readonly ask: Tasks[K]["ask"] };
}[TaskName];
export type Reply =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly id: number; readonly gives: Tasks[TaskName]["gives"] }
  | { readonly kind: "error"; readonly id: number; readonly message: string };

/** A message of `pump` that has no echo for so long is lost. */
const PUMP_LIMIT_MS = 10_000;
/** After one that was lost. */
const PUMP_PAUSE_MS = 100;
/** A datagram that is lost on a busy machine is sent again; the other side answers each. */
const RESEND_MS = 250;

interface Kept {
  readonly socket: Socket;
  readonly ended: Promise<Ended>;
}
const connections = new Map<number, Kept>();
let nextConnection = 1;

// ---- servers ----

/**
 * Serves on a port of IPv4, and on the same one of IPv6 where there is IPv6. Two sockets, because a connection of IPv4 to
 * a socket of both is one of IPv6 to programs at cgroup hooks.
 */
async function listen({ service, port }: Tasks["listen"]["ask"]): Promise<Tasks["listen"]["gives"]> {
  const taken = await SERVERS[service](port, false);
  await SERVERS[service](taken, true).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRNOTAVAIL" && error.code !== "EAFNOSUPPORT") throw error;
  });
  return { port: taken };
}

/** Opens a socket; gives its port. */
const SERVERS: Readonly<Record<Service, (port: number, ipv6: boolean) => Promise<number>>> = {
  tcp: (port, ipv6) => open(echoServer(), port, ipv6),
  http: (port, ipv6) => open(httpServer(), port, ipv6),
  udp: openUdp,
};

function open(server: Server, port: number, ipv6: boolean): Promise<number> {
  return new Promise((done, fail) => {
    server.once("error", fail);
    const where = ipv6 ? { host: "::", ipv6Only: true } : { host: "0.0.0.0" };
    server.listen({ port, ...where }, () => done((server.address() as AddressInfo).port));
  });
}

function httpServer(): Server {
  return createHttpServer((asked, answer) => {
    void echoRequest(asked).then((text) => answer.end(text));
  });
}

function echoServer(): Server {
  return createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy()); // the other side may be killed at any time
    socket.pipe(socket);
  });
}

async function echoRequest(asked: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of asked.setEncoding("utf8")) body += String(chunk);
  const { method, url, headers, socket } = asked;
  return JSON.stringify({ method, path: url, headers, body, from: socket.remoteAddress });
}

/** Datagrams by sender. */
const received: Record<string, number> = {};

function openUdp(port: number, ipv6: boolean): Promise<number> {
  const socket = createSocket(ipv6 ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
  socket.on("message", (data, from) => {
    received[from.address] = (received[from.address] ?? 0) + 1;
    socket.send(data, from.port, from.address);
  });
  return new Promise((done, fail) => {
    socket.once("error", fail);
    socket.bind(port, ipv6 ? "::" : "0.0.0.0", () => {
      socket.off("error", fail).on("error", () => undefined); // an ICMP error of an answer that nobody waits for
      done(socket.address().port);
    });
  });
}

// ---- clients ----

const NOTHING = { errno: null, peer: null, local: null, status: null, body: null };
const end = (address: string | undefined, port: number | undefined): string => `${address}:${port}`;
const ends = (socket: Socket): Pick<Tried, "peer" | "local"> => ({
  peer: end(socket.remoteAddress, socket.remotePort),
  local: end(socket.localAddress, socket.localPort),
});

const REFUSALS = new Set(["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EACCES"]);

function classify(errno: string): Tried["outcome"] {
  if (errno === "EPERM") return "forbidden";
  return REFUSALS.has(errno) ? "refused" : "failed";
}

/** Node's errors have a code, the loader's a name. */
const errnoOf = (error: Error & { readonly code?: string; readonly errnoName?: string }): string =>
  error.code ?? error.errnoName ?? error.message;

/** Runs `start` until it settles or the time is over; `stop` undoes it. */
function withLimit(limitMs: number, start: (finish: (found: Omit<Tried, "ms">) => void) => () => void): Promise<Tried> {
  const began = performance.now();
  return new Promise((done) => {
    let over = false;
    const finish = (found: Omit<Tried, "ms">): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      stop();
      done({ ...found, ms: performance.now() - began });
    };
    const timer = setTimeout(() => finish({ ...NOTHING, outcome: "timeout" }), limitMs);
    const stop = start((found) => setImmediate(finish, found));
  });
}

function tryTcp(
  { address, port, limitMs, orderly = false }: Omit<Try, "service">,
  keep?: (socket: Socket) => void,
): Promise<Tried> {
  return withLimit(limitMs, (finish) => {
    const socket = connect({ host: address, port, noDelay: true });
    let kept = false;
    socket.once("connect", () => {
      kept = keep !== undefined;
      if (kept) keep?.(socket);
      const reached: Omit<Tried, "ms"> = { ...NOTHING, outcome: "reached", ...ends(socket) };
      if (orderly)
        socket
          .once("end", () => finish(reached))
          .end()
          .resume();
      else finish(reached);
    });
    socket.on("error", (error) => finish({ ...NOTHING, outcome: classify(errnoOf(error)), errno: errnoOf(error) }));
    return () => void (kept || socket.destroy());
  });
}

function tryUdp({ address, port, limitMs }: Try): Promise<Tried> {
  return withLimit(limitMs, (finish) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const fail = (error: Error): void =>
      finish({ ...NOTHING, outcome: classify(errnoOf(error)), errno: errnoOf(error) });
    const send = (): void => socket.send("?", port, address, (error) => void (error !== null && fail(error)));
    const again = setInterval(send, RESEND_MS);
    socket.on("message", (_data, from) => {
      const { address: own, port: ownPort } = socket.address();
      finish({ ...NOTHING, outcome: "reached", peer: end(from.address, from.port), local: end(own, ownPort) });
    });
    socket.on("error", fail);
    send();
    return () => {
      clearInterval(again);
      socket.close();
    };
  });
}

function tryHttp({ address, port, limitMs, request }: Try): Promise<Tried> {
  const { method, path, host, headers = [], body = "" } = request ?? { method: "GET", path: "/" };
  return withLimit(limitMs, (finish) => {
    const all: Record<string, string[]> = host === undefined ? {} : { Host: [host] };
    for (const [name, value] of headers) (all[name] ??= []).push(value);
    if (body !== "") all["Content-Length"] = [String(Buffer.byteLength(body))];
    const asked = requestHttp({
      host: address,
      port,
      method,
      path,
      headers: all,
      agent: false,
      insecureHTTPParser: false,
    });
    let at: Pick<Tried, "peer" | "local"> | null = null;
    asked.on("socket", (socket) => socket.once("connect", () => (at = ends(socket))));
    asked.on("error", (error) => {
      const outcome = at === null ? classify(errnoOf(error)) : "cut";
      finish({ ...NOTHING, outcome, errno: errnoOf(error), ...at });
    });
    asked.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("error", () => undefined);
      answer.on("close", () => {
        finish({ ...NOTHING, ...at, outcome: "reached", status: answer.statusCode ?? null, body: text });
      });
    });
    asked.end(body);
    return () => void asked.destroy();
  });
}

/** Requests that kernels answer, with the answer's type: RFC 792, RFC 4443. */
const ICMP_ANSWERS: Readonly<Record<number, number>> = { 8: 0, 13: 14, 128: 129 };
const ICMP_LENGTH = 20;

async function tryIcmp({ address, port: type, limitMs }: Try): Promise<Tried> {
  const began = performance.now();
  const give = (outcome: Tried["outcome"], errno: string | null = null): Tried => {
    return { ...NOTHING, outcome, errno, ms: performance.now() - began };
  };
  // Only here: whoever does not ask for ICMP needs no shim.
  const { connectIcmp } = await import("ebpf-ts/loader");
  try {
    using socket = connectIcmp({ address });
    const identifier = randomInt(0x10000);
    socket.send(icmpRequest(type, identifier));
    const signal = AbortSignal.timeout(limitMs);
    for (let got = await socket.receive(signal); got !== null; got = await socket.receive(signal)) {
      const view = new DataView(got.buffer, got.byteOffset, got.byteLength);
      if (got[0] === ICMP_ANSWERS[type] && view.getUint16(4) === identifier) return give("reached");
    }
    return give("timeout");
  } catch (error) {
    return give(classify(errnoOf(error as Error)), errnoOf(error as Error));
  }
}

/** Type, code, checksum, identifier, sequence number, and three words: of a time stamp request, its times. */
function icmpRequest(type: number, identifier: number): Uint8Array {
  const bytes = new Uint8Array(ICMP_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint16(4, identifier);
  view.setUint16(6, 1);
  let sum = 0;
  for (let at = 0; at < ICMP_LENGTH; at += 2) sum += view.getUint16(at);
  view.setUint16(2, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  return bytes;
}

const TRIES: Readonly<Record<Client, (one: Try) => Promise<Tried>>> = {
  tcp: (one) => tryTcp(one),
  udp: tryUdp,
  http: tryHttp,
  icmp: tryIcmp,
};

// ---- kept connections ----

async function keep(ask: Tasks["connect"]["ask"]): Promise<Tasks["connect"]["gives"]> {
  const connection = nextConnection++;
  const tried = await tryTcp(ask, (socket) => {
    let errno: string | null = null;
    socket.on("error", (error) => (errno = errnoOf(error)));
    const ended = new Promise<Ended>((done) => {
      socket.once("close", () => done({ how: errno === null ? "closed" : "error", errno }));
      socket.once("end", () => socket.end());
    });
    connections.set(connection, { socket, ended });
  });
  return { ...tried, connection };
}

async function exchange({ connection, rounds, size, limitMs }: Tasks["exchange"]["ask"]): Promise<Exchanged> {
  const { socket } = keptOf(connection);
  const began = performance.now();
  let intact = true;
  for (let round = 0; round < rounds; round++) intact = (await echoes(socket, round, size, limitMs)) && intact;
  return { intact, bytes: rounds * size, ms: performance.now() - began };
}

/** Sends a message and waits for its echo. */
async function echoes(socket: Socket, round: number, size: number, limitMs: number): Promise<boolean> {
  const message = Buffer.alloc(size, `${round} `);
  const echo = receive(socket, size, limitMs);
  socket.write(message);
  return message.equals(await echo);
}

/** The next `size` bytes from a socket. */
function receive(socket: Socket, size: number, limitMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let got = 0;
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      got += chunk.length;
      if (got >= size) finish();
    };
    const onClose = (): void => finish(new Error(`the connection closed after ${got} of ${size} bytes`));
    const late = (): void => finish(new Error(`${got} of ${size} bytes came back within ${limitMs} ms`));
    const timer = setTimeout(late, limitMs);
    socket.on("data", onData).on("close", onClose);
  });
}

function disconnect({ connection }: Tasks["disconnect"]["ask"]): Promise<Ended> {
  const { socket, ended } = keptOf(connection);
  connections.delete(connection);
  socket.end();
  socket.resume();
  return ended;
}

function keptOf(connection: number): Kept {
  const kept = connections.get(connection);
  if (kept === undefined) throw new RangeError(`no connection ${connection}`);
  return kept;
}

// ---- many ----

interface Run {
  going: boolean;
  readonly totals: Promise<Totals>;
}
const runs = new Map<number, Run>();
let nextRun = 1;

/** Does something until it is halted; `once` gives the outcome, and how long to rest. */
function begin(
  once: (i: number) => Promise<{ readonly outcome: string; readonly ms: number; readonly restMs: number }>,
): {
  readonly run: number;
} {
  const run = nextRun++;
  const outcomes: Record<string, number> = {};
  let slowestMs = 0;
  const work = async (): Promise<Totals> => {
    let count = 0;
    for (; state.going; count++) {
      const { outcome, ms, restMs } = await once(count);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      slowestMs = Math.max(slowestMs, ms);
      if (restMs > 0) await sleep(restMs);
    }
    return { count, outcomes, slowestMs };
  };
  const state: { going: boolean } = { going: true };
  const totals = work();
  runs.set(run, Object.assign(state, { totals }));
  return { run };
}

function repeat({ one, everyMs }: Tasks["repeat"]["ask"]): Tasks["repeat"]["gives"] {
  return begin(async () => {
    const { outcome, status, ms } = await TRIES[one.service](one);
    return {
      outcome: status === null ? outcome : String(status),
      ms: outcome === "reached" ? ms : 0,
      restMs: everyMs - ms,
    };
  });
}

function pump({ connection, size, everyMs }: Tasks["pump"]["ask"]): Tasks["pump"]["gives"] {
  const { socket } = keptOf(connection);
  return begin(async (i) => {
    const began = performance.now();
    try {
      const intact = await echoes(socket, i, size, PUMP_LIMIT_MS);
      return { outcome: intact ? "intact" : "damaged", ms: performance.now() - began, restMs: everyMs };
    } catch (error) {
      return { outcome: errnoOf(error as Error), ms: 0, restMs: PUMP_PAUSE_MS };
    }
  });
}

function flood({ address, port, count, everyMs }: Tasks["flood"]["ask"]): Tasks["flood"]["gives"] {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  socket.on("error", () => undefined); // an ICMP error
  const send = (): Promise<string> =>
    new Promise((done) => {
      socket.send("!", port, address, (error) => done(error === null ? "sent" : errnoOf(error)));
    });
  return begin(async (i) => ({ outcome: await send(), ms: 0, restMs: i % count === count - 1 ? everyMs : 0 }));
}

function halt({ run }: Tasks["halt"]["ask"]): Promise<Totals> {
  const found = runs.get(run);
  if (found === undefined) throw new RangeError(`no run ${run}`);
  runs.delete(run);
  found.going = false;
  return found.totals;
}

// ---- the channel ----

function handle(request: Request): Promise<Tasks[TaskName]["gives"]> {
  switch (request.task) {
    case "listen":
      return listen(request.ask);
    case "try":
      return TRIES[request.ask.service](request.ask);
    case "connect":
      return keep(request.ask);
    case "exchange":
      return exchange(request.ask);
    case "repeat":
      return Promise.resolve(repeat(request.ask));
    case "pump":
      return Promise.resolve(pump(request.ask));
    case "flood":
      return Promise.resolve(flood(request.ask));
    case "tally":
      return Promise.resolve({ datagrams: received });
    case "halt":
      return halt(request.ask);
    case "ended":
      return keptOf(request.ask.connection).ended;
    case "disconnect":
      return disconnect(request.ask);
  }
}

function reply(message: Reply): void {
  if (process.connected) process.send?.(message);
}

process.on("SIGINT", () => undefined); // Ctrl-C reaches the whole group; the bed decides when we end
process.on("disconnect", () => process.exit(0));
process.on("message", (request: Request) => {
  const task = async (): Promise<Tasks[TaskName]["gives"]> => handle(request);
  task().then(
    (gives) => reply({ kind: "done", id: request.id, gives }),
    (error: unknown) => {
      reply({ kind: "error", id: request.id, message: error instanceof Error ? error.message : String(error) });
    },
  );
});
reply({ kind: "ready" });
