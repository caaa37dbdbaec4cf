/**
 * TCP and UDP sockets whose descriptor is known and whose network namespace can be chosen: what maps of sockets and sk_lookup programs
 * need, and Node's own do not give. A namespace is where a socket was made; it stays there, and is used from anywhere.
 *
 * `new net.Socket({ fd })` takes over a connected or connecting descriptor, with which all further reading and writing is
 * Node's. Such a socket that cannot connect tells it by its first read or write: `ECONNREFUSED` and the like.
 */
import { check } from "./errors.ts";
import { Handle } from "./handle.ts";
import { closeFd } from "./sys/calls.ts";
import { failedWith } from "./sys/errno.ts";
import { withNetns } from "./sys/netns.ts";
import { shim } from "./sys/shim.ts";
import { AF_INET6, decodeSockaddr, encodeSockaddr, MAX_SOCKADDR } from "./sys/sockaddr.ts";
import type { SocketAddress } from "./sys/sockaddr.ts";
import { forgetFd, waitReadable } from "./sys/wait.ts";

// include/uapi/asm-generic/socket.h, include/uapi/linux/{in,in6,tcp}.h
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_IPV6 = 41;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const TCP_NODELAY = 1;
const IPV6_V6ONLY = 26;

/** Connections taken in one go before other work gets a turn. */
const ACCEPT_BATCH = 64;

export interface SocketOptions extends SocketAddress {
  /** File of the network namespace (`/run/netns/NAME`, `/proc/PID/ns/net`); default: this thread's own. */
  readonly netns?: string;
}

export interface ListenOptions extends SocketOptions {
  /** Connections that wait for `accept`; default 1024 (the kernel cuts it to net.core.somaxconn). */
  readonly backlog?: number;
  /** Several sockets may listen on the port, and connections are spread over them; default false. */
  readonly reusePort?: boolean;
}

export interface UdpOptions extends SocketOptions {
  /** Several sockets may take datagrams at the port, and clients are spread over them; default false. */
  readonly reusePort?: boolean;
}

/** A bound UDP socket. Whoever asked for it owns the descriptor; `dgram.Socket.bind({ fd })` takes it over. */
export interface UdpSocket {
  readonly fd: number;
  /** The port was chosen by the kernel if 0 was asked for. */
  readonly local: SocketAddress;
}

/** A connection that was accepted. Whoever takes it owns the descriptor. */
export interface Accepted {
  readonly fd: number;
  /** The other end. */
  readonly remote: SocketAddress;
  /** This end: with sk_lookup or a wildcard address, not what the listener was bound to. */
  readonly local: SocketAddress;
}

/** A listening socket. `fd` may be put into a map of sockets. */
export class TcpListener extends Handle {
  /** What it is bound to; the port was chosen by the kernel if 0 was asked for. */
  readonly local: SocketAddress;
  private readonly stopped = new AbortController();

  constructor(fd: number, local: SocketAddress) {
    super(fd, `listener ${local.address} port ${local.port}`);
    this.local = local;
  }

  /** The next connection that waits; undefined: none does. */
  accept(): Accepted | undefined {
    const remote = new Uint8Array(MAX_SOCKADDR);
    const fd = shim().accept(this.fd, remote);
    if (failedWith(fd, "EAGAIN", "EINTR", "ECONNABORTED")) return undefined;
    check(fd, `accept a connection on ${this.what}`);
    return { fd, remote: decodeSockaddr(remote), local: nameOf(fd) };
  }

  /** Connections as they come, until the listener is closed. Breaking off the loop leaves it open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Accepted, void, undefined> {
    const { signal } = this.stopped;
    while (!this.closed) {
      for (let taken = 0; taken < ACCEPT_BATCH && !this.closed; taken++) {
        const connection = this.accept();
        if (connection === undefined) break;
        yield connection;
      }
      if (!this.closed) await waitReadable(this.fd, signal);
    }
  }

  override close(): void {
    if (this.closed) return;
    forgetFd(this.fd);
    super.close();
    this.stopped.abort();
  }
}

/** A bound socket that is not connected yet. */
export class TcpSocket extends Handle {
  readonly local: SocketAddress;

  constructor(fd: number, local: SocketAddress) {
    super(fd, `socket ${local.address} port ${local.port}`);
    this.local = local;
  }

  /** Begins to connect, which does not wait. The caller owns the descriptor that is returned; the socket is closed to others. */
  connect(to: SocketAddress): number {
    beginConnect(this.fd, to);
    return this.release();
  }
}

/** Listens for TCP connections. `::` takes IPv4 as well. Throws L002 when the address is in use or not there. */
export function listenTcp(options: ListenOptions): TcpListener {
  return makeTcpSocket(options, (fd) => {
    // On the listener, since connections inherit it: small answers go out at once.
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reusePort === true) set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    check(shim().bind(fd, encodeSockaddr(options)), `bind to ${options.address} port ${options.port}`);
    check(shim().listen(fd, options.backlog ?? 1024), `listen on ${options.address} port ${options.port}`);
    return new TcpListener(fd, nameOf(fd));
  });
}

/** A TCP socket bound to an address (port 0: the kernel chooses one), so that its end is known before it connects. */
export function bindTcp(options: SocketOptions): TcpSocket {
  return makeTcpSocket(options, (fd) => {
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    check(shim().bind(fd, encodeSockaddr(options)), `bind to ${options.address} port ${options.port}`);
    return new TcpSocket(fd, nameOf(fd));
  });
}

/** Begins to connect from whatever address the kernel chooses. The caller owns the descriptor. */
export function connectTcp(options: SocketOptions): number {
  return makeTcpSocket(options, (fd) => {
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    beginConnect(fd, options);
    return fd;
  });
}

/** A UDP socket bound to an address. Throws L002 when the address is in use or not there. */
export function bindUdp(options: UdpOptions): UdpSocket {
  return makeSocket(options, SOCK_DGRAM, IPPROTO_UDP, (fd) => {
    if (options.reusePort === true) set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    check(shim().bind(fd, encodeSockaddr(options)), `bind to ${options.address} port ${options.port}`);
    return { fd, local: nameOf(fd) };
  });
}

function beginConnect(fd: number, to: SocketAddress): void {
  const result = shim().connect(fd, encodeSockaddr(to));
  if (!failedWith(result, "EINPROGRESS")) check(result, `connect to ${to.address} port ${to.port}`);
}

function makeTcpSocket<T>(options: SocketOptions, prepare: (fd: number) => T): T {
  return makeSocket(options, SOCK_STREAM, IPPROTO_TCP, prepare);
}

function makeSocket<T>(options: SocketOptions, type: number, protocol: number, prepare: (fd: number) => T): T {
  const family = new DataView(encodeSockaddr(options).buffer).getUint16(0, true);
  const fd = withNetns(options.netns, () => shim().socket(family, type, protocol));
  check(fd, "make a socket");
  try {
    if (family === AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.address === "::" ? 0 : 1);
    return prepare(fd);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function set(fd: number, level: number, name: number, value: number): void {
  check(shim().setsockopt(fd, level, name, value), "set a socket's option");
}

function nameOf(fd: number): SocketAddress {
  const bytes = new Uint8Array(MAX_SOCKADDR);
  check(shim().getsockname(fd, bytes), "read a socket's address");
  return decodeSockaddr(bytes);
}
