/** Packets as text: hexadecimal digits, spaces and colons allowed. */
import type { DiagnosticError } from "../diag/index.ts";
import { packetError } from "./diagnostics.ts";

/** Bytes of a text such as `"ff:ff 08 00"`. Throws `DiagnosticError` K010 for anything that is not pairs of digits. */
export function parseHex(text: string): Uint8Array {
  const digits = text.replaceAll(/[\s:]/g, "").replace(/^0x/i, "");
  const stray = /[^0-9a-f]/i.exec(digits);
  if (stray !== null) throw badHex(`the character ${JSON.stringify(stray[0])}`);
  if (digits.length % 2 !== 0) throw badHex(`${digits.length} digits`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Lower-case digits without separators. */
export function formatHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

function badHex(found: string): DiagnosticError {
  const expected = "pairs of hexadecimal digits, with or without spaces and colons between them";
  return packetError("K010", "the packet is not hexadecimal", { expected, found });
}
