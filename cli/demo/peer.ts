/**
 * A program that runs inside a pod of the test bed: an ordinary TCP server and client. It is told what to do by JSON
 * lines on standard input and answers each with one line on standard output; it ends when its input does.
 * It imports nothing of ours: what it sees of eBPF is what any program sees.
 */
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";

export type Request =
  | { readonly do: "listen"; readonly port: number }
  | { readonly do: "connect"; readonly address: string; readonly port: number; readonly timeoutMs: number }
  | { readonly do: "exchange"; readonly id: number; readonly rounds: number; readonly size: number }
  | { readonly do: "disconnect"; readonly id: number };

export interface Listening {
  readonly kind: "listening";
  readonly port: number;
}

/** What became of an attempt. `errno` is node's name of the error (`ECONNREFUSED`, `EPERM`), null without one. */
export interface ConnectResult {
  readonly kind: "connect";
  readonly id: number;
  readonly outcome: "connected" | "timeout" | "failed";
  readonly errno: string | null;
  /** getpeername(2): `address:port`; null when not connected. */
  readonly peer: string | null;
  /** getsockname(2). */
  readonly local: string | null;
  readonly ms: number;
}

export interface Exchanged {
  readonly kind: "exchanged";
  /** True when every echo equalled what was sent. */
  readonly intact: boolean;
  readonly bytes: number;
  readonly ms: number;
}

export type Reply =
  | { readonly kind: "ready" }
  | Listening
  | ConnectResult
  | Exchanged
  | { readonly kind: "disconnected" }
  | { readonly kind: "error"; readonly message: string };

const EXCHANGE_LIMIT_MS = 10_000;

const sockets = new Map<number, Socket>();
let nextId = 1;

function listen(port: number): Promise<Reply> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy()); // the other side may be killed at any time
    socket.pipe(socket);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "0.0.0.0", () => resolve({ kind: "listening", port }));
  });
}

function open(address: string, port: number, timeoutMs: number): Promise<Reply> {
  const id = nextId++;
  const start = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const finish = (outcome: ConnectResult["outcome"], errno: string | null): void => {
      clearTimeout(timer);
      const connected = outcome === "connected";
      if (connected) sockets.set(id, socket);
      else socket.destroy();
      const peer = connected ? `${socket.remoteAddress}:${socket.remotePort}` : null;
      const local = connected ? `${socket.localAddress}:${socket.localPort}` : null;
      resolve({ kind: "connect", id, outcome, errno, peer, local, ms: performance.now() - start });
    };
    const timer = setTimeout(() => finish("timeout", null), timeoutMs);
    socket.setNoDelay(true);
    socket.once("connect", () => finish("connected", null));
    socket.on("error", (error: NodeJS.ErrnoException) => finish("failed", error.code ?? error.message));
  });
}

async function exchange(id: number, rounds: number, size: number): Promise<Reply> {
  const socket = socketOf(id);
  const start = performance.now();
  let intact = true;
  for (let round = 0; round < rounds; round++) {
    const message = Buffer.alloc(size, `${round} `);
    const echo = receive(socket, size);
    socket.write(message);
    intact = message.equals(await echo) && intact;
  }
  return { kind: "exchanged", intact, bytes: rounds * size, ms: performance.now() - start };
}

/** The next `size` bytes from a socket. */
function receive(socket: Socket, size: number): Promise<Buffer> {
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
    const late = (): void => finish(new Error(`${got} of ${size} bytes came back within ${EXCHANGE_LIMIT_MS} ms`));
    const timer = setTimeout(late, EXCHANGE_LIMIT_MS);
    socket.on("data", onData).on("close", onClose);
  });
}

function disconnect(id: number): Promise<Reply> {
  const socket = socketOf(id);
  sockets.delete(id);
  return new Promise((resolve) => {
    socket.once("close", () => resolve({ kind: "disconnected" }));
    socket.end();
    socket.resume();
  });
}

function socketOf(id: number): Socket {
  const socket = sockets.get(id);
  if (socket === undefined) throw new RangeError(`no connection ${id}`);
  return socket;
}

function handle(request: Request): Promise<Reply> {
  switch (request.do) {
    case "listen":
      return listen(request.port);
    case "connect":
      return open(request.address, request.port, request.timeoutMs);
    case "exchange":
      return exchange(request.id, request.rounds, request.size);
    case "disconnect":
      return disconnect(request.id);
  }
}

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

process.on("SIGINT", () => undefined); // Ctrl-C reaches the whole group; the bed decides when we end
reply({ kind: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    reply(await handle(JSON.parse(line) as Request));
  } catch (error) {
    reply({ kind: "error", message: error instanceof Error ? error.message : String(error) });
  }
}
process.exit(0);
