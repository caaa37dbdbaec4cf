/** The fixed part of a header as values. */
import { readField } from "./formats.ts";
import type { FieldValue } from "./formats.ts";
import { headerOf } from "./headers.ts";
import type { HeaderKind } from "./headers.ts";

export type Values = Readonly<Record<string, FieldValue>>;

/** Each field of the header at the start of `bytes`, which has them all. */
export function readHeader(kind: HeaderKind, bytes: Uint8Array): Values {
  const values: Record<string, FieldValue> = {};
  let bit = 0;
  for (const [name, width, format] of headerOf(kind).fields) {
    values[name] = readField(bytes, bit, width, format);
    bit += width;
  }
  return values;
}
