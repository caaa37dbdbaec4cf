/**
 * Layers to bytes. From the last layer to the first, each header is put before what is behind it; its computed fields
 * (lengths, checksums, the number of the layer behind) are filled in where the caller says nothing, and left as they are
 * where the caller says something: a wrong checksum is a value like any other.
 */
import { parseAddress } from "../bytes/index.ts";
import { checksum } from "./checksum.ts";
import { packetError } from "./diagnostics.ts";
import { writeField } from "./formats.ts";
import type { FieldValue } from "./formats.ts";
import { fixedSize, headerOf, isAuto } from "./headers.ts";
import type { Auto, BytesLayer, FieldRow, Header, HeaderKind, HeaderSpec, LayerSpec } from "./headers.ts";
import { numberFor } from "./next.ts";
import { encodeOptions } from "./options.ts";
import type { HeaderOption, OptionSpace } from "./options.ts";
import { readHeader } from "./read.ts";

/** What a layer's computed fields depend on. */
interface Surroundings {
  /** The layers before it: the last IP header is where the pseudo header comes from. */
  readonly before: readonly LayerSpec[];
  /** The bytes behind, without padding. */
  readonly behind: Uint8Array;
  /** Kinds of the layers behind; null for one without a header. */
  readonly kinds: readonly (HeaderKind | null)[];
}

/**
 * The bytes of a packet, its layers in order. Throws K012 for a value that a field cannot have, K013 for a field that the
 * header does not have.
 */
export function encodeLayers(layers: readonly LayerSpec[]): Uint8Array {
  let behind = new Uint8Array(0);
  let padding = new Uint8Array(0);
  for (const [i, layer] of [...layers.entries()].toReversed()) {
    if (isBytes(layer)) {
      // Padding belongs to nobody: what comes before it does not count it.
      if (layer.kind === "padding") padding = concat(layer.bytes, behind, padding);
      behind = layer.kind === "padding" ? new Uint8Array(0) : concat(layer.bytes, behind);
      continue;
    }
    behind = concat(encodeHeader(layer, { before: layers.slice(0, i), behind, kinds: kindsBehind(layers, i) }), behind);
  }
  return concat(behind, padding);
}

/** What a builder puts into a computed field of layer `index`, all other fields as they are: what would be right there. */
export function computeField(layers: readonly LayerSpec[], index: number, field: string): FieldValue {
  const { [field]: _dropped, ...layer } = layers[index] as unknown as Record<string, unknown>;
  const spec = layer as unknown as HeaderSpec;
  const behind = encodeLayers(layers.slice(index + 1).filter((l) => l.kind !== "padding"));
  const around = { before: layers.slice(0, index), behind, kinds: kindsBehind(layers, index) };
  return readHeader(spec.kind, encodeHeader(spec, around))[field] ?? 0;
}

export function isBytes(layer: LayerSpec): layer is BytesLayer {
  return layer.kind === "payload" || layer.kind === "padding";
}

function kindsBehind(layers: readonly LayerSpec[], index: number): (HeaderKind | null)[] {
  return layers.slice(index + 1).map((l) => (isBytes(l) ? null : l.kind));
}

function encodeHeader(layer: HeaderSpec, around: Surroundings): Uint8Array {
  const header = headerOf(layer.kind);
  const given = layer as unknown as Readonly<Record<string, FieldValue | undefined>>;
  refuseStrangers(layer.kind, header, Object.keys(layer));
  const tail = encodeTail(layer, header);
  const bytes = new Uint8Array(fixedSize(layer.kind) + tail.length);
  bytes.set(tail, fixedSize(layer.kind));
  const sums: { row: FieldRow; bit: number }[] = [];
  let bit = 0;
  for (const row of header.fields) {
    const [name, width, format, or] = row;
    const value = given[name] ?? (isAuto(or) ? compute(or, bytes.length, header, around) : or);
    if (value === null) sums.push({ row, bit });
    else writeField(bytes, bit, width, format, value, `${header.title} ${name}`);
    bit += width;
  }
  for (const { row, bit: at } of sums) {
    const [name, width, format] = row;
    writeField(bytes, at, width, format, sumOf(layer.kind, header, bytes, around), `${header.title} ${name}`);
  }
  return bytes;
}

/** The value of a computed field; null for a checksum, which needs all others first. */
function compute({ auto }: Auto, size: number, header: Header, { behind, kinds }: Surroundings): number | null {
  switch (auto) {
    case "next":
      return header.next === undefined ? 0 : numberFor(header.next[1], kinds);
    case "header":
      return size;
    // A jumbogram (RFC 2675) and a packet larger than its length field say 0.
    case "total":
      return size + behind.length > 0xffff ? 0 : size + behind.length;
    case "behind":
      return behind.length > 0xffff ? 0 : behind.length;
    case "checksum":
      return null;
  }
}

function sumOf(kind: HeaderKind, header: Header, bytes: Uint8Array, { before, behind }: Surroundings): number {
  if (header.checksum === "header") return checksum(bytes);
  const message = concat(bytes, behind);
  if (header.checksum === "message") return checksum(message);
  const sum = checksum(pseudoHeader(before, numberFor("ipProtocol", [kind]), message.length), message);
  // A UDP checksum of 0 says that there is none (RFC 768).
  return kind === "udp" && sum === 0 ? 0xffff : sum;
}

/** Addresses, length and protocol, as the checksums of TCP, UDP and ICMPv6 cover them; empty where no IP header is before. */
function pseudoHeader(before: readonly LayerSpec[], protocol: number, length: number): Uint8Array {
  const at = before.findLastIndex((l) => l.kind === "ipv4" || l.kind === "ipv6");
  const ip = before[at];
  if (ip?.kind !== "ipv4" && ip?.kind !== "ipv6") return new Uint8Array(0);
  const address = (name: "saddr" | "daddr"): Uint8Array => {
    const or = headerOf(ip.kind).fields.find(([field]) => field === name)?.[3];
    return parseAddress(ip[name] ?? (typeof or === "string" ? or : ""), ip.kind) ?? new Uint8Array(0);
  };
  const rest = Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length, 0, 0, 0, protocol);
  return concat(address("saddr"), finalDestination(before.slice(at + 1)) ?? address("daddr"), rest);
}

/** Segment routing (RFC 8754). */
const SEGMENTS = 4;
const SEGMENT_LIST = 4;
const ADDRESS = 16;

/** Where a routing header that still has segments to visit leads: to its first segment, or in older types the last address. */
function finalDestination(extensions: readonly LayerSpec[]): Uint8Array | null {
  const routing = extensions.findLast((l) => l.kind === "routing");
  if (routing?.kind !== "routing" || (routing.segmentsLeft ?? 0) === 0) return null;
  const data = routing.data ?? new Uint8Array(0);
  const start = (routing.type ?? SEGMENTS) === SEGMENTS ? SEGMENT_LIST : data.length - ADDRESS;
  return start < 0 || start + ADDRESS > data.length ? null : data.subarray(start, start + ADDRESS);
}

/** Options up to a whole number of words, which the missing bytes as zeros complete: the options that end a list. */
function encodeTail(layer: HeaderSpec, { tail, fields }: Header): Uint8Array {
  if (tail === undefined) return new Uint8Array(0);
  const given = layer as {
    readonly options?: readonly HeaderOption[];
    readonly data?: Uint8Array;
    headerLength?: number;
  };
  const bytes = tail === "data" ? (given.data ?? new Uint8Array(0)) : encodeOptionList(given.options ?? [], tail);
  // A caller that states the length means these bytes and no more.
  if (given.headerLength !== undefined) return bytes;
  const row = fields.findIndex(([name]) => name === "headerLength");
  const unit = fields[row]?.[2].startsWith("words8") === true ? 8 : 4;
  const size = fixedSize(layer.kind) + bytes.length;
  return concat(bytes, new Uint8Array((unit - (size % unit)) % unit));
}

function encodeOptionList(options: readonly HeaderOption[], space: OptionSpace): Uint8Array {
  return encodeOptions(options as readonly HeaderOption<typeof space>[], space);
}

function refuseStrangers(kind: HeaderKind, { title, fields, tail }: Header, names: readonly string[]): void {
  const known = [
    ...fields.map(([name]) => name),
    ...(tail === undefined ? [] : [tail === "data" ? "data" : "options"]),
  ];
  const stranger = names.find((name) => name !== "kind" && !known.includes(name));
  if (stranger === undefined) return;
  throw packetError("K013", `${title} has no field ${stranger}`, {
    expected: known.join(", "),
    found: `${kind}.${stranger}`,
  });
}

/** One behind the other, in a buffer of its own. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
