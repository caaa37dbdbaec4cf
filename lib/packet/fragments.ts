/** Cuts an IP packet into fragments, as a router (IPv4, RFC 791 section 3.2) or the sender (IPv6, RFC 8200 section 4.5) does. */
import { packetError } from "./diagnostics.ts";
import { dissect } from "./dissect.ts";
import { encodeLayers, isBytes } from "./encode.ts";
import type { HeaderLayer, LayerSpec } from "./headers.ts";
import { fragment, ipv4, ipv6, payload } from "./layers.ts";
import { numberFor } from "./next.ts";

/**
 * The fragments of a frame, each with at most `size` bytes of content (a multiple of 8) behind its headers. An IPv4 packet
 * keeps its `id`, IPv6 fragments get `id`; extension headers of IPv6 are cut with the content. Throws K014 for a frame without an IP packet, or another `size`.
 */
export function fragments(frame: Uint8Array, size: number, id = 1): Uint8Array[] {
  const layers = dissect(frame).filter((l) => l.kind !== "padding");
  const at = layers.findIndex((l) => l.kind === "ipv4" || l.kind === "ipv6");
  const ip = layers[at];
  if (ip === undefined || isBytes(ip) || size < 8 || size % 8 !== 0) {
    throw packetError("K014", "this packet cannot be cut into fragments", {
      expected: "a frame with an IP header, and a size that is a multiple of 8",
      found: `${layers.map((l) => l.kind).join(", ") || "no bytes"}; ${size} bytes`,
    });
  }
  const content = encodeLayers(layers.slice(at + 1));
  return cut(content, size).map(({ bytes, offset, last }) =>
    encodeLayers([...layers.slice(0, at), ...headersOf(ip, { offset, last, id }), payload(bytes)]),
  );
}

function cut(content: Uint8Array, size: number): { bytes: Uint8Array; offset: number; last: boolean }[] {
  const count = Math.max(Math.ceil(content.length / size), 1);
  return Array.from({ length: count }, (_, i) => ({
    bytes: content.subarray(i * size, (i + 1) * size),
    offset: i * size,
    last: i === count - 1,
  }));
}

interface Piece {
  readonly offset: number;
  readonly last: boolean;
  readonly id: number;
}

function headersOf(ip: HeaderLayer, { offset, last, id }: Piece): LayerSpec[] {
  const place = { fragmentOffset: offset, moreFragments: !last };
  if (ip.kind === "ipv4") {
    const { kind: _kind, length: _length, checksum: _checksum, headerLength: _header, ...kept } = ip;
    return [ipv4({ ...kept, ...place, dontFragment: false })];
  }
  const { kind: _kind, payloadLength: _length, nextHeader, ...kept } = ip as HeaderLayer<"ipv6">;
  const announced = numberFor("ipProtocol", ["fragment"]);
  return [ipv6({ ...kept, nextHeader: announced }), fragment({ ...place, id, nextHeader })];
}
