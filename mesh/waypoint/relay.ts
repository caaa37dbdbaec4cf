/**
 * One client connection: its two sockets, and the conversation between them.
 *
 * Reading allocates nothing: each socket reads into a buffer of its own, which the conversation forwards from. Only when a
 * write could not be done at once, and so keeps the buffer, the next read gets another one. Bulk makes the buffer larger.
 *
 * Egress dials before it reads: the far end's own policy may allow no connection at all, and then the pod must not get an
 * answer of the waypoint's either, but the reset of its connection. Ingress dials with the first request that is allowed: the
 * node may always connect to its pods, and a server need not see clients that are denied everything.
 */
import { Socket } from "node:net";
import type { OnReadOpts, SocketConstructorOpts } from "node:net";
import type {
  AccessRecord,
  ConnectionPolicy,
  Conversation,
  Dialled,
  Dialer,
  Origin,
  Protocol,
  Wires,
} from "./types.ts";

const FIRST_BUFFER = 4096;
const LARGEST_BUFFER = 65_536;

/** What it takes to run relays. */
export interface RelayContext {
  readonly protocol: Protocol;
  readonly dialer: Dialer;
  record(record: AccessRecord): void;
  closed(relay: Relay): void;
}

/** Error codes of a connection that was never made. */
const UNCONNECTED = new Set(["ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "L002"]);

const NOTHING = Buffer.alloc(0);

/** A socket, and the buffer that it reads into. */
class Side {
  readonly socket: Socket;
  buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER);
  /** A write of the other side's still needs the buffer. */
  kept = false;
  private filled = false;

  constructor(fd: number, received: (bytes: Buffer, length: number) => void) {
    const onread: OnReadOpts = {
      buffer: () => this.nextBuffer(),
      callback: (length) => {
        this.filled = length === this.buffer.length;
        received(this.buffer, length);
        return true;
      },
    };
    // The option belongs to the constructor; the types have it with connect() only.
    const options: SocketConstructorOpts & { onread: OnReadOpts } = { fd, allowHalfOpen: true, onread };
    this.socket = new Socket(options);
  }

  private nextBuffer(): Buffer {
    const { length } = this.buffer;
    if (this.kept || (this.filled && length < LARGEST_BUFFER)) {
      this.buffer = Buffer.allocUnsafeSlow(this.filled ? Math.min(4 * length, LARGEST_BUFFER) : length);
      this.kept = false;
      this.filled = false;
    }
    return this.buffer;
  }
}

export class Relay implements Wires {
  readonly origin: Origin;
  readonly policy: ConnectionPolicy;
  /** Coarse time of the last bytes, and of what the conversation waits for: see proxy.ts. */
  quiet = 0;
  waiting = 0;
  private readonly context: RelayContext;
  private readonly conversation: Conversation;
  private readonly client: Side;
  private server: Side | null = null;
  private established = false;
  private clientHeld = false;
  private serverFull = false;
  private clientFull = false;
  private clientClosed = false;
  private serverClosed = true;

  constructor(fd: number, origin: Origin, policy: ConnectionPolicy, context: RelayContext) {
    this.origin = origin;
    this.policy = policy;
    this.context = context;
    this.conversation = context.protocol.converse(origin, policy, this);
    this.client = new Side(fd, (bytes, length) => {
      this.quiet = 0;
      this.conversation.fromClient(bytes, length);
    });
    const { socket } = this.client;
    socket.on("end", () => this.conversation.clientEnded());
    socket.on("error", () => this.conversation.clientFailed());
    socket.on("drain", () => this.flow(() => (this.clientFull = false)));
    socket.on("close", () => this.closedSide(() => (this.clientClosed = true)));
    if (this.dialsFirst) this.dialFirst();
  }

  private get dialsFirst(): boolean {
    return this.origin.direction === "egress";
  }

  get waitsFor(): Conversation["waitsFor"] {
    return this.conversation.waitsFor;
  }

  /** A connection is being made and takes its time. */
  get connecting(): boolean {
    return this.server !== null && !this.established;
  }

  // ---- from the proxy --------------------------------------------------------------------------------------------

  drain(): void {
    this.conversation.drain();
  }

  policyChanged(): void {
    this.conversation.policyChanged();
  }

  timedOut(kind: "headTimeout" | "idleTimeout"): void {
    this.conversation.timedOut(kind);
  }

  connectTimedOut(): void {
    this.server?.socket.destroy();
    this.conversation.serverFailed(false);
  }

  // ---- Wires -----------------------------------------------------------------------------------------------------

  toClient(bytes: Buffer, from: number, to: number): void {
    const { socket } = this.client;
    if (!socket.writable) return;
    const more = socket.write(bytes.subarray(from, to));
    if (socket.writableLength > 0 && this.server?.buffer === bytes) this.server.kept = true;
    if (!more) this.flow(() => (this.clientFull = true));
  }

  toServer(bytes: Buffer, from: number, to: number): void {
    const side = this.server ?? this.dial();
    if (side === null || !side.socket.writable) return;
    const { socket } = side;
    const chunk = bytes.subarray(from, to);
    const more = this.established
      ? socket.write(chunk)
      : socket.write(chunk, (error) => {
          if (error == null) this.established = true;
        });
    if (socket.writableLength > 0 && this.client.buffer === bytes) this.client.kept = true;
    if (!more) this.flow(() => (this.serverFull = true));
  }

  endClient(): void {
    this.client.socket.end();
    // Whatever else comes is read and thrown away, so that no reset overtakes the answer.
    this.flow(() => (this.serverFull = this.clientHeld = false));
  }

  endServer(): void {
    this.server?.socket.end();
  }

  abortServer(): void {
    this.server?.socket.resetAndDestroy();
  }

  abort(): void {
    this.abortServer();
    this.client.socket.resetAndDestroy();
  }

  holdClient(hold: boolean): void {
    this.flow(() => (this.clientHeld = hold));
  }

  record(record: AccessRecord): void {
    this.waiting = 0;
    this.context.record(record);
  }

  // ---- sockets ---------------------------------------------------------------------------------------------------

  /** The client waits in its socket's queue, with its requests, its end or its reset, until the server is connected. */
  private dialFirst(): void {
    this.holdClient(true);
    // A write of nothing is done when the connection is.
    this.dial()?.socket.write(NOTHING, (error) => {
      if (error != null) return;
      this.established = true;
      this.quiet = 0;
      this.holdClient(false);
    });
  }

  /** Null when it failed at once, which the conversation is told a moment later: it is in the middle of something. */
  private dial(): Side | null {
    let dialled: Dialled;
    try {
      dialled = this.context.dialer.dial(this.origin);
    } catch {
      setImmediate(() => this.conversation.serverFailed(false));
      return null;
    }
    const side = new Side(dialled.fd, (bytes, length) => {
      this.quiet = 0;
      this.established = true;
      this.conversation.fromServer(bytes, length);
    });
    this.server = side;
    this.serverClosed = false;
    const { socket } = side;
    socket.on("end", () => this.conversation.serverEnded());
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.conversation.serverFailed(this.established || (!this.dialsFirst && !UNCONNECTED.has(error.code ?? ""))),
    );
    socket.on("drain", () => this.flow(() => (this.serverFull = false)));
    socket.on("close", () => {
      dialled.ended();
      this.closedSide(() => (this.serverClosed = true));
    });
    return side;
  }

  /** Changes what stands in the way of reading, and starts and stops reading accordingly. */
  private flow(change: () => void): void {
    change();
    setReading(this.client, !this.clientHeld && !this.serverFull);
    if (this.server !== null) setReading(this.server, !this.clientFull);
  }

  private closedSide(change: () => void): void {
    change();
    if (this.clientClosed && this.serverClosed) this.context.closed(this);
  }
}

function setReading({ socket }: Side, reading: boolean): void {
  if (socket.destroyed || socket.isPaused() === !reading) return;
  if (reading) socket.resume();
  else socket.pause();
}
