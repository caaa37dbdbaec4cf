/**
 * Looking up sockets, and what can be asked of one that a program holds. Which sockets there are the world knows
 * (world.ts); here is what the kernel makes of a look-up's answer.
 *
 *   struct bpf_sock_tuple    saddr 4 or 16 | daddr 4 or 16 | sport 2 | dport 2, in network order, as in a packet that arrives
 *
 * Source: bpf-helpers(7), what Linux 6.18 answers.
 */
import { PROTOCOL, TCP_STATE, TCP_SOCK_FIELDS, TCP_SOCK_SIZE } from "../../kernel/index.ts";
import { Trap } from "../fault.ts";
import { writeField } from "../fields.ts";
import type { Host } from "../host.ts";
import type { Socket } from "../socket.ts";
import type { Endpoint } from "../world.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementation, Implementations } from "./helper.ts";

const TUPLE = { ipv4: 12, ipv6: 36 };
const S32_MAX = 0x7fff_ffffn;
const OVERFLOW_UID = 65_534;

export const SOCKET_LOOKUP_HELPERS = {
  sk_lookup_tcp: (host, _ctx, r2, r3, r4, r5) => acquire(host, fullOf(host, find(host, "tcp", r2, r3, r4, r5))),
  sk_lookup_udp: (host, _ctx, r2, r3, r4, r5) => acquire(host, fullOf(host, find(host, "udp", r2, r3, r4, r5))),
  /** Requests and sockets in TIME_WAIT too. */
  skc_lookup_tcp: (host, _ctx, r2, r3, r4, r5) => acquire(host, find(host, "tcp", r2, r3, r4, r5)),
  sk_release: (host, r1) => {
    if (r1 === 0n) throw new Trap("argument", "sk_release of a null pointer");
    host.socket(r1);
    host.run.references.release(Number(r1), "sk_release");
    return 0n;
  },
  sk_fullsock: (host, r1) => (isFull(host.socket(r1)) ? r1 : 0n),
  tcp_sock: (host, r1) => {
    const socket = host.socket(r1);
    if (socket === null || !isFull(socket) || socket.fields["protocol"] !== PROTOCOL.tcp) return 0n;
    return BigInt(tcpSock(host, socket));
  },
  get_listener_sock: (host, r1) => {
    const socket = host.socket(r1);
    const full = socket === null ? null : host.world.sockets.full(socket);
    return full !== null && full.fields["state"] === TCP_STATE.listen ? BigInt(full.region.start) : 0n;
  },
  get_socket_uid: (host) => {
    const { socket } = host.run;
    const full = socket === null ? null : host.world.sockets.full(socket);
    return result(full === null ? OVERFLOW_UID : host.world.sockets.uid(full));
  },
  skc_to_tcp_sock: cast((socket) => isFull(socket) && socket.fields["protocol"] === PROTOCOL.tcp),
  skc_to_tcp6_sock: cast((s) => isFull(s) && s.fields["protocol"] === PROTOCOL.tcp && s.fields["family"] === 10),
  skc_to_udp6_sock: cast(
    (s) => isFull(s) && s.fields["protocol"] === PROTOCOL.udp && s.fields["type"] === 2 && s.fields["family"] === 10,
  ),
  skc_to_tcp_timewait_sock: cast(({ fields }) => fields["state"] === TCP_STATE.timeWait),
  skc_to_tcp_request_sock: cast(({ fields }) => fields["state"] === TCP_STATE.newSynRecv),
  // There are neither here.
  skc_to_unix_sock: cast(() => false),
  skc_to_mptcp_sock: cast(() => false),
} satisfies Implementations;

/** Neither a connection request nor in TIME_WAIT, which have less than a whole socket (sk_fullsock). */
export function isFull(socket: Socket | null): socket is Socket {
  const state = socket?.fields["state"];
  return state !== undefined && state !== TCP_STATE.timeWait && state !== TCP_STATE.newSynRecv;
}

function fullOf(host: Host, socket: Socket | null): Socket | null {
  return socket === null ? null : host.world.sockets.full(socket);
}

// prettier-ignore
function find(host: Host, protocol: "tcp" | "udp", tuple: bigint, size: bigint, netns: bigint, flags: bigint): Socket | null {
  const bytes = host.bytes(tuple, u32(size));
  const length = bytes.length === TUPLE.ipv4 ? 4 : bytes.length === TUPLE.ipv6 ? 16 : null;
  const current = s32(netns) < 0;
  if (length === null || flags !== 0n || (!current && netns > S32_MAX)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = (address: number, port: number): Endpoint => ({
    address: bytes.slice(address, address + length),
    port: view.getUint16(2 * length + port, false),
  });
  const { context } = host.run;
  return host.world.sockets.find({
    protocol,
    remote: end(0, 0),
    local: end(length, 2),
    netns: current ? null : Number(netns),
    ifindex: context.number(context.kind === "xdp_md" ? "ingress_ifindex" : "ifindex"),
  });
}

function acquire(host: Host, socket: Socket | null): bigint {
  if (socket === null) return 0n;
  host.run.references.acquire(socket.region.start, "a socket that it looked up");
  return BigInt(socket.region.start);
}

/** The address of the socket's `struct bpf_tcp_sock`, brought up to date. */
function tcpSock(host: Host, socket: Socket): number {
  const region = host.socketView(socket, "a TCP socket's counters", TCP_SOCK_SIZE);
  region.bytes.fill(0);
  const values = host.world.sockets.tcp(socket);
  for (const field of TCP_SOCK_FIELDS) writeField(region.view, field, values[field.name] ?? 0);
  return region.start;
}

/** A pointer to the kernel's own structure is the socket's: what can be done with it is to give it to helpers. */
function cast(is: (socket: Socket) => boolean): Implementation {
  return (host, r1) => {
    const socket = host.socket(r1);
    return socket !== null && is(socket) ? r1 : 0n;
  };
}
