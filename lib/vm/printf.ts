/**
 * Formats as bpf_trace_printk, bpf_trace_vprintk and bpf_snprintf take them: a part of printk's.
 *
 *   %[flags][width]conversion    flags: 0 + - space    conversions: d i u x X with l or ll, c, s, %
 *                                p px pK ps pS pB, pks pus (strings), pi4 pI4 pi6 pI6 (addresses behind a pointer)
 *
 * A format is a list of pieces, or refused as a whole. Source: docs.kernel.org/core-api/printk-formats.html, bpf-helpers(7),
 * what Linux 6.18 answers (test/vm/helpers/strings.test.ts).
 */

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "value";
      readonly flags: string;
      readonly width: number;
      readonly conversion: string;
      /** Bits of an integer. */
      readonly bits: 32 | 64;
    };

// Characters as the kernel classes them: Latin-1.
const PRINTABLE = /^[\t-\r -~\u00a0-\u00ff]*$/;
const ALPHANUMERIC = /^[A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]*/;
/** What may follow %s and a bare %p: the end, white space, punctuation. */
const AFTER = String.raw`(?=$|[\s!-/:-@[-\`{-~\u00a0-\u00bf\u00d7\u00f7])`;
const POINTER = `p(?:[ku]s${AFTER}|[iI][46]|[KxsSB]|${AFTER})`;
const CONVERSION = new RegExp(
  `%(?:%|(?<flags>[-0 +]*)(?<width>(?:[1-9]\\d*)?)(?:(?<pointer>${POINTER})|(?<string>s${AFTER})|(?<char>c)|(?<length>l{0,2})(?<integer>[diuxX])))`,
  "y",
);

/** Null for a format that the kernel refuses with -EINVAL, whatever the values; more conversions than `most` included. */
export function parseFormat(format: string, most: number): Piece[] | null {
  if (!PRINTABLE.test(format)) return null;
  const pieces: Piece[] = [];
  for (let at = 0; at < format.length;) {
    const next = format.indexOf("%", at);
    if (next !== at) {
      const end = next === -1 ? format.length : next;
      pieces.push({ kind: "text", text: format.slice(at, end) });
      at = end;
      continue;
    }
    CONVERSION.lastIndex = at;
    const found = CONVERSION.exec(format);
    if (found === null) return null;
    at = CONVERSION.lastIndex;
    pieces.push(pieceOf(found));
    // What follows an address's or a symbol's letters is taken for more of them.
    if (found.groups?.["pointer"] !== undefined) at += ALPHANUMERIC.exec(format.slice(at))?.[0].length ?? 0;
  }
  return pieces.filter(({ kind }) => kind === "value").length > most ? null : pieces;
}

function pieceOf({ groups = {} }: RegExpExecArray): Piece {
  const { flags = "", width = "", pointer, string, char, length = "", integer } = groups;
  const conversion = pointer ?? string ?? char ?? integer;
  if (conversion === undefined) return { kind: "text", text: "%" };
  return { kind: "value", flags, width: Number(width), conversion, bits: length === "" ? 32 : 64 };
}

/** What strings and addresses behind pointers are read with; null where nothing can be read. */
export interface Reader {
  string(address: bigint): string;
  bytes(address: bigint, size: number): Uint8Array | null;
}

/** The text that pieces make of these values. */
export function formatPieces(pieces: readonly Piece[], values: readonly bigint[], reader: Reader): string {
  let used = 0;
  return pieces
    .map((piece) => (piece.kind === "text" ? piece.text : formatValue(piece, values[used++] ?? 0n, reader)))
    .join("");
}

type Value = Extract<Piece, { kind: "value" }>;

function formatValue(piece: Value, value: bigint, reader: Reader): string {
  const { conversion, bits } = piece;
  switch (conversion) {
    case "d":
    case "i":
      return padNumber(BigInt.asIntN(bits, value), piece, (n) => n.toString());
    case "u":
      return padNumber(BigInt.asUintN(bits, value), piece, (n) => n.toString());
    case "x":
      return padNumber(BigInt.asUintN(bits, value), piece, (n) => n.toString(16));
    case "X":
      return padNumber(BigInt.asUintN(bits, value), piece, (n) => n.toString(16).toUpperCase());
    case "c":
      return padText(String.fromCharCode(Number(value & 0xffn)), piece);
    case "s":
    case "pks":
    case "pus":
      return padText(reader.string(value), piece);
    case "pi4":
    case "pI4":
      return formatIpv4(reader.bytes(value, 4), conversion === "pi4");
    case "pi6":
    case "pI6":
      return formatIpv6(reader.bytes(value, 16), conversion === "pi6");
    case "ps":
    case "pS":
    case "pB":
      return padText(`0x${value.toString(16)}`, piece);
    default:
      // All digits, unless a width says how many.
      return piece.width === 0 ? value.toString(16).padStart(16, "0") : padNumber(value, piece, (n) => n.toString(16));
  }
}

function padText(text: string, { flags, width }: Value): string {
  return flags.includes("-") ? text.padEnd(width) : text.padStart(width);
}

/** Only the decimal, signed conversions have a sign. */
function padNumber(value: bigint, piece: Value, digits: (value: bigint) => string): string {
  const { flags, width, conversion } = piece;
  const signed = conversion === "d" || conversion === "i";
  const plus = !signed ? "" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const sign = value < 0n ? "-" : plus;
  const text = digits(value < 0n ? -value : value);
  if (flags.includes("-")) return (sign + text).padEnd(width);
  if (flags.includes("0")) return sign + text.padStart(width - sign.length, "0");
  return (sign + text).padStart(width);
}

/** `padded`: each number of three digits (%pi4). */
function formatIpv4(bytes: Uint8Array | null, padded: boolean): string {
  return Array.from(bytes ?? new Uint8Array(4), (byte) => byte.toString().padStart(padded ? 3 : 1, "0")).join(".");
}

/** Not shortened; `bare`: without colons (%pi6). */
function formatIpv6(bytes: Uint8Array | null, bare: boolean): string {
  const digits = Array.from(bytes ?? new Uint8Array(16), (byte) => byte.toString(16).padStart(2, "0"));
  const groups = Array.from({ length: 8 }, (_, i) => `${digits[2 * i] ?? ""}${digits[2 * i + 1] ?? ""}`);
  return groups.join(bare ? "" : ":");
}
