/**
 * What TCP, UDP and raw sockets have in common below the calls: who they are, what they are bound to, their options and
 * errors, and `struct bpf_sock` as programs see it (`vm`), brought up to date before each run (`publish`).
 *
 * Addresses are in the socket's own family: an IPv6 socket that talks IPv4 has IPv4-mapped ones. `wire` is how packets
 * have them.
 */
import { errnoNumber } from "../errno.ts";
import type { Errno } from "../errno.ts";
import { Socket } from "../socket.ts";
import type { ReuseportArray } from "../maps/index.ts";
import type { Cgroup } from "./cgroup.ts";
import { ANY, FAMILY_NUMBERS, isAny, mapped, unmapped } from "./endpoint.ts";
import type { Endpoint, Family } from "./endpoint.ts";
import type { Kernel } from "./kernel.ts";
import type { Namespace } from "./namespace.ts";
import type { Psock } from "./psock.ts";
import type { ReuseportGroup } from "./reuseport-group.ts";
import { optionValue } from "./socket-options.ts";
import type { OptionHolder, SocketType } from "./socket-options.ts";

/** States of enum tcp_states (include/net/tcp_states.h), which all kinds of sockets use. */
// prettier-ignore
export const STATE = {
  ESTABLISHED: 1, SYN_SENT: 2, SYN_RECV: 3, FIN_WAIT1: 4, FIN_WAIT2: 5, TIME_WAIT: 6, CLOSE: 7, CLOSE_WAIT: 8, LAST_ACK: 9,
  LISTEN: 10, CLOSING: 11, NEW_SYN_RECV: 12,
} as const;
export type StateName = keyof typeof STATE;

const TYPE_NUMBERS = { stream: 1, dgram: 2, raw: 3 } as const satisfies Record<SocketType, number>;

/** What a socket is from the start. */
export interface SockIdentity {
  readonly kernel: Kernel;
  readonly namespace: Namespace;
  readonly cgroup: Cgroup;
  readonly family: Family;
  readonly protocol: number;
  readonly uid: number;
}

export abstract class Sock implements OptionHolder {
  readonly kernel: Kernel;
  readonly namespace: Namespace;
  readonly cgroup: Cgroup;
  readonly family: Family;
  readonly type: SocketType;
  readonly protocol: number;
  readonly uid: number;
  /** As programs see it. */
  readonly vm: Socket;
  local: Endpoint;
  /** Port 0: not connected. */
  remote: Endpoint;
  /** The port, the address were chosen by bind(), not by the system: they outlive a disconnect. */
  readonly chosen = { address: false, port: false };
  state: StateName = "CLOSE";
  /** sk_err: told once, by the next call that fails for it or SO_ERROR. */
  error: Errno | null = null;
  readonly shut = { read: false, write: false };
  readonly values = new Map<string, number>();
  readonly texts = new Map<string, Uint8Array>();
  deviceName = "";
  deviceIndex = 0;
  reuseport: ReuseportGroup | null = null;
  /** The reuseport_sockarrays that it is in: one at most. */
  readonly arrays: ReuseportArray[] = [];
  /** While it is in a sockmap or sockhash. */
  psock: Psock | null = null;
  /** Calls what is to be done when the receive queue has grown: sk_data_ready, which sockmaps take over. */
  dataReady: (() => void) | null = null;
  savedSyn: Uint8Array = new Uint8Array(0);
  /** Whether the call that is going on may do what only root may. */
  privileged = true;
  /** The other end has asked for the connection. */
  passive = false;

  constructor(identity: SockIdentity, type: SocketType, vm?: Socket) {
    this.kernel = identity.kernel;
    this.namespace = identity.namespace;
    this.cgroup = identity.cgroup;
    this.family = identity.family;
    this.type = type;
    this.protocol = identity.protocol;
    this.uid = identity.uid;
    this.local = { address: ANY[this.family], port: 0 };
    this.remote = { address: ANY[this.family], port: 0 };
    this.vm = vm ?? new Socket(this.kernel.host.memory, BigInt(this.kernel.count("cookie")), this.fields());
    if (vm === undefined) this.kernel.host.addSocket(this.vm);
    socks.set(this.vm, this);
  }

  get cookie(): bigint {
    return this.vm.cookie;
  }
  get listening(): boolean {
    return this.state === "LISTEN";
  }
  get segmentSize(): number | null {
    return null;
  }
  get info(): Uint8Array {
    return new Uint8Array(0);
  }
  get connected(): boolean {
    return this.remote.port !== 0;
  }

  /** The option's number, by its C name. */
  option(name: string): number {
    return optionValue(this, name);
  }

  /** An address of this socket as packets have it; the family that they are of. */
  wire(address: string): string {
    const inner = unmapped(address);
    if (inner !== null) return inner;
    return address;
  }

  /** An address of a packet as this socket has it. */
  own(address: string): string {
    return this.family === "inet6" && !address.includes(":") ? mapped(address) : address;
  }

  /** Takes the pending error: a positive number, 0 for none. */
  takeError(): number {
    const { error } = this;
    this.error = null;
    return error === null ? 0 : errnoNumber(error);
  }

  takeSavedSyn(): Uint8Array {
    const saved = this.savedSyn;
    this.savedSyn = new Uint8Array(0);
    return saved;
  }

  bindDevice(device: number | string): Errno | null {
    const none = device === 0 || device === "";
    const found = none ? null : this.namespace.findInterface(device);
    if (!none && found === null && typeof device === "string") return "ENODEV";
    this.deviceName = found?.name ?? "";
    this.deviceIndex = found?.ifindex ?? (typeof device === "number" ? device : 0);
    return null;
  }

  /** Shows programs what has become of the socket. */
  publish(): Socket {
    this.vm.update(this.fields());
    return this.vm;
  }

  private fields(): Parameters<Socket["update"]>[0] {
    const { local, remote, family } = this;
    const { local4, remote4 } = this.ipv4Ends;
    return {
      bound_dev_if: this.deviceIndex,
      family: FAMILY_NUMBERS[family],
      type: TYPE_NUMBERS[this.type],
      protocol: this.protocol,
      mark: this.option("SO_MARK") >>> 0,
      priority: this.option("SO_PRIORITY") >>> 0,
      src_port: local.port,
      dst_port: remote.port,
      state: STATE[this.state],
      src_ip4: local4,
      dst_ip4: remote4,
      ...(family === "inet6" ? { src_ip6: local.address, dst_ip6: remote.address } : {}),
    };
  }

  /** Its ends where programs look for IPv4 addresses: IPv6 ones are there as 127.0.0.6 (LOOPBACK4_IPV6). */
  get ipv4Ends(): { readonly local4: string; readonly remote4: string } {
    const { local, remote, family } = this;
    if (family === "inet") return { local4: local.address, remote4: remote.address };
    const shown = (address: string): string => (isAny(address) ? ANY.inet : (unmapped(address) ?? LOOPBACK4_IPV6));
    const remote4 = unmapped(remote.address) ?? (this.passive ? LOOPBACK4_IPV6 : ANY.inet);
    return { local4: shown(local.address), remote4 };
  }

  /** Frees the port; the socket can be found by nobody any more. */
  unhash(): void {
    this.namespace.sockets.remove(this);
    this.reuseport?.remove(this);
  }
}

const LOOPBACK4_IPV6 = "127.0.0.6";

const socks = new WeakMap<Socket, Sock>();

/** The socket that programs see as this one; null for one that no node made. */
export function sockOf(socket: Socket): Sock | null {
  return socks.get(socket) ?? null;
}

/** Is the socket open to packets to that address of theirs? */
export function takesAddress(sock: Sock, address: string): "exact" | "any" | null {
  const { local } = sock;
  if (sock.wire(local.address) === address) return "exact";
  if (!isAny(local.address)) return null;
  const v4 = !address.includes(":");
  if (sock.family === "inet") return v4 ? "any" : null;
  if (!v4) return local.address === ANY.inet6 ? "any" : null;
  return sock.option("IPV6_V6ONLY") === 0 ? "any" : null;
}
