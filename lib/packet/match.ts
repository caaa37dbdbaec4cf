/**
 * Whether a packet is what a test expects, and where not.
 *
 * Expected bytes are the whole packet. Expected layers are what matters of it: the packet has layers of these kinds in this
 * order, others may be between them, and only the fields that are given count.
 */
import { dissect } from "./dissect.ts";
import type { Start } from "./dissect.ts";
import { isBytes } from "./encode.ts";
import { printField, sameField } from "./formats.ts";
import type { FieldValue } from "./formats.ts";
import { headerOf } from "./headers.ts";
import type { Layer, LayerSpec } from "./headers.ts";
import { formatHex } from "./hex.ts";

export interface Difference {
  /** `IPv4 ttl`, `payload`, `layers`, `packet`. */
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

/** What differs, empty when the packet is as expected. */
export function comparePacket(
  actual: Uint8Array,
  expected: Uint8Array | readonly LayerSpec[],
  start: Start = "ethernet",
): Difference[] {
  const layers = dissect(actual, start);
  if (!(expected instanceof Uint8Array)) return compareLayers(layers, expected);
  const hex = { expected: formatHex(expected), found: formatHex(actual) };
  if (hex.expected === hex.found) return [];
  const wanted = dissect(expected, start);
  if (kindsOf(wanted) === kindsOf(layers)) {
    return wanted.flatMap((layer, i) => compareLayer(layers[i] ?? layer, layer));
  }
  return [
    { what: "layers", expected: kindsOf(wanted), found: kindsOf(layers) },
    { what: "packet", ...hex },
  ];
}

function compareLayers(actual: readonly Layer[], expected: readonly LayerSpec[]): Difference[] {
  const differences: Difference[] = [];
  let from = 0;
  for (const layer of expected) {
    const at = actual.findIndex((l, i) => i >= from && l.kind === layer.kind);
    const found = actual[at];
    if (found === undefined) return [{ what: "layers", expected: kindsOf(expected), found: kindsOf(actual) }];
    differences.push(...compareLayer(found, layer));
    from = at + 1;
  }
  return differences;
}

function compareLayer(actual: Layer, expected: LayerSpec): Difference[] {
  const found = actual as unknown as Readonly<Record<string, unknown>>;
  return Object.entries(expected).flatMap(([name, value]: [string, unknown]) => {
    if (name === "kind" || value === undefined) return [];
    const title = isBytes(expected) ? expected.kind : `${headerOf(expected.kind).title} ${name}`;
    const format = isBytes(expected) ? undefined : headerOf(expected.kind).fields.find((row) => row[0] === name)?.[2];
    if (format === undefined)
      return plain(value) === plain(found[name])
        ? []
        : [{ what: title, expected: plain(value), found: plain(found[name]) }];
    const [wanted, got] = [value as FieldValue, found[name] as FieldValue];
    if (sameField(format, wanted, got)) return [];
    return [{ what: title, expected: printField(format, wanted), found: printField(format, got) }];
  });
}

/** Bytes and options as text that tells them apart. */
function plain(value: unknown): string {
  if (value instanceof Uint8Array) return formatHex(value);
  return JSON.stringify(value, (_, v: unknown) => (v instanceof Uint8Array ? formatHex(v) : v)) ?? "nothing";
}

function kindsOf(layers: readonly LayerSpec[]): string {
  return layers.map((l) => l.kind).join(", ");
}
