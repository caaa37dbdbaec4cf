/**
 * Helpers that send packets, messages and connections elsewhere. They record what was asked for (host.ts, `Redirect`) and
 * give the verdict that the kernel gives. Sources: bpf-helpers(7), net/core/filter.c, net/core/sock_map.c (Linux 6.18).
 */
import { ERRNO } from "../errno.ts";
import type { Host, Redirect } from "../host.ts";
import { CpuMap, DeviceMap, SocketMap } from "../maps/index.ts";
import type { Device, VmMap } from "../maps/index.ts";
import { PROTOCOL, TCP_STATE } from "../../kernel/index.ts";
import type { Socket } from "../socket.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const XDP = { aborted: 0, redirect: 4 };
const TC = { shot: 2, redirect: 7 };
/** XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX; BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS. */
const VERDICT = 3n;
const BROADCAST = { all: 8n, excludeIngress: 16n };
const SK = { drop: 0n, pass: 1n };
const INGRESS = 1n;
/** sizeof(struct bpf_redir_neigh). */
const NEIGHBOUR_SIZE = 20;
/** BPF_SK_LOOKUP_F_REPLACE, BPF_SK_LOOKUP_F_NO_REUSEPORT. */
const ASSIGN = { replace: 1n, noReuseport: 2n, all: 3n };
const AF_INET6 = 10;
/** IPV6_V6ONLY. */
const V6ONLY = { level: 41, name: 26 };

export const REDIRECT_HELPERS = {
  redirect: (host, r1, r2) => {
    const xdp = host.run.type === "xdp";
    const bad = xdp ? r2 !== 0n : (r2 & ~INGRESS) !== 0n;
    if (bad) return result(xdp ? XDP.aborted : TC.shot);
    return toInterface(host, { kind: "interface", ifindex: u32(r1), flags: r2 }, xdp ? XDP.redirect : TC.redirect);
  },
  redirect_peer: (host, r1, r2) => {
    return r2 !== 0n ? result(TC.shot) : toInterface(host, { kind: "peer", ifindex: u32(r1), flags: r2 }, TC.redirect);
  },
  redirect_neigh: (host, r1, _params, r3, r4) => {
    if (r4 !== 0n || (r3 !== 0n && s32(r3) < NEIGHBOUR_SIZE)) return result(TC.shot);
    return toInterface(host, { kind: "neigh", ifindex: u32(r1), flags: r4 }, TC.redirect);
  },
  clone_redirect: (host, _ctx, r2, r3) => {
    if ((r3 & ~INGRESS) !== 0n || host.world.network.interface(u32(r2)) === null) return result(-ERRNO.EINVAL);
    return toInterface(
      host,
      { kind: "clone", ifindex: u32(r2), flags: r3, packet: host.packet("clone_redirect").bytes.slice() },
      0,
    );
  },
  /** The lowest two bits of the flags are the verdict when there is nothing at the index. */
  redirect_map: (host, r1, r2, flags) => {
    const map = host.map(r1);
    const known = map instanceof DeviceMap ? VERDICT | BROADCAST.all | BROADCAST.excludeIngress : VERDICT;
    if ((flags & ~known) !== 0n) return result(XDP.aborted);
    const redirect = map instanceof DeviceMap ? toDevices(host, map, u32(r2), flags) : toCpu(map, u32(r2), flags);
    return redirect === null ? flags & VERDICT : toInterface(host, redirect, XDP.redirect);
  },
  // What goes out of a socket of another kind than TCP goes nowhere; into its receive queue it may.
  msg_redirect_map: (host, _ctx, r2, r3, r4) => toSocket(host, r2, index(r3), r4, true),
  msg_redirect_hash: (host, _ctx, r2, r3, r4) => toSocket(host, r2, keyAt(host, r2, r3), r4, true),
  sk_redirect_map: (host, _ctx, r2, r3, r4) => toSocket(host, r2, index(r3), r4),
  sk_redirect_hash: (host, _ctx, r2, r3, r4) => toSocket(host, r2, keyAt(host, r2, r3), r4),
  sk_assign: (host, _ctx, r2, r3) => {
    const assign = host.run.type === "sk_lookup" ? assignLookup : assignPacket;
    return assign(host, host.socket(r2), r3);
  },
  sk_select_reuseport: (host, _ctx, r2, r3, r4) => {
    const map = host.map(r2);
    return select(host, map, host.bytes(r3, map.spec.keySize), r4);
  },
} satisfies Implementations;

function toInterface(host: Host, redirect: Redirect, verdict: number): bigint {
  host.run.redirects.push(redirect);
  return result(verdict);
}

function toDevices(host: Host, map: DeviceMap, index: number, flags: bigint): Redirect | null {
  if ((flags & BROADCAST.all) === 0n) {
    const device = map.getDevice(index);
    return device === null ? null : { kind: "devices", map: map.name, devices: [device], flags };
  }
  const ingress = (flags & BROADCAST.excludeIngress) === 0n ? null : host.run.context.number("ingress_ifindex");
  const devices = map.keys().map((key) => map.getDevice(new DataView(key.buffer).getUint32(0, true)));
  const others = devices.filter((device): device is Device => device !== null && device.ifindex !== ingress);
  return { kind: "devices", map: map.name, devices: others, flags };
}

/** An xskmap has no sockets here. */
function toCpu(map: VmMap, index: number, flags: bigint): Redirect | null {
  const queue = map instanceof CpuMap ? map.at(index) : null;
  return queue === null ? null : { kind: "cpu", map: map.name, cpu: index, program: queue.program, flags };
}

const socketMap = (host: Host, register: bigint): SocketMap => host.mapOf(register, SocketMap, "sockmap or sockhash");

function keyAt(host: Host, map: bigint, register: bigint): Uint8Array {
  return host.bytes(register, socketMap(host, map).spec.keySize).slice();
}

function index(register: bigint): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, u32(register), true);
  return key;
}

function toSocket(host: Host, register: bigint, key: Uint8Array, flags: bigint, message = false): bigint {
  const map = socketMap(host, register);
  const socket = (flags & ~INGRESS) === 0n ? map.find(key) : null;
  if (socket === null || !takesRedirects(socket)) return SK.drop;
  if (message && flags !== INGRESS && !isTcp(socket)) return SK.drop;
  host.run.redirects.push({ kind: "socket", map: map.name, key, socket, ingress: flags === INGRESS });
  return SK.pass;
}

const isTcp = (socket: Socket): boolean => socket.fields["protocol"] === PROTOCOL.tcp;

function takesRedirects(socket: Socket): boolean {
  const { state } = socket.fields;
  return isTcp(socket) ? state !== TCP_STATE.listen : state === TCP_STATE.established;
}

/** sk_assign of tc: the socket that the packet is for, connected or not, if it comes in. */
function assignPacket(host: Host, socket: Socket | null, flags: bigint): bigint {
  const { run } = host;
  if (socket === null || flags !== 0n) return result(-ERRNO.EINVAL);
  if (run.attach === "tcx_egress") return result(-ERRNO.EOPNOTSUPP);
  run.redirects.push({ kind: "assign", socket, reuseport: false });
  return 0n;
}

/** sk_assign of sk_lookup: who gets the connection or datagram that looks for a socket. */
function assignLookup(host: Host, socket: Socket | null, flags: bigint): bigint {
  const { run } = host;
  if (socket !== null && !takesNewcomers(socket)) return result(-ERRNO.ESOCKTNOSUPPORT);
  if ((flags & ~ASSIGN.all) !== 0n) return result(-ERRNO.EINVAL);
  if (socket !== null) {
    const { protocol, family } = run.context.read();
    if (socket.fields["protocol"] !== protocol) return result(-ERRNO.EPROTOTYPE);
    if (!takesFamily(host, socket, Number(family))) return result(-ERRNO.EAFNOSUPPORT);
  }
  const taken = run.redirects.findLast((r) => r.kind === "assign");
  if (taken?.socket != null && (flags & ASSIGN.replace) === 0n) return result(-ERRNO.EEXIST);
  run.redirects.push({ kind: "assign", socket, reuseport: (flags & ASSIGN.noReuseport) === 0n });
  return 0n;
}

/** Listening, or unconnected. */
function takesNewcomers(socket: Socket): boolean {
  return socket.fields["state"] === (isTcp(socket) ? TCP_STATE.listen : TCP_STATE.close);
}

/** A socket of IPv6 takes IPv4 as well unless it was told not to. */
function takesFamily(host: Host, socket: Socket, family: number): boolean {
  const own = socket.fields["family"];
  if (own === family) return true;
  const only = host.world.sockets.option(socket, V6ONLY.level, V6ONLY.name, 4);
  return own === AF_INET6 && (typeof only === "number" || only[0] === 0);
}

/** sk_select_reuseport: a member of the group that the packet's socket is in. */
function select(host: Host, map: VmMap, key: Uint8Array, flags: bigint): bigint {
  const { run, world } = host;
  if (flags !== 0n) return result(-ERRNO.EINVAL);
  const address = map.lookup(key, run.cpu);
  const socket = address === 0 ? null : host.socket(BigInt(address));
  if (socket === null) return result(-ERRNO.ENOENT);
  const group = world.sockets.reuseport(socket);
  if (group === null) return result(map.spec.type === "reuseport_sockarray" ? -ERRNO.ENOENT : -ERRNO.EINVAL);
  const own = run.socket;
  if (own === null || world.sockets.reuseport(own) !== group) {
    const same = (name: "protocol" | "family"): boolean => own?.fields[name] === socket.fields[name];
    if (!same("protocol")) return result(-ERRNO.EPROTOTYPE);
    return result(same("family") ? -ERRNO.EBADFD : -ERRNO.EAFNOSUPPORT);
  }
  run.redirects.push({ kind: "assign", socket, reuseport: false });
  return 0n;
}
