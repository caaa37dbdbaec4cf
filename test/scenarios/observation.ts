/**
 * What a step of a scenario showed, and how two worlds' observations are made comparable: `canonical` replaces what each
 * world chooses for itself (ports, cookies) by symbols in the order of their first appearance, nothing else.
 */
import type { PollEvent } from "./script.ts";

/** A decoded map key, map value or event: integers as numbers where exact, else as decimal text. */
export type Plain = number | string | boolean | null | readonly Plain[] | { readonly [member: string]: Plain };

/** An error by its name: `ECONNREFUSED`. */
export type Failed = { readonly errno: string };

/** The answer to one step; which form belongs to which step, `Step` (script.ts) says. */
export type Observation =
  | "ok"
  | Failed
  | { readonly peer: string }
  | { readonly sent: number }
  | { readonly data: string }
  | { readonly end: true }
  | { readonly data: string; readonly end: true }
  | { readonly data: string; readonly errno: string }
  | { readonly data: string; readonly from: string | null }
  | { readonly address: string }
  | { readonly value: Plain }
  | { readonly ready: readonly PollEvent[] }
  | { readonly entries: readonly (readonly [Plain, Plain])[] }
  | { readonly events: readonly Plain[] };

/** Ports of this range are chosen by the system: Linux's default ip_local_port_range. */
export const CHOSEN_PORTS = { first: 32768, last: 60999 } as const;

/**
 * Observations with symbols in place of chosen ports and cookies.
 *
 * A port is the part of an address (a text such as `127.0.0.1:40000`) after its last colon, and any integer member whose
 * name is or ends in `port` (`localPort`). A cookie is any non-zero integer member whose name is or ends in `cookie`
 * (`socketCookie`). Upper and lower case do not matter. Applying it twice changes nothing.
 */
export function canonical(observations: readonly Observation[]): Observation[] {
  const ports = new Symbols("port");
  const cookies = new Symbols("cookie");
  const walk = (value: Plain, name: string): Plain => {
    if (Array.isArray(value)) return (value as readonly Plain[]).map((item) => walk(item, name));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, walk(inner, member)]));
    }
    if (ADDRESS_MEMBERS.has(name) && typeof value === "string") return value.replace(/\d+$/, (p) => portText(p, ports));
    if (/port$/i.test(name) && typeof value === "number" && isChosen(value)) return ports.of(value);
    if (/cookie$/i.test(name) && isCookie(value)) return cookies.of(value);
    return value;
  };
  return observations.map((observation) => walk(observation, "") as Observation);
}

/** Members of observations that hold addresses. */
const ADDRESS_MEMBERS: ReadonlySet<string> = new Set(["address", "peer", "from"]);

function portText(text: string, ports: Symbols): string {
  return isChosen(Number(text)) ? ports.of(Number(text)) : text;
}

function isChosen(port: number): boolean {
  return port >= CHOSEN_PORTS.first && port <= CHOSEN_PORTS.last;
}

// A cookie beyond 2^53 comes as decimal text; a symbol does not match.
function isCookie(value: Plain): value is number | string {
  return typeof value === "number" ? value !== 0 : typeof value === "string" && /^\d+$/.test(value);
}

/** Names by order of appearance: `port(1)`, `port(2)`. */
class Symbols {
  private readonly names = new Map<string, string>();
  private readonly kind: string;

  constructor(kind: string) {
    this.kind = kind;
  }

  of(value: number | string): string {
    const key = String(value);
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const name = `${this.kind}(${this.names.size + 1})`;
    this.names.set(key, name);
    return name;
  }
}

/** Events with those of one value of a member together, in the order of the first of each. */
export function groupBy(events: readonly Plain[], member: string): Plain[] {
  const groups = new Map<string, Plain[]>();
  for (const event of events) {
    const key = JSON.stringify((event as { readonly [name: string]: Plain })[member]);
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  return [...groups.values()].flat();
}

/** A value of a codec (lib/object) as JSON: bigints as numbers where exact, else decimal text; bytes as `hex:...`. */
export function plain(value: unknown): Plain {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return showData(value, "hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, plain(inner)]));
  }
  if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") return value;
  throw new TypeError(`${typeof value} is no value of a map`);
}

/** Longer data is shown by its length and a checksum. */
const SHOWN_IN_FULL = 256;

/** Received bytes as text: themselves where all are printable ASCII, else `hex:...`; long ones as `4096 bytes fnv:1a2b3c4d`. */
export function showData(bytes: Uint8Array, style: "text" | "hex" = "text"): string {
  if (bytes.length > SHOWN_IN_FULL) return `${bytes.length} bytes fnv:${fnv(bytes).toString(16).padStart(8, "0")}`;
  const printable = style === "text" && bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return printable ? String.fromCharCode(...bytes) : `hex:${hex}`;
}

/** 32-bit FNV-1a. */
function fnv(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}
