/**
 * Options of IPv4, TCP and the IPv6 extension headers: a list of number, length, data, with single-byte options between.
 *
 *   nop:   number                      (`single`)
 *   other: number · length · data      IPv4 and TCP count the two bytes before the data, IPv6 does not (`counts`)
 *
 * What does not fit its row (another length, an unknown number) is kept as number and data, what is no list at all as bytes:
 * every area of bytes is read into a list that is written back as the same bytes.
 * Sources: RFC 791 and 2113 (IPv4), 9293, 7323 and 2018 (TCP), 8200, 2711 and 2675 (IPv6).
 */
import { readBits, writeBits } from "./formats.ts";
import { packetError } from "./diagnostics.ts";

interface OptionRow {
  readonly number: number;
  /** Only the number: no length, no data. */
  readonly single?: true;
  /** Unsigned numbers, in order: name and bits. */
  readonly fields?: readonly (readonly [name: string, bits: number])[];
  /** As many numbers of 32 bits as fit. */
  readonly list?: string;
}
interface Space {
  /** The bytes before the data that the length counts. */
  readonly counts: 0 | 2;
  readonly options: Readonly<Record<string, OptionRow>>;
}

// prettier-ignore
export const OPTIONS = {
  ipv4: {
    counts: 2,
    options: {
      end:           { number: 0, single: true },
      nop:           { number: 1, single: true },
      recordRoute:   { number: 7, fields: [["pointer", 8]], list: "addresses" },
      routerAlert:   { number: 148, fields: [["value", 16]] },
    },
  },
  tcp: {
    counts: 2,
    options: {
      end:           { number: 0, single: true },
      nop:           { number: 1, single: true },
      mss:           { number: 2, fields: [["value", 16]] },
      windowScale:   { number: 3, fields: [["shift", 8]] },
      sackPermitted: { number: 4, fields: [] },
      sack:          { number: 5, list: "edges" },
      timestamps:    { number: 8, fields: [["value", 32], ["echo", 32]] },
    },
  },
  extension: {
    counts: 0,
    options: {
      pad1:          { number: 0, single: true },
      routerAlert:   { number: 5, fields: [["value", 16]] },
      jumbo:         { number: 0xc2, fields: [["length", 32]] },
    },
  },
} as const satisfies Record<string, Space>;
export type OptionSpace = keyof typeof OPTIONS;

type Rows<S extends OptionSpace> = (typeof OPTIONS)[S]["options"];
type Numbers<R> = R extends { readonly fields: readonly (infer F)[] }
  ? { readonly [P in F as P extends readonly [infer N extends string, number] ? N : never]: number }
  : unknown;
type List<R> = R extends { readonly list: infer N extends string } ? { readonly [P in N]: readonly number[] } : unknown;

/** An option: one of the table, one that is not, or (last) bytes that are none. */
export type HeaderOption<S extends OptionSpace = OptionSpace> =
  | { [K in keyof Rows<S>]: { readonly kind: K } & Numbers<Rows<S>[K]> & List<Rows<S>[K]> }[keyof Rows<S>]
  | { readonly kind: "unknown"; readonly number: number; readonly data: Uint8Array }
  | { readonly kind: "raw"; readonly bytes: Uint8Array };

/** Any option, its members by name. */
interface PlainOption {
  readonly kind: string;
  readonly [member: string]: string | number | readonly number[] | Uint8Array;
}

/** Reads an area of options, to its end. */
export function decodeOptions<S extends OptionSpace>(bytes: Uint8Array, space: S): HeaderOption<S>[] {
  const found: PlainOption[] = [];
  let at = 0;
  while (at < bytes.length) {
    const { option, size } = decodeOption(bytes.subarray(at), OPTIONS[space]);
    found.push(option);
    at += size;
  }
  return found as unknown as HeaderOption<S>[];
}

function decodeOption(bytes: Uint8Array, { counts, options }: Space): { option: PlainOption; size: number } {
  const number = bytes[0] ?? 0;
  const [kind, row] = Object.entries(options).find(([, r]) => r.number === number) ?? ["unknown", null];
  if (row?.single) return { option: { kind }, size: 1 };
  const size = (bytes[1] ?? -1) + 2 - counts;
  if (bytes.length < 2 || size < 2 || size > bytes.length) {
    return { option: { kind: "raw", bytes: bytes.slice() }, size: bytes.length };
  }
  const data = bytes.slice(2, size);
  const members = row === null ? null : decodeData(data, row);
  return { option: members === null ? { kind: "unknown", number, data } : { kind, ...members }, size };
}

/** Null when the data has another length than the row. */
function decodeData(data: Uint8Array, row: OptionRow): Record<string, number | number[]> | null {
  const members: Record<string, number | number[]> = {};
  let bit = 0;
  for (const [name, bits] of row.fields ?? []) {
    members[name] = readBits(data, bit, bits);
    bit += bits;
  }
  const rest = data.length * 8 - bit;
  if (row.list === undefined) return rest === 0 ? members : null;
  if (rest < 0 || rest % 32 !== 0) return null;
  members[row.list] = Array.from({ length: rest / 32 }, (_, i) => readBits(data, bit + 32 * i, 32));
  return members;
}

/** The inverse of `decodeOptions`. Throws K012 for an option that the space does not have, or a value that it cannot hold. */
export function encodeOptions<S extends OptionSpace>(options: readonly HeaderOption<S>[], space: S): Uint8Array {
  const { counts, options: rows } = OPTIONS[space] as Space;
  return Uint8Array.from(
    (options as readonly unknown[] as readonly PlainOption[]).flatMap((option) => {
      if (option.kind === "raw") return [...(option["bytes"] as Uint8Array)];
      const row = rows[option.kind];
      if (row?.single) return [row.number];
      if (row === undefined && option.kind !== "unknown") throw noOption(option.kind, Object.keys(rows));
      const data = row === undefined ? (option["data"] as Uint8Array) : encodeData(option, row);
      return [row?.number ?? Number(option["number"]), data.length + counts, ...data];
    }),
  );
}

function encodeData(option: PlainOption, row: OptionRow): Uint8Array {
  const list = row.list === undefined ? [] : (option[row.list] as readonly number[]);
  const fields = [
    ...(row.fields ?? []).map(([name, bits]) => ({ name, bits, value: option[name] as number })),
    ...list.map((value) => ({ name: row.list ?? "", bits: 32, value })),
  ];
  const data = new Uint8Array(fields.reduce((bits, field) => bits + field.bits, 0) / 8);
  let bit = 0;
  for (const { name, bits, value } of fields) {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
      const expected = `an unsigned number of ${bits} bits`;
      throw packetError("K012", `option ${option.kind}: ${name} cannot have this value`, {
        expected,
        found: String(value),
      });
    }
    writeBits(data, bit, bits, value);
    bit += bits;
  }
  return data;
}

function noOption(kind: string, known: readonly string[]): Error {
  const expected = [...known, "unknown", "raw"].join(", ");
  return packetError("K012", `there is no option ${kind}`, { expected, found: kind });
}

/** `mss 1460`, `nop`, `unknown 200 0a0b`. */
export function printOption(option: HeaderOption): string {
  const members = Object.entries(option).filter(([name]) => name !== "kind");
  const texts = members.map(([, value]) =>
    value instanceof Uint8Array ? Array.from(value, (b) => b.toString(16).padStart(2, "0")).join("") : String(value),
  );
  return [option.kind, ...texts].join(" ");
}
