/** Short ways to write steps. */
import type {
  AddressText,
  HookFamily,
  MapValue,
  OptionLevel,
  OptionName,
  Payload,
  Preset,
  Ref,
  Scenario,
  Step,
} from "./script.ts";

/** The kinds of sockets that scenarios use; the raw ones are for ICMP. */
// prettier-ignore
const KINDS = {
  tcp4: { family: "inet",  type: "stream" },
  tcp6: { family: "inet6", type: "stream" },
  udp4: { family: "inet",  type: "dgram" },
  udp6: { family: "inet6", type: "dgram" },
  raw4: { family: "inet",  type: "raw", protocol: 1 },
  raw6: { family: "inet6", type: "raw", protocol: 58 },
} as const;
export type Kind = keyof typeof KINDS;

type Steps = readonly Step[];

/** Steps from steps and lists of steps. */
export const steps = (...parts: readonly (Step | Steps)[]): Steps => parts.flat() as Steps;

export const open = (kind: Kind, socket: string, task?: string): Step => ({
  do: "socket",
  socket,
  ...KINDS[kind],
  ...(task === undefined ? {} : { task }),
});
export const bind = (socket: string, address: AddressText): Step => ({ do: "bind", socket, address });
export const listen = (socket: string): Step => ({ do: "listen", socket });
export const connect = (socket: string, address: AddressText): Step => ({ do: "connect", socket, address });
export const accept = (socket: string, as: string): Step => ({ do: "accept", socket, as });
export const send = (socket: string, data: Payload): Step => ({ do: "send", socket, data });
export const sendto = (socket: string, to: AddressText, data: Payload): Step => ({ do: "sendto", socket, data, to });
export const recv = (socket: string, length?: number): Step => ({
  do: "recv",
  socket,
  ...(length === undefined ? {} : { length }),
});
export const recvfrom = (socket: string): Step => ({ do: "recvfrom", socket });
export const getopt = (socket: string, level: OptionLevel, name: OptionName, length?: number): Step => ({
  do: "getsockopt",
  socket,
  level,
  name,
  ...(length === undefined ? {} : { length }),
});
export const setopt = (socket: string, level: OptionLevel, name: OptionName, value: number | string): Step => ({
  do: "setsockopt",
  socket,
  level,
  name,
  value,
});
export const close = (socket: string): Step => ({ do: "close", socket });
export const shutdown = (socket: string, how: "read" | "write" | "both"): Step => ({ do: "shutdown", socket, how });
export const peername = (socket: string): Step => ({ do: "getpeername", socket });
export const sockname = (socket: string): Step => ({ do: "getsockname", socket });
export const events = (map: Ref, by?: string): Step => ({ do: "events", map, ...(by === undefined ? {} : { by }) });
export const dump = (map: Ref): Step => ({ do: "dump", map });
export const put = (socket: string, map: Ref, key: MapValue): Step => ({ do: "put", socket, map, key });
export const preset = (map: Ref, key: MapValue, value: MapValue): Preset => ({ map, key, value });

/** A TCP socket that listens. */
export const listener = (socket: string, address: AddressText, task?: string): Steps => [
  open(isSix(address) ? "tcp6" : "tcp4", socket, task),
  bind(socket, address),
  listen(socket),
];

/** A UDP socket that is bound. */
export const receiver = (socket: string, address: AddressText, task?: string): Steps => [
  open(isSix(address) ? "udp6" : "udp4", socket, task),
  bind(socket, address),
];

/** A connected pair of TCP sockets: `client` bound to `from`, `server` accepted by `listening`, which stays. */
export const pair = (client: string, from: AddressText, server: string, at: AddressText): Steps => [
  ...listener(`${server}-listener`, at),
  open(isSix(from) ? "tcp6" : "tcp4", client),
  bind(client, from),
  connect(client, at),
  accept(`${server}-listener`, server),
];

export const isSix = (address: AddressText): boolean => address.startsWith("[");

/** An IPv4 address as programs hold it: a number in host order. */
export const ip4 = (text: string): number => text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

/** The scenarios of one hook, from rows that need not name it. */
export function scenariosOf(hook: HookFamily, rows: readonly Omit<Scenario, "hook">[]): readonly Scenario[] {
  return rows.map((row) => ({ ...row, hook }));
}

/** Integers below a bound, the same ones for the same seed (mulberry32). */
export function createRandom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % bound;
  };
}
