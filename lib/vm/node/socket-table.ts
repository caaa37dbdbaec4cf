/**
 * The sockets of a namespace by port and by connection: who may bind where, and whom a packet is for.
 *
 * Conflicts: inet_csk_get_port, udp_lib_get_port. Order of look-up: a connection, else (after sk_lookup programs, which
 * are asked in between) the socket bound to the address, else the one bound to any address; among equals of a reuseport
 * group its program or the flow's hash decides.
 */
import { isAny } from "./endpoint.ts";
import { ReuseportGroup } from "./reuseport-group.ts";
import { takesAddress } from "./sock.ts";
import type { Sock } from "./sock.ts";

/** net.ipv4.ip_local_port_range. */
export const EPHEMERAL = { first: 32_768, last: 60_999 } as const;

/** A packet's ends, as on the wire; `remote` sent it. */
export interface Flow {
  readonly protocol: number;
  readonly local: { readonly address: string; readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
  /** The interface it came in by; 0 when it is not known. */
  readonly ifindex: number;
}

export class SocketTable {
  /** By protocol and port: all sockets that have the port, connections too. */
  private readonly ports = new Map<string, Set<Sock>>();
  private readonly connections = new Map<string, Sock>();
  private next: number = EPHEMERAL.first;

  // ---- ports

  /** Gives the socket this port at its local address; false when another one has it. */
  take(sock: Sock, port: number): boolean {
    for (const other of this.at(sock.protocol, port)) if (other !== sock && conflicts(sock, other)) return false;
    this.hold(sock, port);
    return true;
  }

  /** Gives the socket a port that nobody has, for `remote` or for itself; null when there is none. */
  takeAny(
    sock: Sock,
    free: (port: number) => boolean = (port) => this.at(sock.protocol, port).size === 0,
  ): number | null {
    const count = EPHEMERAL.last - EPHEMERAL.first + 1;
    for (let tries = 0; tries < count; tries++) {
      const port = this.next;
      this.next = port === EPHEMERAL.last ? EPHEMERAL.first : port + 1;
      if (!free(port)) continue;
      this.hold(sock, port);
      return port;
    }
    return null;
  }

  /** Makes the port the socket's, whoever else has it: for accepted connections. */
  hold(sock: Sock, port: number): void {
    const key = `${sock.protocol}/${port}`;
    const set = this.ports.get(key) ?? new Set();
    this.ports.set(key, set);
    set.add(sock);
    sock.local = { ...sock.local, port };
  }

  /** Takes the port away again. */
  release(sock: Sock): void {
    this.ports.get(`${sock.protocol}/${sock.local.port}`)?.delete(sock);
  }

  remove(sock: Sock): void {
    this.release(sock);
    this.disconnect(sock);
  }

  private at(protocol: number, port: number): ReadonlySet<Sock> {
    return this.ports.get(`${protocol}/${port}`) ?? NONE;
  }

  /** All sockets that have the port. */
  *onPort(protocol: number, port: number): Generator<Sock> {
    yield* this.at(protocol, port);
  }

  // ---- connections

  /** Makes the socket the one for its connection; false when there is one. */
  connect(sock: Sock): boolean {
    const key = connectionOf(sock);
    if (this.connections.has(key)) return false;
    this.connections.set(key, sock);
    return true;
  }

  /** Puts `next` in the place of the connection's socket. */
  inherit(next: Sock): void {
    this.connections.set(connectionOf(next), next);
  }

  disconnect(sock: Sock): void {
    const key = connectionOf(sock);
    if (this.connections.get(key) === sock) this.connections.delete(key);
  }

  /** The socket of the connection that the flow belongs to. */
  connection(flow: Flow): Sock | null {
    return this.connections.get(keyOf(flow)) ?? null;
  }

  // ---- look-up of listening and unconnected sockets

  /** Of equal matches, one stands for its reuseport group. */
  bound(flow: Flow): Sock | null {
    let best: { sock: Sock; score: number } | null = null;
    for (const sock of this.at(flow.protocol, flow.local.port)) {
      const score = scoreOf(sock, flow);
      if (score !== null && (best === null || score > best.score)) best = { sock, score };
    }
    return best?.sock ?? null;
  }

  // ---- reuseport

  /** Puts a socket with SO_REUSEPORT into the group of its address, or into a new one. */
  group(sock: Sock): void {
    if (sock.option("SO_REUSEPORT") === 0 || sock.reuseport?.socks.includes(sock) === true) return;
    const own = sock.reuseport;
    for (const other of this.at(sock.protocol, sock.local.port)) {
      if (other === sock || other.reuseport === null || other.state === "TIME_WAIT") continue;
      if (!other.reuseport.socks.includes(other)) continue;
      const same = other.local.address === sock.local.address && other.deviceIndex === sock.deviceIndex;
      if (!same || other.uid !== sock.uid || other.listening !== sock.listening) continue;
      return other.reuseport.add(sock);
    }
    (own ?? new ReuseportGroup()).add(sock);
  }
}

const NONE: ReadonlySet<Sock> = new Set();

function connectionOf(sock: Sock): string {
  const { protocol, local, remote } = sock;
  return keyOf({
    protocol,
    local: { address: sock.wire(local.address), port: local.port },
    remote: { address: sock.wire(remote.address), port: remote.port },
    ifindex: 0,
  });
}

function keyOf({ protocol, local, remote }: Flow): string {
  return `${protocol} ${local.address} ${local.port} ${remote.address} ${remote.port}`;
}

/** Do two sockets of one port exclude each other? */
function conflicts(sock: Sock, other: Sock): boolean {
  if (sock.deviceIndex !== 0 && other.deviceIndex !== 0 && sock.deviceIndex !== other.deviceIndex) return false;
  if (!overlap(sock, other)) return false;
  const both = (option: string): boolean => sock.option(option) !== 0 && other.option(option) !== 0;
  if (both("SO_REUSEADDR") && (sock.type !== "stream" || !other.listening)) return false;
  // One that has started a group of its own cannot join another.
  if (both("SO_REUSEPORT") && sock.uid === other.uid && sock.reuseport === null) return false;
  return true;
}

/** Is there an address that both would take packets for? */
function overlap(a: Sock, b: Sock): boolean {
  const [x, y] = [a.wire(a.local.address), b.wire(b.local.address)];
  if (x === y) return true;
  if (isAny(x) && isAny(y)) return mixes(a) || mixes(b);
  if (isAny(x)) return takesAddress(a, y) !== null;
  return isAny(y) && takesAddress(b, x) !== null;
}

/** An IPv6 socket that takes IPv4 packets too. */
function mixes(sock: Sock): boolean {
  return sock.family === "inet6" && sock.option("IPV6_V6ONLY") === 0;
}

/** How well a socket fits a packet; null: not at all. Points: the device, a connection, the exact address, the family. */
function scoreOf(sock: Sock, { local, remote, ifindex }: Flow): number | null {
  if (sock.type === "stream" ? !sock.listening : sock.state === "TIME_WAIT") return null;
  const match = takesAddress(sock, local.address);
  if (match === null) return null;
  if (sock.deviceIndex !== 0 && sock.deviceIndex !== ifindex) return null;
  if (sock.connected && (sock.wire(sock.remote.address) !== remote.address || sock.remote.port !== remote.port))
    return null;
  const sameFamily = (sock.family === "inet") === !local.address.includes(":");
  return (
    (match === "exact" ? 32 : 0) + (sock.connected ? 16 : 0) + (sock.deviceIndex !== 0 ? 4 : 0) + (sameFamily ? 1 : 0)
  );
}
