/**
 * Socket options: which there are, what they are at first, and what setting one to a number makes of it. Values and errors
 * are those of Linux 6.18, seen with sockets of a new network namespace. Manual pages: socket(7), ip(7), ipv6(7), tcp(7).
 */
import type { Errno } from "../errno.ts";
import type { Family } from "./endpoint.ts";

export type SocketType = "stream" | "dgram" | "raw";

/** Levels of setsockopt. */
export const LEVEL = { socket: 1, ip: 0, tcp: 6, udp: 17, ipv6: 41 } as const;

/** What options depend on and act upon. */
export interface OptionHolder {
  readonly family: Family;
  readonly type: SocketType;
  readonly protocol: number;
  /** Options that were set, by `level/name`. */
  readonly values: Map<string, number>;
  /** Text and structures, by `level/name`. */
  readonly texts: Map<string, Uint8Array>;
  /** SO_ERROR: takes the pending error. */
  takeError(): number;
  readonly listening: boolean;
  /** Does the caller have CAP_NET_ADMIN? Programs have. */
  readonly privileged: boolean;
  /** TCP_MAXSEG of a connection; null before. */
  readonly segmentSize: number | null;
  /** TCP_INFO: struct tcp_info. */
  readonly info: Uint8Array;
  /** TCP_SAVED_SYN: takes the saved SYN packet. */
  takeSavedSyn(): Uint8Array;
  /** SO_BINDTODEVICE and SO_BINDTOIFINDEX: binds to an interface of the namespace. */
  bindDevice(device: number | string): Errno | null;
  /** The name of the interface that it is bound to, or nothing. */
  readonly deviceName: string;
  readonly deviceIndex: number;
}

interface Row {
  readonly level: number;
  readonly option: number;
  /** The C name. */
  readonly name: string;
  /** The value at first. Default 0. */
  readonly initial?: number | ((holder: OptionHolder) => number);
  /** What a number becomes when it is set, or the error. Missing: any number is kept. */
  readonly set?: (value: number, holder: OptionHolder) => number | Errno;
  /** Instead of the value kept: what is read. */
  readonly get?: (holder: OptionHolder) => number | Uint8Array;
  /** Instead of a number: what is done with the bytes. */
  readonly put?: (value: Uint8Array, holder: OptionHolder) => Errno | null;
}

const flag = (value: number): number => (value === 0 ? 0 : 1);
const readOnly = (): Errno => "ENOPROTOOPT";
const within =
  (least: number, most: number) =>
  (value: number): number | Errno =>
    value < least || value > most ? "EINVAL" : value;
const ifPrivileged = (value: number, { privileged }: OptionHolder): number | Errno => (privileged ? value : "EPERM");
const stream = ({ type }: OptionHolder): boolean => type === "stream";

/** net.core.wmem_max and rmem_max of the node; the kernel keeps twice the number. */
const BUFFER_MAX = 4_194_304;
/** SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF. */
const BUFFER_MIN = { send: 4608, receive: 2304 };
const buffer =
  (least: number) =>
  (value: number): number =>
    Math.max(2 * Math.min(value >>> 0, BUFFER_MAX), least);
/** Congestion controls that there are. */
const CONGESTION = ["cubic", "reno", "bbr"];
const CONGESTION_NAME = 16;
/** TCP: the lowest two bits of the type of service are ECN's, not the caller's. */
const typeOfService = (value: number, holder: OptionHolder): number => value & (stream(holder) ? 0xfc : 0xff);
/** TCP_RTO_MAX and the retransmission timeout at first, in seconds. */
const DEFER = { first: 1, most: 120 };

// prettier-ignore
const ROWS: readonly Row[] = [
  { level: LEVEL.socket, option: 2,  name: "SO_REUSEADDR",    set: flag },
  { level: LEVEL.socket, option: 3,  name: "SO_TYPE",         set: readOnly, get: ({ type }) => ({ stream: 1, dgram: 2, raw: 3 })[type] },
  { level: LEVEL.socket, option: 4,  name: "SO_ERROR",        set: readOnly, get: (holder) => holder.takeError() },
  { level: LEVEL.socket, option: 6,  name: "SO_BROADCAST",    set: flag },
  { level: LEVEL.socket, option: 7,  name: "SO_SNDBUF",       set: buffer(BUFFER_MIN.send),    initial: (h) => (stream(h) ? 16_384 : 212_992) },
  { level: LEVEL.socket, option: 8,  name: "SO_RCVBUF",       set: buffer(BUFFER_MIN.receive), initial: (h) => (stream(h) ? 131_072 : 212_992) },
  { level: LEVEL.socket, option: 9,  name: "SO_KEEPALIVE",    set: flag },
  { level: LEVEL.socket, option: 12, name: "SO_PRIORITY",     set: (value, holder) => (value >= 0 && value <= 6 ? value : ifPrivileged(value, holder)) },
  { level: LEVEL.socket, option: 13, name: "SO_LINGER",       put: putLinger, get: (holder) => holder.texts.get("1/13") ?? new Uint8Array(8) },
  { level: LEVEL.socket, option: 15, name: "SO_REUSEPORT",    set: flag },
  { level: LEVEL.socket, option: 18, name: "SO_RCVLOWAT",     set: lowWater, initial: 1 },
  { level: LEVEL.socket, option: 25, name: "SO_BINDTODEVICE", put: putDevice, get: ({ deviceName }) => textBytes(deviceName) },
  { level: LEVEL.socket, option: 30, name: "SO_ACCEPTCONN",   set: readOnly, get: ({ listening }) => Number(listening) },
  { level: LEVEL.socket, option: 36, name: "SO_MARK",         set: ifPrivileged },
  { level: LEVEL.socket, option: 38, name: "SO_PROTOCOL",     set: readOnly, get: ({ protocol }) => protocol },
  { level: LEVEL.socket, option: 39, name: "SO_DOMAIN",       set: readOnly, get: ({ family }) => ({ inet: 2, inet6: 10 })[family] },
  { level: LEVEL.socket, option: 49, name: "SO_INCOMING_CPU", initial: -1 },
  { level: LEVEL.socket, option: 62, name: "SO_BINDTOIFINDEX", set: (value, holder) => (value < 0 ? "EINVAL" : (holder.bindDevice(value) ?? value)), get: ({ deviceIndex }) => deviceIndex },
  { level: LEVEL.ip,     option: 1,  name: "IP_TOS",          set: typeOfService },
  { level: LEVEL.ip,     option: 2,  name: "IP_TTL",          set: (value) => (value === -1 ? 64 : within(1, 255)(value)), initial: 64 },
  { level: LEVEL.ip,     option: 15, name: "IP_FREEBIND",     set: flag },
  { level: LEVEL.ip,     option: 19, name: "IP_TRANSPARENT",  set: (value, holder) => (value === 0 ? 0 : ifPrivileged(1, holder)) },
  { level: LEVEL.ip,     option: 24, name: "IP_BIND_ADDRESS_NO_PORT", set: flag },
  { level: LEVEL.tcp,    option: 1,  name: "TCP_NODELAY",     set: flag },
  { level: LEVEL.tcp,    option: 2,  name: "TCP_MAXSEG",      set: (value) => (value === 0 ? 0 : within(88, 32_767)(value)), get: (h) => h.segmentSize ?? (h.values.get("6/2") || 536) },
  { level: LEVEL.tcp,    option: 3,  name: "TCP_CORK",        set: flag },
  { level: LEVEL.tcp,    option: 4,  name: "TCP_KEEPIDLE",    set: within(1, 32_767), initial: 7200 },
  { level: LEVEL.tcp,    option: 5,  name: "TCP_KEEPINTVL",   set: within(1, 32_767), initial: 75 },
  { level: LEVEL.tcp,    option: 6,  name: "TCP_KEEPCNT",     set: within(1, 127),    initial: 9 },
  { level: LEVEL.tcp,    option: 7,  name: "TCP_SYNCNT",      set: within(1, 127),    initial: 6 },
  { level: LEVEL.tcp,    option: 9,  name: "TCP_DEFER_ACCEPT", set: deferAccept },
  { level: LEVEL.tcp,    option: 10, name: "TCP_WINDOW_CLAMP", set: (value) => (value === 0 ? 0 : Math.max(value, BUFFER_MIN.receive / 2)) },
  { level: LEVEL.tcp,    option: 11, name: "TCP_INFO",        set: readOnly, get: ({ info }) => info },
  { level: LEVEL.tcp,    option: 13, name: "TCP_CONGESTION",  put: putCongestion, get: (holder) => padded(holder.texts.get("6/13") ?? textBytes("cubic"), CONGESTION_NAME) },
  { level: LEVEL.tcp,    option: 18, name: "TCP_USER_TIMEOUT", set: (value) => (value < 0 ? "EINVAL" : value) },
  { level: LEVEL.tcp,    option: 27, name: "TCP_SAVE_SYN",    set: within(0, 2) },
  { level: LEVEL.tcp,    option: 28, name: "TCP_SAVED_SYN",   set: readOnly, get: (holder) => holder.takeSavedSyn() },
  { level: LEVEL.ipv6,   option: 16, name: "IPV6_UNICAST_HOPS", set: (value) => (value === -1 ? 64 : within(0, 255)(value)), initial: 64 },
  { level: LEVEL.ipv6,   option: 26, name: "IPV6_V6ONLY",     set: flag },
  { level: LEVEL.ipv6,   option: 67, name: "IPV6_TCLASS",     set: (value, holder) => (value === -1 ? 0 : classOf(value, holder)) },
];

const BY_KEY: ReadonlyMap<string, Row> = new Map(ROWS.map((row) => [keyOf(row.level, row.option), row]));

/** Names of options to level and number, for who sets them by name. */
export const OPTIONS: Readonly<Record<string, { readonly level: number; readonly option: number }>> =
  Object.fromEntries(ROWS.map(({ name, level, option }) => [name, { level, option }]));

/** getsockopt: the bytes that it gives to a caller with a buffer of `length`, or the error. */
export function readOption(holder: OptionHolder, level: number, option: number, length: number): Uint8Array | Errno {
  if (!hasLevel(holder, level)) return holder.family === "inet" ? "EOPNOTSUPP" : "ENOPROTOOPT";
  const row = BY_KEY.get(keyOf(level, option));
  if (row === undefined) return "ENOPROTOOPT";
  const value = row.get?.(holder) ?? valueOf(holder, row);
  if (typeof value !== "number") return value.subarray(0, length);
  // A number of the IP level that fits a byte is given as one to a caller with a short buffer (do_ip_getsockopt).
  const bytes = numberBytes(value);
  if (level === LEVEL.ip && length < 4 && length > 0 && value >= 0 && value <= 255) return bytes.subarray(0, 1);
  return bytes.subarray(0, length);
}

/** setsockopt: null, or the error. */
export function writeOption(holder: OptionHolder, level: number, option: number, value: Uint8Array): Errno | null {
  const row = hasLevel(holder, level) ? BY_KEY.get(keyOf(level, option)) : undefined;
  if (row?.put !== undefined) return row.put(value, holder);
  if (level === LEVEL.socket && value.length < 4) return "EINVAL";
  if (row === undefined) return "ENOPROTOOPT";
  const number = numberOf(value, level);
  if (number === null) return "EINVAL";
  const kept = row.set?.(number, holder) ?? number;
  if (typeof kept === "string") return kept;
  holder.values.set(keyOf(level, option), kept);
  return null;
}

/** The number that an option has; for those that are numbers. */
export function optionValue(holder: OptionHolder, name: string): number {
  const { level, option } = OPTIONS[name] ?? { level: -1, option: -1 };
  const row = BY_KEY.get(keyOf(level, option));
  return row === undefined ? 0 : valueOf(holder, row);
}

function valueOf(holder: OptionHolder, { level, option, initial = 0 }: Row): number {
  return holder.values.get(keyOf(level, option)) ?? (typeof initial === "number" ? initial : initial(holder));
}

function hasLevel({ family, type }: OptionHolder, level: number): boolean {
  if (level === LEVEL.tcp) return type === "stream";
  if (level === LEVEL.ipv6) return family === "inet6";
  return level === LEVEL.socket || level === LEVEL.ip;
}

function keyOf(level: number, option: number): string {
  return `${level}/${option}`;
}

/** An int; the IP level takes a byte as well. */
function numberOf(value: Uint8Array, level: number): number | null {
  if (value.length >= 4) return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  return level === LEVEL.ip && value.length > 0 ? (value[0] ?? 0) : null;
}

function numberBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text === "" ? "" : `${text}\0`);
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes.subarray(0, length));
  return out;
}

function textOf(value: Uint8Array): string {
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

function lowWater(value: number, holder: OptionHolder): number {
  const positive = value < 0 ? 0x7fff_ffff : value === 0 ? 1 : value;
  return stream(holder) ? Math.min(positive, 16_777_216) : positive;
}

/** The kernel keeps how many retransmissions of a SYN-ACK the seconds are, and tells seconds again. */
function deferAccept(value: number): number {
  let [period, timeout] = [0, DEFER.first];
  if (value <= 0) return 0;
  for (let next = timeout; period < value && timeout < 2 ** 31; next = Math.min(next * 2, DEFER.most)) {
    period += next;
    timeout = next;
    if (period > 29_880) break;
  }
  return period;
}

function classOf(value: number, holder: OptionHolder): number | Errno {
  return value < -1 || value > 255 ? "EINVAL" : typeOfService(value, holder);
}

/** Switching it off leaves the time as it was. */
function putLinger(value: Uint8Array, { texts }: OptionHolder): Errno | null {
  if (value.length < 8) return "EINVAL";
  const given = new DataView(value.buffer, value.byteOffset);
  const kept = texts.get("1/13")?.slice() ?? new Uint8Array(8);
  const view = new DataView(kept.buffer);
  view.setInt32(0, flag(given.getInt32(0, true)), true);
  if (kept[0] !== 0) view.setInt32(4, given.getInt32(4, true), true);
  texts.set("1/13", kept);
  return null;
}

/** SO_LINGER as it is set: seconds, or null when it is off. */
export function lingerOf({ texts }: OptionHolder): number | null {
  const kept = texts.get("1/13");
  if (kept === undefined || kept[0] === 0) return null;
  return new DataView(kept.buffer, kept.byteOffset).getInt32(4, true);
}

function putDevice(value: Uint8Array, holder: OptionHolder): Errno | null {
  return holder.bindDevice(textOf(value));
}

function putCongestion(value: Uint8Array, { texts }: OptionHolder): Errno | null {
  if (value.length === 0) return "EINVAL";
  const name = textOf(value.subarray(0, CONGESTION_NAME - 1));
  if (!CONGESTION.includes(name)) return "ENOENT";
  texts.set("6/13", textBytes(name));
  return null;
}
