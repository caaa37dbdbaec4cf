/**
 * Packets as people read them, one line a layer: the fields that matter and those that are not as a builder would make them.
 *
 *   Ethernet dst 02:00:00:00:00:02, src 02:00:00:00:00:01
 *   IPv4 ttl 1, checksum 0x0 (right: 0x66ce), saddr 10.0.0.1, daddr 10.0.0.2
 *   UDP sport 40000, dport 53
 *   payload 4 bytes 0a0b0c0d
 */
import { dissect } from "./dissect.ts";
import type { Start } from "./dissect.ts";
import { computeField, isBytes } from "./encode.ts";
import { printField } from "./formats.ts";
import type { FieldValue } from "./formats.ts";
import { headerOf, isAuto } from "./headers.ts";
import type { FieldRow, HeaderLayer, Layer } from "./headers.ts";
import { formatHex } from "./hex.ts";
import { printOption } from "./options.ts";
import type { HeaderOption } from "./options.ts";

/** As much of payload and data as a line shows. */
const SHOWN_BYTES = 32;

/** The packet, a line a layer. */
export function formatPacket(bytes: Uint8Array, start: Start = "ethernet"): string {
  return formatLayers(dissect(bytes, start));
}

/** As `formatPacket`, of a packet that is already dissected. */
export function formatLayers(layers: readonly Layer[]): string {
  if (layers.length === 0) return "no bytes";
  return layers.map((layer, i) => formatLayer(layer, i, layers)).join("\n");
}

function formatLayer(layer: Layer, index: number, layers: readonly Layer[]): string {
  if (isBytes(layer)) return `${layer.kind} ${layer.bytes.length} bytes ${formatBytes(layer.bytes)}`;
  const { title, fields } = headerOf(layer.kind);
  const texts = fields.flatMap((row) => formatField(row, layer, index, layers) ?? []);
  return [title, [...texts, ...formatTail(layer)].join(", ")].filter(Boolean).join(" ");
}

function formatField(
  [name, , format, or]: FieldRow,
  layer: HeaderLayer,
  index: number,
  layers: readonly Layer[],
): string | null {
  const value = (layer as unknown as Record<string, FieldValue>)[name] ?? 0;
  const text = `${name} ${printField(format, value)}`;
  if (headerOf(layer.kind).shown.includes(name)) return text;
  if (!isAuto(or)) return value === or ? null : text;
  if (isPiece(layers, index)) return null;
  const right = computeField(layers, index, name);
  if (value === right) return null;
  // The number of a protocol that the table does not have is not wrong.
  const behind = layers[index + 1];
  const unknown = or.auto === "next" && (behind === undefined || isBytes(behind));
  return unknown ? text : `${text} (right: ${printField(format, right)})`;
}

/** Is the layer in a fragment? Then its length and checksum cover more than there is. */
function isPiece(layers: readonly Layer[], index: number): boolean {
  return layers
    .slice(0, index)
    .some((l) => (l.kind === "ipv4" || l.kind === "fragment") && (l.moreFragments || l.fragmentOffset > 0));
}

function formatTail(layer: HeaderLayer): string[] {
  if ("options" in layer && layer.options.length > 0) {
    return [`options ${(layer.options as readonly HeaderOption[]).map(printOption).join(" · ")}`];
  }
  return "data" in layer && layer.data.length > 0 ? [`data ${formatBytes(layer.data)}`] : [];
}

function formatBytes(bytes: Uint8Array): string {
  const more = bytes.length > SHOWN_BYTES ? "…" : "";
  const shown = bytes.subarray(0, SHOWN_BYTES);
  const printable = shown.length > 0 && shown.every((byte) => byte >= 0x20 && byte < 0x7f);
  return printable ? JSON.stringify(String.fromCharCode(...shown)) + more : formatHex(shown) + more;
}
