/**
 * Helpers that send packets, messages and connections elsewhere. They record what was asked for (host.ts, `Redirect`) and
 * give the verdict that the kernel gives. Sources: bpf-helpers(7), net/core/filter.c, net/core/sock_map.c (Linux 6.18).
 */
import { ERRNO } from "../errno.ts";
import type { Host, Redirect } from "../host.ts";
import { SocketMap } from "../maps/index.ts";
import type { Socket } from "../socket.ts";
import { Trap } from "../fault.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const XDP = { aborted: 0, redirect: 4 };
const TC = { shot: 2, redirect: 7 };
const SK = { drop: 0n, pass: 1n };
const INGRESS = 1n;
/** sizeof(struct bpf_redir_neigh). */
const NEIGHBOUR_SIZE = 20;
/** BPF_SK_LOOKUP_F_REPLACE, BPF_SK_LOOKUP_F_NO_REUSEPORT. */
const ASSIGN = { replace: 1n, all: 3n };

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
  msg_redirect_map: (host, _ctx, r2, r3, r4) => toSocket(host, r2, index(r3), r4),
  msg_redirect_hash: (host, _ctx, r2, r3, r4) => toSocket(host, r2, keyAt(host, r2, r3), r4),
  sk_redirect_map: (host, _ctx, r2, r3, r4) => toSocket(host, r2, index(r3), r4),
  sk_redirect_hash: (host, _ctx, r2, r3, r4) => toSocket(host, r2, keyAt(host, r2, r3), r4),
  sk_assign: (host, _ctx, r2, r3) => assign(host, host.socket(r2), r3),
} satisfies Implementations;

function toInterface(host: Host, redirect: Redirect, verdict: number): bigint {
  host.run.redirects.push(redirect);
  return result(verdict);
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

function toSocket(host: Host, register: bigint, key: Uint8Array, flags: bigint): bigint {
  const map = socketMap(host, register);
  const socket = (flags & ~INGRESS) === 0n ? map.find(key) : null;
  if (socket === null) return SK.drop;
  host.run.redirects.push({ kind: "socket", map: map.name, key, socket, ingress: flags === INGRESS });
  return SK.pass;
}

function assign(host: Host, socket: Socket | null, flags: bigint): bigint {
  const { run } = host;
  if (run.context.kind !== "bpf_sk_lookup")
    throw new Trap("helper", `helper sk_assign is simulated for sk_lookup only, not at ${run.context.kind}`);
  if ((flags & ~ASSIGN.all) !== 0n) return result(-ERRNO.EINVAL);
  if (socket !== null) {
    const { protocol, family } = run.context.read();
    if (socket.fields["protocol"] !== protocol) return result(-ERRNO.EPROTOTYPE);
    if (socket.fields["family"] !== family) return result(-ERRNO.EAFNOSUPPORT);
  }
  const taken = run.redirects.findLast((r) => r.kind === "assign");
  if (taken?.socket != null && (flags & ASSIGN.replace) === 0n) return result(-ERRNO.EEXIST);
  run.redirects.push({ kind: "assign", socket });
  return 0n;
}
