/**
 * Sockets as an application has them: the calls of the socket interface, each with the programs around it.
 *
 * Calls never wait. What they cause happens before they return, as far as it can without time passing; where the kernel
 * would wait longer they give EAGAIN or EINPROGRESS, and `Node.advance` lets time pass. What fails gives the error's name,
 * never an exception: `"ECONNREFUSED"`.
 */
import { errnoName } from "../errno.ts";
import type { Errno } from "../errno.ts";
import type { Machine } from "../machine.ts";
import { OwnedStorage } from "../maps/index.ts";
import type { VmMap } from "../maps/index.ts";
import type { Socket } from "../socket.ts";
import type { Task } from "../world.ts";
import type { Outcome } from "./attach.ts";
import { judgeSock } from "./cgroup-sock.ts";
import { ANY, familyOf, formatEndpoint, isAny, parseEndpoint, unmapped } from "./endpoint.ts";
import type { Endpoint, EndpointText, Family } from "./endpoint.ts";
import type { Kernel } from "./kernel.ts";
import type { Namespace } from "./namespace.ts";
import { Program } from "./program.ts";
import { leaveMaps } from "./psock.ts";
import { attachReuseport, detachReuseport } from "./reuseport.ts";
import { sendMessage } from "./sk-msg.ts";
import { judgeAddress } from "./sock-addr.ts";
import { Sock } from "./sock.ts";
import type { SockIdentity, StateName } from "./sock.ts";
import { OPTIONS } from "./socket-options.ts";
import { judgeGetOption, judgeSetOption } from "./sockopt.ts";
import {
  acceptTcp,
  closeTcp,
  connectTcp,
  disconnectTcp,
  listenTcp,
  receiveTcpData,
  sendTcp,
  shutdownTcp,
  takeBytes,
} from "./tcp-calls.ts";
import { TcpSock } from "./tcp-sock.ts";
import { UdpSock, connectUdp, disconnectUdp, sendUdp } from "./udp.ts";

export type SocketKind = "tcp" | "udp" | "raw";

export interface SocketOptions {
  /** Default "inet". */
  readonly family?: Family;
  /** Path of the cgroup that it is made in. Default `/`. */
  readonly cgroup?: string;
  /** Who makes it: bind() to a port below 1024 needs user 0. Default 0. */
  readonly uid?: number;
  /** connect() gives EINPROGRESS at once, as with O_NONBLOCK. Default false. */
  readonly nonblock?: boolean;
  /** Raw sockets: the protocol number. Default: as the kind says. */
  readonly protocol?: number;
}

/** Flags of send(2) and recv(2). */
export interface SendFlags {
  /** MSG_MORE: more follows. */
  readonly more?: boolean;
}
export interface ReceiveFlags {
  /** MSG_PEEK: what is read stays. */
  readonly peek?: boolean;
}

export type PollEvent = "in" | "out" | "err" | "hup" | "rdhup";

/** What a socket is made by and for. */
export interface Origin extends Omit<SockIdentity, "protocol"> {
  readonly task: Task;
  readonly nonblock: boolean;
}

/** A raw socket can be made, bound and closed; it sends and receives nothing. */
export class RawSock extends Sock {
  constructor(identity: SockIdentity) {
    super(identity, "raw");
  }
}

/** Whether connect() is over: SS_UNCONNECTED and so on of struct socket. */
type Progress = "unconnected" | "connecting" | "connected";

const NO_CAP_PORTS = 1024;
const NOTHING = new Uint8Array(0);

export class NodeSocket {
  /** Why there is no socket; every call on it gives EBADF. Null: there is one. */
  readonly errno: Errno | null;
  private readonly kernel: Kernel;
  private readonly origin: Origin;
  private readonly inner: Sock;
  private progress: Progress;
  private closed: boolean;
  private accepted: EndpointText | "" = "";
  /** Whose privileges count: the user that makes the calls. At first the one that made the socket. */
  callerUid: number;

  /** Made by `Namespace.socket` and `accept`. */
  constructor(origin: Origin, sock: Sock, errno: Errno | null = null) {
    this.kernel = origin.kernel;
    this.origin = origin;
    this.inner = sock;
    this.errno = errno;
    this.closed = errno !== null;
    this.progress = sock.connected ? "connected" : "unconnected";
    this.callerUid = origin.uid;
  }

  // ---- what tests see

  /** What programs have of it: for `RunInput.socket`, and to compare with redirects. */
  get vm(): Socket {
    return this.inner.publish();
  }
  get cookie(): bigint {
    return this.inner.cookie;
  }
  get namespace(): Namespace {
    return this.inner.namespace;
  }
  /** The TCP state; of datagram sockets ESTABLISHED when connected, else CLOSE. */
  get state(): StateName {
    return this.inner.state;
  }
  /** The socket below the calls. */
  get sock(): Sock {
    return this.inner;
  }
  /** Does connect() return at once? */
  get nonblock(): boolean {
    return this.origin.nonblock;
  }
  /** As accept() told: the other end's address, after the getpeername programs. Empty for sockets that were not accepted. */
  get peer(): EndpointText | "" {
    return this.accepted;
  }

  // ---- addresses

  /** `10.0.0.1:80`; port 0 is chosen by the system. */
  bind(address: string): Outcome {
    return this.call(() => {
      const asked = parseEndpoint(address);
      const wrong = this.wrongFamily(asked.address);
      if (wrong === "EINVAL") return wrong;
      if (this.inner.type === "raw") return wrong ?? this.bindRaw(asked.address);
      // Programs are asked before the family is looked at: of another family's address they see the port.
      const seen = wrong === null ? asked : { ...asked, address: ANY[this.inner.family] };
      const judged = judgeAddress(this.inner, "bind", this.inner.family, seen);
      if (judged.retval !== 0) return outcomeOf(judged.retval);
      return wrong ?? this.bindTo(judged.endpoint, judged.unprivileged);
    });
  }

  /** Raw sockets have addresses and no ports, and no programs (raw_bind). */
  private bindRaw(address: string): Outcome {
    if (!isAny(address) && !this.inner.namespace.isLocal(address)) return "EADDRNOTAVAIL";
    this.inner.local = { address, port: this.inner.protocol };
    return "ok";
  }

  private bindTo({ address, port }: Endpoint, unprivileged: boolean): Outcome {
    const { inner } = this;
    if (
      inner.family === "inet6" &&
      inner.deviceIndex !== 0 &&
      inner.namespace.findInterface(inner.deviceIndex) === null
    )
      return "ENODEV";
    const free = inner.option("IP_FREEBIND") !== 0 || inner.option("IP_TRANSPARENT") !== 0;
    if (unmapped(address) !== null && inner.option("IPV6_V6ONLY") !== 0) return "EINVAL";
    const wire = inner.wire(address);
    if (!isAny(wire) && !free && !inner.namespace.isLocal(wire)) return "EADDRNOTAVAIL";
    if (port !== 0 && port < NO_CAP_PORTS && this.callerUid !== 0 && !unprivileged) return "EACCES";
    if (inner.state !== "CLOSE" || inner.local.port !== 0) return "EINVAL";
    return this.holdAddress(address, port);
  }

  private holdAddress(address: string, port: number): Outcome {
    const { inner } = this;
    const { sockets } = inner.namespace;
    inner.local = { address, port: 0 };
    const late = port === 0 && inner.option("IP_BIND_ADDRESS_NO_PORT") !== 0;
    const held =
      late || inner.type === "raw" || (port === 0 ? sockets.takeAny(inner) !== null : sockets.take(inner, port));
    if (!held) {
      inner.local = { address: ANY[inner.family], port: 0 };
      return "EADDRINUSE";
    }
    const retval = judgeSock(inner, "post_bind");
    if (retval !== 0) {
      sockets.release(inner);
      inner.local = { address: ANY[inner.family], port: 0 };
      return outcomeOf(retval);
    }
    inner.chosen.address = !isAny(address);
    inner.chosen.port = port !== 0;
    if (inner instanceof UdpSock) sockets.group(inner);
    return "ok";
  }

  /** An address of another family than the socket's. */
  private wrongFamily(address: string): Errno | null {
    return familyOf(address) === this.inner.family ? null : this.inner.family === "inet" ? "EAFNOSUPPORT" : "EINVAL";
  }

  /** Its own address, `0.0.0.0:0` before it has one. */
  getsockname(): EndpointText | Errno {
    return this.call(() => this.named("getsockname", this.inner.local));
  }

  /** The other end's address. */
  getpeername(): EndpointText | Errno {
    return this.call(() => {
      const { connected, state } = this.inner;
      const lost = this.inner instanceof TcpSock && (state === "CLOSE" || state === "SYN_SENT");
      return !connected || lost ? "ENOTCONN" : this.named("getpeername", this.inner.remote);
    });
  }

  /** What programs make of an address that an application asks for. */
  private named(call: "getsockname" | "getpeername", endpoint: Endpoint): EndpointText | Errno {
    const { retval, endpoint: shown } = judgeAddress(this.inner, call, this.inner.family, endpoint);
    return retval < 0 ? errnoName(-retval) : formatEndpoint(shown);
  }

  // ---- connections

  /** `10.0.0.1:80`, or `unspec` to take a connection back (AF_UNSPEC). */
  connect(address: string): Outcome {
    const started = this.call(() => this.startConnect(address));
    return started === "pending" ? this.finishConnect() : started;
  }

  private startConnect(address: string): Outcome | "pending" {
    const { inner } = this;
    if (address === "unspec") return this.disconnect();
    if (inner instanceof TcpSock) return this.startTcp(inner, address);
    if (!(inner instanceof UdpSock)) return "EOPNOTSUPP";
    const asked = this.judgeConnect(address);
    if (typeof asked === "string") return asked;
    if (!this.autobind()) return "EAGAIN";
    return connectUdp(inner, asked) ?? "ok";
  }

  private startTcp(inner: TcpSock, address: string): Outcome | "pending" {
    if (this.progress === "connected") return "EISCONN";
    if (this.progress === "connecting")
      return inner.state === "SYN_SENT" || inner.state === "SYN_RECV" ? "EALREADY" : "pending";
    if (inner.state !== "CLOSE") return "EISCONN";
    const asked = this.judgeConnect(address);
    if (typeof asked === "string") return asked;
    const failure = connectTcp(inner, asked);
    if (failure !== null) return failure;
    this.progress = "connecting";
    return this.origin.nonblock ? "EINPROGRESS" : "pending";
  }

  private judgeConnect(address: string): Endpoint | Outcome {
    const asked = parseEndpoint(address);
    const wrong = this.wrongFamily(asked.address);
    if (wrong === "EINVAL") return wrong;
    // Programs are asked before the family is looked at: of another family's address they see the port.
    const seen = wrong === null ? asked : { ...asked, address: ANY[this.inner.family] };
    const { retval, endpoint } = judgeAddress(this.inner, "connect", this.inner.family, seen);
    return retval !== 0 ? outcomeOf(retval) : (wrong ?? endpoint);
  }

  private finishConnect(): Outcome {
    const { inner } = this;
    if (inner.state === "SYN_SENT" || inner.state === "SYN_RECV") return "EINPROGRESS";
    if (inner.state !== "CLOSE") {
      this.progress = "connected";
      return "ok";
    }
    this.progress = "unconnected";
    const error = inner.takeError();
    if (inner instanceof TcpSock) this.kernel.operate(() => disconnectTcp(inner));
    return error === 0 ? "ECONNABORTED" : errnoName(error);
  }

  private disconnect(): Outcome {
    const { inner } = this;
    if (inner instanceof TcpSock) disconnectTcp(inner);
    else if (inner instanceof UdpSock) disconnectUdp(inner);
    this.progress = "unconnected";
    return "ok";
  }

  /** The system chooses a port when a datagram socket needs one. */
  private autobind(): boolean {
    const { inner } = this;
    return inner.local.port !== 0 || inner.namespace.sockets.takeAny(inner) !== null;
  }

  listen(backlog = 16): Outcome {
    return this.call(() => {
      if (!(this.inner instanceof TcpSock)) return "EOPNOTSUPP";
      if (this.progress !== "unconnected") return "EINVAL";
      return listenTcp(this.inner, backlog) ?? "ok";
    });
  }

  /** The next connection; its `errno` is EAGAIN when none waits. */
  accept(options: { readonly nonblock?: boolean } = {}): NodeSocket {
    const { inner, origin, kernel } = this;
    return kernel.operate(() => {
      const child = inner instanceof TcpSock && inner.state === "LISTEN" && !this.closed ? acceptTcp(inner) : null;
      const errno = this.closed ? "EBADF" : this.acceptError(child);
      const socket = new NodeSocket({ ...origin, nonblock: options.nonblock ?? false }, child ?? inner, errno);
      if (errno === null)
        socket.accepted = formatEndpoint(
          judgeAddress(socket.inner, "getpeername", inner.family, socket.inner.remote).endpoint,
        );
      return socket;
    }, origin.task);
  }

  private acceptError(child: Sock | null): Errno | null {
    if (child !== null) return null;
    if (!(this.inner instanceof TcpSock)) return "EOPNOTSUPP";
    return this.inner.state === "LISTEN" ? "EAGAIN" : "EINVAL";
  }

  // ---- data

  /** Bytes taken. Text is UTF-8. */
  send(data: Uint8Array | string, flags: SendFlags = {}): number | Errno {
    return this.call(() => this.sendBytes(bytesOf(data), null, flags));
  }

  /** As `send`, to an address; a connected TCP socket sends to its peer all the same. */
  sendTo(data: Uint8Array | string, address: string, flags: SendFlags = {}): number | Errno {
    return this.call(() => {
      const to = parseEndpoint(address);
      if (!(this.inner instanceof UdpSock)) return this.sendBytes(bytesOf(data), null, flags);
      return this.wrongFamily(to.address) === "EAFNOSUPPORT"
        ? "EAFNOSUPPORT"
        : this.sendBytes(bytesOf(data), { ...to, address: this.inner.own(to.address) }, flags);
    });
  }

  private sendBytes(data: Uint8Array, to: Endpoint | null, { more = false }: SendFlags): number | Errno {
    const { inner } = this;
    if (inner instanceof TcpSock) {
      const { psock } = inner;
      const judged = psock?.programs.sk_msg_verdict !== undefined;
      return psock !== null && judged ? sendMessage(inner, psock, data, more) : sendTcp(inner, data, more);
    }
    if (!(inner instanceof UdpSock)) return "EOPNOTSUPP";
    return this.autobind() ? sendUdp(inner, data, to) : "EAGAIN";
  }

  /** At most `length` bytes; none at the end of a stream; EAGAIN when nothing has come. */
  recv(length = 65_536, flags: ReceiveFlags = {}): Uint8Array | Errno {
    const received = this.recvFrom(length, flags);
    return typeof received === "string" ? received : received.data;
  }

  /** As `recv`, with the sender's address; null for streams. */
  recvFrom(
    length = 65_536,
    flags: ReceiveFlags = {},
  ): { readonly data: Uint8Array; readonly from: string | null } | Errno {
    return this.call(() => {
      const { inner } = this;
      if (inner instanceof UdpSock) return this.recvDatagram(inner, length, flags);
      if (!(inner instanceof TcpSock)) return "EOPNOTSUPP";
      const data = receiveTcpData(inner, length, flags.peek);
      return typeof data === "string" ? data : { data, from: null };
    });
  }

  private recvDatagram(
    inner: UdpSock,
    length: number,
    { peek = false }: ReceiveFlags,
  ): { data: Uint8Array; from: string | null } | Errno {
    const error = inner.takeError();
    if (error !== 0) return errnoName(error);
    // What programs have passed has no borders any more, and no sender.
    const passed = inner.psock?.ingress ?? [];
    if (passed.length > 0) return { data: takeBytes(passed, length, peek), from: null };
    const first = peek ? inner.queue[0] : inner.queue.shift();
    if (first === undefined) return inner.shut.read ? { data: NOTHING, from: null } : "EAGAIN";
    const { endpoint } = judgeAddress(inner, "recvmsg", inner.family, first.from);
    return { data: first.data.subarray(0, length), from: formatEndpoint(endpoint) };
  }

  /** ENOTCONN for a socket without a connection, which is marked all the same (inet_shutdown). */
  shutdown(how: "read" | "write" | "both"): Outcome {
    return this.call(() => {
      const { inner } = this;
      const { state } = inner;
      if (inner instanceof TcpSock && (state === "SYN_SENT" || (state === "LISTEN" && how !== "write"))) {
        disconnectTcp(inner);
        this.progress = "unconnected";
        return "ok";
      }
      if (state === "LISTEN") return "ok";
      if (how !== "write") inner.shut.read = true;
      if (how !== "read" && inner instanceof TcpSock) shutdownTcp(inner);
      else if (how !== "read") inner.shut.write = true;
      return state === "CLOSE" ? "ENOTCONN" : "ok";
    });
  }

  /** Gives the socket up. EBADF when it was closed before. */
  close(): Outcome {
    return this.call(() => {
      const { inner } = this;
      this.closed = true;
      judgeSock(inner, "release");
      leaveMaps(inner);
      if (inner instanceof TcpSock) closeTcp(inner);
      else inner.unhash();
      this.kernel.host.dropObject(inner.vm);
      return "ok";
    });
  }

  // ---- options and readiness

  /** The value as bytes, at most `length`. */
  getsockopt(level: number, option: number, length = 4): Uint8Array | Errno {
    return this.call(() => judgeGetOption(this.inner, level, option, length));
  }

  /** Options by number; a number is an int. */
  setsockopt(level: number, option: number, value: Uint8Array | number): Outcome {
    const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value;
    return this.call(() => judgeSetOption(this.inner, level, option, bytes));
  }

  /** As `setsockopt`, by the C name: `option("SO_REUSEADDR", 1)`. */
  option(name: string, value: number): Outcome {
    const found = OPTIONS[name];
    return found === undefined ? "ENOPROTOOPT" : this.setsockopt(found.level, found.option, value);
  }

  /** SO_ATTACH_REUSEPORT_EBPF: the program chooses among the sockets of its group. */
  attachReuseport(machine: Machine, name: string): Outcome {
    return this.call(() => attachReuseport(this.inner, new Program(this.kernel, machine, name)) ?? "ok");
  }
  /** SO_DETACH_REUSEPORT_BPF */
  detachReuseport(): Outcome {
    return this.call(() => detachReuseport(this.inner) ?? "ok");
  }

  /** Its value in an sk_storage map; null: none. */
  storage(map: VmMap): Uint8Array | null {
    return map instanceof OwnedStorage ? map.getFor(this.inner.vm) : null;
  }

  /** What poll(2) would tell. */
  poll(): readonly PollEvent[] {
    const ready = this.closed
      ? NO_EVENTS
      : this.inner instanceof TcpSock
        ? pollTcp(this.inner)
        : pollDatagram(this.inner);
    return POLL_ORDER.filter((event) => ready[event] === true);
  }

  /** Runs a call in the name of the task that made the socket; EBADF when there is no socket. */
  private call<T>(work: () => T): T | Errno {
    this.inner.privileged = this.callerUid === 0;
    return this.closed ? "EBADF" : this.kernel.operate(work, this.origin.task);
  }
}

type Ready = Partial<Record<PollEvent, boolean>>;
const NO_EVENTS: Ready = {};
const POLL_ORDER: readonly PollEvent[] = ["in", "out", "err", "hup", "rdhup"];

/** tcp_poll */
function pollTcp(sock: TcpSock): Ready {
  if (sock.state === "LISTEN") return { in: sock.accepting.length > 0 };
  const { read, write } = sock.shut;
  const opening = sock.state === "SYN_SENT" || sock.state === "SYN_RECV";
  return {
    in: read || (!opening && (sock.queue.length > 0 || (sock.psock?.queued ?? 0) > 0)),
    out: !opening,
    err: sock.error !== null,
    hup: (read && write) || sock.state === "CLOSE",
    rdhup: read,
  };
}

/** datagram_poll */
function pollDatagram(sock: Sock): Ready {
  const { read, write } = sock.shut;
  const queued = sock instanceof UdpSock && (sock.queue.length > 0 || (sock.psock?.queued ?? 0) > 0);
  return { in: queued || read, out: true, err: sock.error !== null, hup: read && write, rdhup: read };
}

function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
}

/** A call's return value as its outcome: not negative is no error. */
function outcomeOf(retval: number): Outcome {
  return retval < 0 ? errnoName(-retval) : "ok";
}
