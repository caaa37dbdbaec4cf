/** What helpers ask of the world (lib/vm/world.ts), answered from the node. */
import { formatAddress } from "../../bytes/index.ts";
import { ERRNO, errnoNumber } from "../errno.ts";
import type { Socket } from "../socket.ts";
import type {
  Cgroup,
  Endpoint,
  Network,
  Route,
  RouteQuery,
  SocketQuery,
  Sockets,
  Task,
  TcpSockFields,
  World,
} from "../world.ts";
import type { Interface } from "../world.ts";
import { addressBytes, isAny } from "./endpoint.ts";
import { PROTOCOL, decodeIp } from "./frame.ts";
import type { Kernel } from "./kernel.ts";
import { findReceiver } from "./lookup.ts";
import type { Namespace } from "./namespace.ts";
import { LEVEL, readOption, writeOption } from "./socket-options.ts";
import { sockOf } from "./sock.ts";
import type { Sock } from "./sock.ts";
import { sendAck } from "./tcp-output.ts";
import { RequestSock, TIME, TcpSock } from "./tcp-sock.ts";

export class NodeWorld implements World {
  readonly sockets: Sockets;
  readonly network: Network;
  private readonly kernel: Kernel;

  constructor(kernel: Kernel, root: Cgroup) {
    this.kernel = kernel;
    this.sockets = new NodeSockets(kernel, root);
    this.network = new NodeNetwork(kernel);
  }

  task(): Task {
    return this.kernel.task;
  }
}

class NodeSockets implements Sockets {
  private readonly kernel: Kernel;
  private readonly root: Cgroup;

  constructor(kernel: Kernel, root: Cgroup) {
    this.kernel = kernel;
    this.root = root;
  }

  find({ protocol, remote, local, netns, ifindex }: SocketQuery): Socket | null {
    const { namespace } = this.kernel;
    if (namespace === null || netns !== null) return null;
    const flow = { protocol: PROTOCOL[protocol], local: endpointOf(local), remote: endpointOf(remote), ifindex };
    return findReceiver(namespace, flow, null, null)?.publish() ?? null;
  }

  full(socket: Socket): Socket | null {
    const sock = sockOf(socket);
    if (sock instanceof RequestSock) return sock.listener.publish();
    return sock?.state === "TIME_WAIT" ? null : socket;
  }

  tcp(socket: Socket): TcpSockFields {
    const sock = sockOf(socket);
    return sock instanceof TcpSock ? tcpFields(sock) : {};
  }

  uid(socket: Socket): number {
    return sockOf(socket)?.uid ?? 0;
  }

  option(socket: Socket, level: number, name: number, length: number): Uint8Array | number {
    const sock = sockOf(socket);
    if (sock === null) return -ERRNO.EINVAL;
    if (level === LEVEL.tcp && name in SYN_PARTS) return savedSyn(sock, name);
    const value = readOption(sock, level, name, length);
    return typeof value === "string" ? -errnoNumber(value) : value;
  }

  setOption(socket: Socket, level: number, name: number, value: Uint8Array): number {
    const sock = sockOf(socket);
    if (sock === null) return -ERRNO.EINVAL;
    if (level === LEVEL.tcp && name >= FIRST_BPF_OPTION && sock instanceof TcpSock)
      return setBpfOption(sock, name, value);
    sock.privileged = true;
    const failure = writeOption(sock, level, name, value);
    return failure === null ? 0 : -errnoNumber(failure);
  }

  bind(socket: Socket, to: Endpoint): number {
    const sock = sockOf(socket);
    if (sock === null) return -ERRNO.EINVAL;
    const { address, port } = endpointOf(to);
    if (!isAny(address) && !sock.namespace.isLocal(address)) return -ERRNO.EADDRNOTAVAIL;
    const before = sock.local;
    sock.local = { address: sock.own(address), port: 0 };
    sock.chosen.address = true;
    if (port === 0 || sock.namespace.sockets.take(sock, port)) return 0;
    sock.local = before;
    return -ERRNO.EADDRINUSE;
  }

  setCallbackFlags(socket: Socket, flags: number): void {
    const sock = sockOf(socket);
    if (sock instanceof TcpSock) sock.callbacks = flags;
  }

  sendAck(socket: Socket, rcvNxt: number): void {
    const sock = sockOf(socket);
    if (!(sock instanceof TcpSock)) return;
    sock.rcvNxt = rcvNxt;
    sendAck(sock);
  }

  netnsCookie(socket: Socket | null): bigint {
    return (socket === null ? null : sockOf(socket))?.namespace.cookie ?? this.kernel.namespace?.cookie ?? 1n;
  }

  reuseport(socket: Socket): object | null {
    return sockOf(socket)?.reuseport ?? null;
  }

  cgroup(socket: Socket): Cgroup {
    return sockOf(socket)?.cgroup ?? this.root;
  }
}

/** TCP_BPF_* of include/uapi/linux/bpf.h: options that programs alone may set, and the parts of the saved SYN. */
const FIRST_BPF_OPTION = 1001;
const BPF_OPTION = { initialWindow: 1001, windowClamp: 1002, delayedAckMax: 1003, rtoMin: 1004 };
const SYN_PARTS: Readonly<Record<number, "tcp" | "ip" | "mac">> = { 1005: "tcp", 1006: "ip", 1007: "mac" };

function setBpfOption(sock: TcpSock, name: number, value: Uint8Array): number {
  const number = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  const ms = number / 1000;
  if (number <= 0) return -ERRNO.EINVAL;
  switch (name) {
    case BPF_OPTION.initialWindow:
      if (sock.counters.dataSegsOut > 0) return -ERRNO.EINVAL;
      sock.cwnd = number;
      return 0;
    case BPF_OPTION.windowClamp:
      sock.cwndClamp = sock.ssthresh = number;
      return 0;
    case BPF_OPTION.delayedAckMax:
      if (ms > TIME.minRto) return -ERRNO.EINVAL;
      sock.delayedAckMax = ms;
      return 0;
    case BPF_OPTION.rtoMin:
      if (ms > TIME.minRto) return -ERRNO.EINVAL;
      sock.rtoMin = ms;
      return 0;
    default:
      return -ERRNO.EINVAL;
  }
}

/** The SYN that TCP_SAVE_SYN kept, from one of its headers on; it stays. */
function savedSyn(sock: Sock, name: number): Uint8Array | number {
  const syn = sock.savedSyn;
  if (syn.length === 0) return -ERRNO.ENOENT;
  const ip = decodeIp(syn);
  return SYN_PARTS[name] === "tcp" && ip !== null ? syn.slice(ip.headerLength) : syn;
}

function tcpFields(sock: TcpSock): TcpSockFields {
  const { counters } = sock;
  return {
    snd_cwnd: sock.cwnd,
    srtt_us: sock.srtt,
    rtt_min: sock.rttMin,
    snd_ssthresh: sock.ssthresh,
    rcv_nxt: sock.rcvNxt,
    snd_nxt: sock.sndNxt,
    snd_una: sock.sndUna,
    mss_cache: sock.mss,
    packets_out: sock.inFlight,
    retrans_out: sock.retransOut,
    total_retrans: counters.totalRetrans,
    segs_in: counters.segsIn,
    data_segs_in: counters.dataSegsIn,
    segs_out: counters.segsOut,
    data_segs_out: counters.dataSegsOut,
    bytes_received: BigInt(counters.bytesReceived),
    bytes_acked: BigInt(counters.bytesAcked),
  };
}

function endpointOf({ address, port }: Endpoint): { address: string; port: number } {
  return { address: formatAddress(address), port };
}

const ETHERNET_HEADER = 14;

class NodeNetwork implements Network {
  private readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  interface(ifindex: number): Interface | null {
    const { namespace } = this.kernel;
    const found = namespace?.findInterface(ifindex) ?? null;
    if (namespace === null || found === null) return null;
    const { mtu, mac, peer, up } = found;
    const visible = peer?.namespace === namespace ? peer.ifindex : null;
    return { ifindex, mtu, mac, headerLength: ETHERNET_HEADER, peer: visible, up, forwards: namespace.forwarding };
  }

  route(query: RouteQuery): Route {
    const { namespace } = this.kernel;
    const destination = formatAddress(query.destination);
    if (namespace === null || namespace.isLocal(destination)) return { kind: "local" };
    return routeOf(namespace, destination, query);
  }

  neighbour(ifindex: number, address: Uint8Array): Uint8Array | null {
    const { namespace } = this.kernel;
    const device = namespace?.findInterface(ifindex) ?? null;
    return device === null ? null : (namespace?.neighbours.known(device, formatAddress(address)) ?? null);
  }
}

function routeOf(namespace: Namespace, destination: string, { output, ifindex }: RouteQuery): Route {
  const bound = output && ifindex !== 0 ? namespace.findInterface(ifindex) : null;
  const route = namespace.routeTo(destination, bound);
  if (route === null) return { kind: "local" };
  if (route.type !== "unicast" || route.device === null)
    return { kind: route.type === "unicast" ? "local" : route.type };
  const source = namespace.sourceFor(destination, route.device);
  return {
    kind: "unicast",
    ifindex: route.device.ifindex,
    mtu: route.device.mtu,
    metric: route.metric,
    gateway: route.via === null ? null : addressBytes(route.via),
    source: source === null ? null : addressBytes(source),
  };
}
