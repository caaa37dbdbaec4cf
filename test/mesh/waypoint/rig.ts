/** A waypoint on this machine's loopback, in front of a server that remembers what it was asked. No kernel programs. */
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { missingShim } from "../../../loader/sys/shim.ts";
import { connectTcp, listenTcp } from "ebpf-ts/loader";
import { Http1 } from "../../../mesh/waypoint/http1/conversation.ts";
import { HTTP_LIMITS } from "../../../mesh/waypoint/http1/refusals.ts";
import { makeJudge } from "../../../mesh/waypoint/judge.ts";
import { Proxy, TIMEOUTS } from "../../../mesh/waypoint/proxy.ts";
import type { Timeouts } from "../../../mesh/waypoint/proxy.ts";
import type { AccessRecord, ConnectionPolicy, Dialer, Origin } from "../../../mesh/waypoint/types.ts";
import type { Direction, HttpRule } from "../../../mesh/objects/types.ts";

const missing = missingShim();
if (missing !== null) process.stderr.write(`skipped: sockets of the waypoint: ${missing}\n`);
/** For `describe.skipIf`. */
export const noShim: boolean = missing !== null;

export const ANY: HttpRule = { method: null, path: null, host: null, headers: [] };

/** Rules numbered from 1. */
export function rules(...given: readonly Partial<HttpRule>[]): ConnectionPolicy {
  return { judge: makeJudge({ rules: given.map((http, i) => ({ rule: i + 1, http: { ...ANY, ...http } })) }) };
}

export interface Rig extends AsyncDisposable {
  readonly proxy: Proxy;
  readonly port: number;
  readonly records: AccessRecord[];
  readonly complaints: string[];
  /** Replaced as a whole: the policy of all connections. */
  policy: { judge: ConnectionPolicy["judge"] };
}

export interface RigOptions {
  readonly policy: ConnectionPolicy;
  readonly timeouts?: Partial<Timeouts>;
  /** False: the steering knows no connection. */
  readonly steered?: boolean;
  /** Default: ingress. */
  readonly direction?: Direction;
  /** Default: it connects to the destination. */
  readonly dialer?: Dialer;
}

const CONNECTS: Dialer = {
  dial: ({ destination }) => ({ fd: connectTcp(destination), ended: () => undefined }),
};

/** A waypoint in front of `port`. */
export function startRig(port: number, options: RigOptions): Rig {
  const { policy, timeouts = {}, steered = true, direction = "ingress", dialer = CONNECTS } = options;
  const records: AccessRecord[] = [];
  const complaints: string[] = [];
  const live = { judge: policy.judge };
  const proxy = new Proxy({
    protocol: new Http1(HTTP_LIMITS),
    steering: {
      originOf: ({ remote }) => (steered ? originOf(remote, port, direction) : null),
    },
    policies: { open: () => live, close: () => undefined },
    dialer,
    timeouts: { ...TIMEOUTS, ...timeouts },
    record: (record) => records.push(record),
    complain: (message) => complaints.push(message),
  });
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  proxy.serve(listener, { endpoint: 1, direction });
  return {
    proxy,
    port: listener.local.port,
    records,
    complaints,
    policy: live,
    [Symbol.asyncDispose]: async () => proxy.close(),
  };
}

function originOf(client: Origin["client"], port: number, direction: Direction): Origin {
  const destination = { address: "127.0.0.1", port };
  return { direction, endpoint: 1, identity: 300, client, destination, l7: 1, rule: 9 };
}

/** A server that is torn down with its connections. */
export interface Running extends AsyncDisposable {
  readonly port: number;
}

export async function running(server: NetServer): Promise<Running> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Node's HTTP server, reading as leniently as it can: what it misreads is a desync that was let through. */
export function lenientServer(handle: RequestListener): Server {
  return createServer({ insecureHTTPParser: true, requireHostHeader: false, keepAliveTimeout: 60_000 }, handle);
}

/** Sends bytes, ends, and gives all that comes back; a reset counts as the end. */
export function exchange(port: number, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const parts: Buffer[] = [];
    socket.on("data", (part) => parts.push(part));
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("close", () => resolve(Buffer.concat(parts).toString("latin1")));
    for (const piece of pieces) socket.write(piece, "latin1");
    socket.end();
  });
}

/** A client socket with all that it has received. */
export function dial(port: number) {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const state = { socket, text: "", ended: false, closed: false, error: "" };
  socket.on("data", (piece) => (state.text += piece.toString("latin1")));
  socket.on("end", () => (state.ended = true));
  socket.on("error", (error: NodeJS.ErrnoException) => (state.error = error.code ?? ""));
  socket.on("close", () => (state.closed = true));
  return state;
}

/** Waits until it is so, or the time is over. */
export async function until(what: () => boolean, ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!what()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
