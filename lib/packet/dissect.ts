/**
 * Bytes to layers: the inverse of `encode.ts`. It never refuses: what is no header is payload, what is behind the length
 * that an IP header or UDP states is padding. Encoding what it gives yields the same bytes, whatever they are.
 */
import { fixedSize, headerOf } from "./headers.ts";
import type { BytesLayer, Header, HeaderKind, HeaderLayer, Layer } from "./headers.ts";
import { layerOf } from "./next.ts";
import { decodeOptions } from "./options.ts";
import { readHeader } from "./read.ts";
import type { Values } from "./read.ts";

/** Where a packet starts: at the link layer, at IP of either version, or at no header (a message of a stream). */
export type Start = "ethernet" | "ip" | "payload";

/** The layers of a packet, each field a plain value; payload and padding are copies. */
export function dissect(bytes: Uint8Array, start: Start = "ethernet"): Layer[] {
  const layers: Layer[] = [];
  const padding: BytesLayer[] = [];
  let rest = bytes;
  let kind = firstKind(bytes, start);
  while (kind !== null && rest.length >= fixedSize(kind)) {
    const header = headerOf(kind);
    const values = readHeader(kind, rest);
    const size = sizeOf(kind, values, rest.length);
    layers.push({
      kind,
      ...values,
      ...readTail(header, rest.subarray(fixedSize(kind), size)),
    } as unknown as HeaderLayer);
    const end = endOf(kind, values, size, rest.length);
    if (end < rest.length) padding.unshift({ kind: "padding", bytes: rest.slice(end) });
    rest = rest.subarray(size, end);
    kind = follows(kind, header, values);
  }
  if (rest.length > 0) layers.push({ kind: "payload", bytes: rest.slice() });
  return [...layers, ...padding];
}

function firstKind(bytes: Uint8Array, start: Start): HeaderKind | null {
  if (start !== "ip") return start === "payload" ? null : start;
  const version = (bytes[0] ?? 0) >> 4;
  return version === 4 ? "ipv4" : version === 6 ? "ipv6" : null;
}

/** Bytes of the header with its variable part, as far as the packet has them. */
function sizeOf(kind: HeaderKind, values: Values, available: number): number {
  const stated = Number(values["headerLength"] ?? 0);
  return Math.min(Math.max(stated, fixedSize(kind)), available);
}

/** Where what belongs to the layer ends. A stated length that cannot be means nothing. */
function endOf(kind: HeaderKind, values: Values, size: number, available: number): number {
  if (kind === "arp") return size;
  const total = kind === "ipv6" ? size + Number(values["payloadLength"]) : Number(values["length"] ?? available);
  const believable = kind === "ipv6" ? total > size : total >= size;
  return believable ? Math.min(total, available) : available;
}

function readTail({ tail }: Header, bytes: Uint8Array): object {
  if (tail === undefined) return {};
  return tail === "data" ? { data: bytes.slice() } : { options: decodeOptions(bytes, tail) };
}

function follows(kind: HeaderKind, { next }: Header, values: Values): HeaderKind | null {
  if (next === undefined) return null;
  // Only the first fragment has the header of what was cut into pieces.
  if ((kind === "ipv4" || kind === "fragment") && values["fragmentOffset"] !== 0) return null;
  return layerOf(next[1], Number(values[next[0]]));
}
