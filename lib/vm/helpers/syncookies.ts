/**
 * SYN cookies: a sequence number for a SYN-ACK from which the connection can be told again when its ACK comes.
 *
 *   cookie = hash(addresses, ports) + sequence + minute << 24 + (hash(addresses, ports, minute) + index of the MSS) & 0xffffff
 *
 * The kernel's hash has a secret of its boot, this one is FNV-1a: cookies are valid where they were made. A listener makes them
 * only while its queue of requests is full, which no queue here ever is. Source: bpf-helpers(7), what Linux 6.18 answers
 * (test/vm/helpers/syncookies.test.ts).
 */
import { PROTOCOL, TCP_STATE } from "../../kernel/index.ts";
import { ERRNO } from "../errno.ts";
import { fnv1a } from "../flow-hash.ts";
import type { Host } from "../host.ts";
import { result, u32 } from "./helper.ts";
import type { Implementation, Implementations } from "./helper.ts";

const HEADER = { ipv4: 20, ipv6: 40, tcp: 20 };
/** Values of the MSS that a cookie can tell, ascending; and the MSS of a SYN that does not say. */
const SIZES = { ipv4: [536, 1300, 1440, 1460], ipv6: [1220, 1420, 1440, 8940] };
const DEFAULT_SIZE = { ipv4: 536, ipv6: 1220 };
const MINUTE = 60_000_000_000n;
/** Minutes after which a cookie is no more (MAX_SYNCOOKIE_AGE). */
const AGE = 2;
const LOW = 0xff_ffff;
const OPTION = { end: 0, nop: 1, mss: 2 };
const FLAG = { fin: 1, syn: 2, rst: 4, ack: 16 };

type Version = "ipv4" | "ipv6";

export const SYNCOOKIE_HELPERS = {
  tcp_raw_gen_syncookie_ipv4: generate("ipv4"),
  tcp_raw_gen_syncookie_ipv6: generate("ipv6"),
  tcp_raw_check_syncookie_ipv4: check("ipv4"),
  tcp_raw_check_syncookie_ipv6: check("ipv6"),
  tcp_gen_syncookie: (host, r1, r2, r3, r4, r5) => {
    const tcp = host.bytes(r4, u32(r5));
    const bad = !isListener(host, r1) || !isHeader(tcp) || flags(tcp) !== FLAG.syn || !isIp(host, r2, r3);
    return result(bad ? -ERRNO.EINVAL : -ERRNO.ENOENT);
  },
  tcp_check_syncookie: (host, r1, r2, r3, r4, r5) => {
    const tcp = host.bytes(r4, u32(r5));
    if (!isListener(host, r1) || tcp.length < HEADER.tcp) return result(-ERRNO.EINVAL);
    if (flags(tcp) !== FLAG.ack) return result(-ERRNO.ENOENT);
    return result(isIp(host, r2, r3) ? -ERRNO.ENOENT : -ERRNO.EINVAL);
  },
} satisfies Implementations;

/** IP header, TCP header and its length: the cookie, and in the upper half the MSS that it tells. */
function generate(version: Version): Implementation {
  return (host, r1, r2, r3) => {
    const tcp = host.bytes(r2, u32(r3));
    const ip = host.bytes(r1, HEADER[version]);
    if (!isHeader(tcp)) return result(-ERRNO.EINVAL);
    const index = sizeIndex(SIZES[version], mssOf(tcp) ?? DEFAULT_SIZE[version]);
    const mss = SIZES[version][index] ?? 0;
    return (BigInt(mss) << 32n) | BigInt(cookieOf(keyOf(ip, tcp, version), number(tcp, 4), minuteOf(host), index));
  };
}

/** IP and TCP header of an ACK. */
function check(version: Version): Implementation {
  return (host, r1, r2) => {
    const ip = host.bytes(r1, HEADER[version]);
    const tcp = host.bytes(r2, HEADER.tcp);
    const cookie = (number(tcp, 8) - 1) >>> 0;
    const sequence = (number(tcp, 4) - 1) >>> 0;
    return result(isValid(keyOf(ip, tcp, version), cookie, sequence, minuteOf(host)) ? 0 : -ERRNO.EACCES);
  };
}

function isValid(key: readonly number[], cookie: number, sequence: number, minute: number): boolean {
  const rest = (cookie - hash(key, 0) - sequence) >>> 0;
  const age = (minute - (rest >>> 24)) & 0xff;
  if (age >= AGE) return false;
  const index = ((rest & LOW) - hash(key, minute - age + 1)) & LOW;
  return index < SIZES.ipv4.length;
}

function cookieOf(key: readonly number[], sequence: number, minute: number, index: number): number {
  const low = (hash(key, minute + 1) + index) & LOW;
  return (hash(key, 0) + sequence + (minute << 24) + low) >>> 0;
}

/** Addresses and ports. */
function keyOf(ip: Uint8Array, tcp: Uint8Array, version: Version): number[] {
  return [...(version === "ipv4" ? ip.subarray(12, 20) : ip.subarray(8, 40)), ...tcp.subarray(0, 4)];
}

function hash(key: readonly number[], salt: number): number {
  return fnv1a(Uint8Array.from([...key, salt & 255, (salt >> 8) & 255, (salt >> 16) & 255, salt >>> 24]));
}

function minuteOf(host: Host): number {
  return Number(BigInt.asUintN(32, host.environment.now() / MINUTE));
}

/** The largest that is not above the wanted one; the smallest if all are. */
function sizeIndex(sizes: readonly number[], wanted: number): number {
  return Math.max(
    0,
    sizes.findLastIndex((size) => size <= wanted),
  );
}

/** The MSS option; null when there is none. */
function mssOf(tcp: Uint8Array): number | null {
  for (let at = HEADER.tcp; at < tcp.length;) {
    const [kind = OPTION.end, length = 0] = tcp.subarray(at, at + 2);
    if (kind === OPTION.nop) at++;
    else if (kind === OPTION.end || length < 2 || at + length > tcp.length) return null;
    else if (kind === OPTION.mss && length === 4) return ((tcp[at + 2] ?? 0) << 8) | (tcp[at + 3] ?? 0) || null;
    else at += length;
  }
  return null;
}

function isHeader(tcp: Uint8Array): boolean {
  return tcp.length >= HEADER.tcp && tcp.length === ((tcp[12] ?? 0) >> 4) * 4;
}

function isIp(host: Host, register: bigint, length: bigint): boolean {
  return host.bytes(register, u32(length)).length >= HEADER.ipv4;
}

function isListener(host: Host, register: bigint): boolean {
  const fields = host.socket(register)?.fields;
  return fields?.["protocol"] === PROTOCOL.tcp && fields["state"] === TCP_STATE.listen;
}

/** FIN, SYN, RST and ACK. */
function flags(tcp: Uint8Array): number {
  return (tcp[13] ?? 0) & (FLAG.fin | FLAG.syn | FLAG.rst | FLAG.ack);
}

function number(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, false);
}
