/**
 * getsockopt, setsockopt and bind as programs may call them: a list of options, each with the length that it takes, before
 * the world is asked (world.ts). Source: bpf-helpers(7), what Linux 6.18 answers.
 */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import type { Socket } from "../socket.ts";
import { PROTOCOL } from "../../kernel/index.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const LEVEL = { ip: 0, socket: 1, tcp: 6, ipv6: 41 };
const AF = { inet: 2, inet6: 10 };
const INT = 4;

/** An int unless `least` says otherwise; `only` one of the two ways. */
interface Option {
  readonly least?: number;
  readonly only?: "get" | "set";
}
const int: Option = {};
const setOnly: Option = { only: "set" };

// prettier-ignore
const OPTIONS: Readonly<Record<number, Readonly<Record<number, Option>>>> = {
  // SO_REUSEADDR SNDBUF RCVBUF KEEPALIVE PRIORITY REUSEPORT RCVLOWAT MARK MAX_PACING_RATE BINDTOIFINDEX TXREHASH, SK_BPF_CB_FLAGS
  [LEVEL.socket]: { 2: int, 7: int, 8: int, 9: int, 12: int, 15: int, 18: int, 36: int, 47: int, 62: int, 74: int, 1009: int,
    25: { least: 0, only: "set" } }, // SO_BINDTODEVICE
  [LEVEL.ip]:     { 1: int }, // IP_TOS
  [LEVEL.ipv6]:   { 67: int, 70: int }, // IPV6_TCLASS, IPV6_AUTOFLOWLABEL
  // TCP_NODELAY MAXSEG KEEPIDLE KEEPINTVL KEEPCNT SYNCNT WINDOW_CLAMP THIN_LINEAR_TIMEOUTS USER_TIMEOUT NOTSENT_LOWAT SAVE_SYN
  // RTO_MAX_MS, TCP_BPF_SOCK_OPS_CB_FLAGS
  [LEVEL.tcp]:    { 1: int, 2: int, 4: int, 5: int, 6: int, 7: int, 10: int, 16: int, 18: int, 25: int, 27: int, 44: int, 1008: int,
    13: { least: 2 },                  // TCP_CONGESTION
    28: { least: 1 },                  // TCP_SAVED_SYN
    1001: setOnly, 1002: setOnly, 1003: int, 1004: int }, // TCP_BPF_IW SNDCWND_CLAMP DELACK_MAX RTO_MIN
};
/** TCP_BPF_SYN, _IP, _MAC: the saved SYN from a header on; sock_ops only. */
const SYN = [1005, 1006, 1007];
const CALLBACK_FLAGS = 1008;
/** TCP_SAVED_SYN */
const SAVED_SYN = 28;
const CONGESTION = 13;
/** BPF_SOCK_OPS_ALL_CB_FLAGS */
export const ALL_CALLBACKS = 0x7f;

const SOCKADDR = { family: 2, inet: 16, inet6: 24 };

export const SOCKET_OPTION_HELPERS = {
  getsockopt: (host, r1, r2, r3, r4, r5) => {
    const into = host.bytes(r4, u32(r5), true);
    const got = get(host, socketOf(host, r1), s32(r2), s32(r3), into);
    if (got < 0) into.fill(0);
    return result(got);
  },
  setsockopt: (host, r1, r2, r3, r4, r5) => {
    const value = host.bytes(r4, u32(r5));
    return result(set(host, socketOf(host, r1), s32(r2), s32(r3), value.slice()));
  },
  bind: (host, _ctx, r2, r3) => {
    const { socket } = host.run;
    const address = host.bytes(r2, u32(r3));
    if (address.length < SOCKADDR.family || socket === null) return result(-ERRNO.EINVAL);
    const view = new DataView(address.buffer, address.byteOffset);
    const family = view.getUint16(0, true);
    if (family !== AF.inet && family !== AF.inet6) return result(-ERRNO.EAFNOSUPPORT);
    const v4 = family === AF.inet;
    if (address.length < (v4 ? SOCKADDR.inet : SOCKADDR.inet6)) return result(-ERRNO.EINVAL);
    const to = { address: v4 ? address.slice(4, 8) : address.slice(8, 24), port: view.getUint16(2, false) };
    const bound = host.world.sockets.bind(socket, to);
    if (bound === 0) host.run.effects.push({ kind: "bind", socket, to });
    return result(bound);
  },
} satisfies Implementations;

/** Programs of a socket's own hooks give the context, others the socket. */
function socketOf(host: Host, register: bigint): Socket | null {
  const { run } = host;
  return register === BigInt(run.context.region.start) ? run.socket : host.socket(register);
}

function optionOf(socket: Socket, level: number, name: number, length: number, way: "get" | "set"): Option | null {
  const { family, protocol } = socket.fields;
  const fits =
    (level === LEVEL.socket || level !== LEVEL.tcp || protocol === PROTOCOL.tcp) &&
    (level !== LEVEL.ip || family === AF.inet) &&
    (level !== LEVEL.ipv6 || family === AF.inet6);
  const option = fits ? OPTIONS[level]?.[name] : undefined;
  if (option === undefined || (option.only !== undefined && option.only !== way)) return null;
  const right = option.least === undefined ? length === INT : length >= option.least;
  return right ? option : null;
}

function get(host: Host, socket: Socket | null, level: number, name: number, into: Uint8Array): number {
  if (socket === null) return -ERRNO.EINVAL;
  const syn = host.run.type === "sock_ops" && level === LEVEL.tcp && SYN.includes(name);
  if (!syn && optionOf(socket, level, name, into.length, "get") === null) return -ERRNO.EINVAL;
  if (level === LEVEL.tcp && name === CALLBACK_FLAGS) {
    setInt(into, host.run.context.number("bpf_sock_ops_cb_flags"));
    return 0;
  }
  const value = host.world.sockets.option(socket, level, name, into.length);
  if (typeof value === "number") return value;
  // A saved SYN is given up to any length that it has, and to no other.
  if (level === LEVEL.tcp && name === SAVED_SYN && value.length < into.length) return -ERRNO.EINVAL;
  into.fill(0);
  into.set(value.subarray(0, into.length));
  // Programs always get a string that ends.
  if (level === LEVEL.tcp && name === CONGESTION) into[into.length - 1] = 0;
  return syn ? value.length : 0;
}

function set(host: Host, socket: Socket | null, level: number, name: number, value: Uint8Array): number {
  if (socket === null || optionOf(socket, level, name, value.length, "set") === null) return -ERRNO.EINVAL;
  if (level === LEVEL.tcp && name === CALLBACK_FLAGS) {
    const flags = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
    if ((flags & ~ALL_CALLBACKS) !== 0) return -ERRNO.EINVAL;
    setCallbacks(host, socket, flags);
    return 0;
  }
  const done = host.world.sockets.setOption(socket, level, name, value);
  if (done === 0) host.run.effects.push({ kind: "option", socket, level, name, value });
  return done;
}

/** Which callbacks the socket's connection has from now on. */
export function setCallbacks(host: Host, socket: Socket, flags: number): void {
  const { run } = host;
  if (run.context.kind === "bpf_sock_ops") run.context.put({ bpf_sock_ops_cb_flags: flags });
  host.world.sockets.setCallbackFlags(socket, flags);
  run.effects.push({ kind: "callback_flags", socket, flags });
}

function setInt(into: Uint8Array, value: number): void {
  new DataView(into.buffer, into.byteOffset).setUint32(0, value, true);
}
