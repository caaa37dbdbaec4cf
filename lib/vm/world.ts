/**
 * What helpers ask of the world around a program: sockets, routes, neighbours, interfaces, cgroups, tasks.
 *
 * The simulated node answers from the network it simulates. A machine that runs programs alone has `PlainWorld`: the
 * sockets made by `createSocket`, interfaces and routes that a test states, one task in one cgroup.
 *
 * "Current" means: at the event that is being handled. A world that has several namespaces and tasks knows which they are
 * while a program runs; the interface has no handles for them. Addresses are bytes in network order, 4 or 16 of them;
 * ports and numbers are in host order. What fails gives the kernel's negative errno.
 */
import { PROTOCOL, TCP_STATE } from "../kernel/index.ts";
import type { TcpSockFieldName } from "../kernel/index.ts";
import type { Socket } from "./socket.ts";

export interface Endpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

/** A look-up as a packet from `remote` to `local` would cause it. */
export interface SocketQuery {
  readonly protocol: "tcp" | "udp";
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /** A namespace's id as seen from the current one; null: the current one. */
  readonly netns: number | null;
  /** The interface that the packet came in by; 0 when it is not known. Sockets bound to another are not found. */
  readonly ifindex: number;
}

export interface Sockets {
  /**
   * A connected socket, a connection request or one in TIME_WAIT; else a listening or unconnected one. Reuseport groups
   * and sk_lookup programs choose as they do for a packet. Null: none, or no such namespace.
   */
  find(query: SocketQuery): Socket | null;
  /** The socket itself; of a connection request (state NEW_SYN_RECV) its listener; null for one in TIME_WAIT. */
  full(socket: Socket): Socket | null;
  /** Fields of `struct bpf_tcp_sock` that are not 0. */
  tcp(socket: Socket): TcpSockFields;
  /** get_socket_uid: who made it. */
  uid(socket: Socket): number;
  /** getsockopt: the value as its caller sees it, at most `length` bytes; or a negative errno. */
  option(socket: Socket, level: number, name: number, length: number): Uint8Array | number;
  /** setsockopt: 0 or a negative errno. */
  setOption(socket: Socket, level: number, name: number, value: Uint8Array): number;
  /** Gives a socket that connects its source: 0 or a negative errno. Port 0: any, chosen when it connects. */
  bind(socket: Socket, to: Endpoint): number;
  /** sock_ops_cb_flags_set: which callbacks its connection has from now on. */
  setCallbackFlags(socket: Socket, flags: number): void;
  /** tcp_send_ack with this rcv_nxt. */
  sendAck(socket: Socket, rcvNxt: number): void;
  /** get_netns_cookie of its namespace; null: of the initial namespace. */
  netnsCookie(socket: Socket | null): bigint;
  /** The group of sockets that share its port (SO_REUSEPORT), compared by identity; null: none. */
  reuseport(socket: Socket): object | null;
  /** The cgroup it was made in. */
  cgroup(socket: Socket): Cgroup;
}
export type TcpSockFields = { readonly [name in TcpSockFieldName]?: number | bigint };

export interface Interface {
  readonly ifindex: number;
  readonly mtu: number;
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Bytes of link-layer header: 14; 0 for a tunnel without one. */
  readonly headerLength: number;
  /** Other end of a veth pair or netkit; null when it has none, or when that is in a namespace where it cannot be told. */
  readonly peer: number | null;
  readonly up: boolean;
  /** Whether packets that come in here are forwarded (sysctl `forwarding`). */
  readonly forwards: boolean;
}

export interface RouteQuery {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly sport: number;
  readonly dport: number;
  readonly tos: number;
  readonly mark: number;
  /** Where the packet came in; with `output`, where it is to go out. */
  readonly ifindex: number;
  readonly output: boolean;
  /** Only this table, without rules; null: by the rules. */
  readonly table: number | null;
}

/** `local`: no way onward (an address of this host, no route); the others are routes of that type. */
export type Route =
  | { readonly kind: "blackhole" | "unreachable" | "prohibit" | "local" | "encapsulated" }
  | {
      readonly kind: "unicast";
      readonly ifindex: number;
      /** Of the route if it is locked there, else the interface's. */
      readonly mtu: number;
      readonly metric: number;
      /** Null: the destination is on the link. May be IPv6 for an IPv4 destination. */
      readonly gateway: Uint8Array | null;
      /** The source address that a packet of this host would get; null: none fits. */
      readonly source: Uint8Array | null;
    };

export interface Network {
  /** In the current namespace; null: there is none. */
  interface(ifindex: number): Interface | null;
  route(query: RouteQuery): Route;
  /** The link-layer address of a neighbour that is known and valid; null: none. */
  neighbour(ifindex: number, address: Uint8Array): Uint8Array | null;
}

/** Compared by identity: also what cgroup storage belongs to. */
export interface Cgroup {
  readonly id: bigint;
  readonly parent: Cgroup | null;
  /** net_cls: 0 where it is not used. */
  readonly classid: number;
}

/** Compared by identity: also what task storage belongs to. */
export interface Task {
  /** The thread's id; the process's is `tgid`. */
  readonly pid: number;
  readonly tgid: number;
  readonly uid: number;
  readonly gid: number;
  /** At most 15 bytes. */
  readonly comm: string;
  readonly cgroup: Cgroup;
}

export interface World {
  readonly sockets: Sockets;
  readonly network: Network;
  /** The current task. A packet is handled in that of whoever sent it, or happened to run. */
  task(): Task;
}

/** What a test may state of the world of a machine on its own. */
export interface PlainFacts {
  /** Default: `lo` is 1, and any other number is an Ethernet interface. */
  readonly interfaces?: readonly (Pick<Interface, "ifindex"> & Partial<Interface>)[];
  readonly routes?: (query: RouteQuery) => Route;
  /** Six bytes each. */
  readonly neighbours?: readonly { readonly ifindex: number; readonly address: Uint8Array; readonly mac: Uint8Array }[];
  readonly task?: Partial<Task>;
  readonly netnsCookie?: bigint;
}

/** The id of a root cgroup, as on a mounted cgroup2 file system. */
const ROOT: Cgroup = { id: 1n, parent: null, classid: 0 };
const LOOPBACK = { ifindex: 1, mtu: 65_536 };
const ETHERNET = { mtu: 1500, headerLength: 14, peer: null, up: true, forwards: true };
const FAMILY = { ipv4: 2, ipv6: 10 };

/** The world of a machine on its own. `sockets`: those that can be found, which may grow. */
export class PlainWorld implements World {
  readonly sockets: Sockets;
  readonly network: Network;
  private readonly current: Task;

  constructor(sockets: Iterable<Socket>, facts: PlainFacts = {}) {
    this.sockets = new PlainSockets(sockets, facts.netnsCookie ?? 1n, ROOT);
    this.network = plainNetwork(facts);
    this.current = { pid: 1, tgid: 1, uid: 0, gid: 0, comm: "ebpf-ts", cgroup: ROOT, ...facts.task };
  }

  task(): Task {
    return this.current;
  }
}

function plainNetwork({ interfaces, routes, neighbours = [] }: PlainFacts): Network {
  const complete = (given: Pick<Interface, "ifindex"> & Partial<Interface>): Interface => ({
    mac: new Uint8Array(6),
    ...ETHERNET,
    ...given,
  });
  const all = interfaces?.map(complete);
  return {
    interface: (ifindex) => {
      if (all !== undefined) return all.find((one) => one.ifindex === ifindex) ?? null;
      return ifindex <= 0 ? null : complete(ifindex === LOOPBACK.ifindex ? LOOPBACK : { ifindex });
    },
    route: routes ?? (() => ({ kind: "local" })),
    neighbour: (ifindex, address) =>
      neighbours.find((one) => one.ifindex === ifindex && equal(one.address, address))?.mac ?? null,
  };
}

/** Sockets that stand still: they are found by the fields they were made with, and keep the options set on them. */
class PlainSockets implements Sockets {
  private readonly all: Iterable<Socket>;
  private readonly cookie: bigint;
  private readonly root: Cgroup;
  private readonly groups = new Map<string, object>();
  private readonly options = new WeakMap<Socket, Map<string, Uint8Array>>();

  constructor(all: Iterable<Socket>, cookie: bigint, root: Cgroup) {
    this.all = all;
    this.cookie = cookie;
    this.root = root;
  }

  find(query: SocketQuery): Socket | null {
    let best: Socket | null = null;
    for (const socket of this.all) {
      const match = matches(socket, query);
      if (match === "connected") return socket;
      if (match === "unconnected") best ??= socket;
    }
    return best;
  }

  full(socket: Socket): Socket | null {
    return socket.fields["state"] === TCP_STATE.timeWait ? null : socket;
  }
  tcp(): TcpSockFields {
    return {};
  }
  uid(): number {
    return 0;
  }

  option(socket: Socket, level: number, name: number, length: number): Uint8Array | number {
    const value = this.options.get(socket)?.get(`${level}/${name}`) ?? new Uint8Array(4);
    return value.slice(0, length);
  }
  setOption(socket: Socket, level: number, name: number, value: Uint8Array): number {
    const options = this.options.get(socket) ?? new Map<string, Uint8Array>();
    this.options.set(socket, options);
    options.set(`${level}/${name}`, value.slice());
    return 0;
  }
  bind(): number {
    return 0;
  }
  setCallbackFlags(): void {}
  sendAck(): void {}
  netnsCookie(): bigint {
    return this.cookie;
  }
  /** All sockets with one protocol, family and port are of one group. */
  reuseport(socket: Socket): object | null {
    const { protocol, family, src_port: port } = socket.fields;
    const key = `${String(protocol)}/${String(family)}/${String(port)}`;
    const group = this.groups.get(key) ?? {};
    this.groups.set(key, group);
    return group;
  }
  cgroup(): Cgroup {
    return this.root;
  }
}

function matches(socket: Socket, query: SocketQuery): "connected" | "unconnected" | null {
  const { fields } = socket;
  const v4 = query.local.address.length === 4;
  if (fields["family"] !== (v4 ? FAMILY.ipv4 : FAMILY.ipv6) || fields["protocol"] !== PROTOCOL[query.protocol])
    return null;
  if (fields["src_port"] !== query.local.port) return null;
  const { local, remote } = socket.addresses(v4 ? "ipv4" : "ipv6");
  if (!isAny(local) && !equal(local, query.local.address)) return null;
  const alone = fields["state"] === TCP_STATE.listen || fields["state"] === TCP_STATE.close;
  if (alone) return "unconnected";
  return fields["dst_port"] === query.remote.port && equal(remote, query.remote.address) ? "connected" : null;
}

function isAny(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}
function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
