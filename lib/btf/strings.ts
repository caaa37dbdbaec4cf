/**
 * The string table of BTF: zero-terminated UTF-8, offset 0 is the empty string. `.BTF` holds the table, `.BTF.ext` and the
 * records of BPF_PROG_LOAD refer to it; so whoever writes them shares one `BtfStrings`, and `.BTF` is finished last.
 */
import { Writer } from "../bytes/index.ts";
import { badBytes, badValue } from "./diagnostics.ts";
import { MAX_STRINGS } from "./format.ts";

/** Collects strings, each once, in the order of first use. */
export class BtfStrings {
  private readonly offsets = new Map<string, number>([["", 0]]);
  private readonly encoder = new TextEncoder();
  private readonly out = new Writer().u8(0);

  /** The offset of `text`, which is added where it is new. Throws B005 for a zero character, B006 where the table is full. */
  add(text: string): number {
    const known = this.offsets.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) throw badValue("B005", "a string holds a zero character", JSON.stringify(text));
    const offset = this.out.length;
    this.out.put(this.encoder.encode(text)).u8(0);
    if (this.out.length - 1 > MAX_STRINGS) {
      throw badValue("B006", "the string table is too long", JSON.stringify(text), {
        expected: `at most ${MAX_STRINGS} bytes`,
      });
    }
    this.offsets.set(text, offset);
    return offset;
  }

  /** The table so far. */
  finish(): Uint8Array {
    return this.out.finish();
  }
}

/** Reads strings of an encoded table. `at` is where the table starts in `file`, for diagnostics. */
export class StringTable {
  private readonly bytes: Uint8Array;
  private readonly file: string;
  private readonly at: number;
  private readonly known = new Map<number, string>();
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(bytes: Uint8Array, file: string, at: number) {
    this.bytes = bytes;
    this.file = file;
    this.at = at;
  }

  /** The string at `offset`. Throws B005 where there is none. */
  get(offset: number): string {
    if (offset === 0) return "";
    const known = this.known.get(offset);
    if (known !== undefined) return known;
    const end = this.bytes.indexOf(0, offset);
    if (offset >= this.bytes.length || end < 0) {
      throw badBytes("B005", "a string is outside of the string table", this.file, this.at + offset, {
        expected: `an offset below ${this.bytes.length}, ended by a zero byte`,
        found: `offset ${offset}`,
      });
    }
    const text = this.decode(offset, end);
    this.known.set(offset, text);
    return text;
  }

  private decode(offset: number, end: number): string {
    try {
      return this.decoder.decode(this.bytes.subarray(offset, end));
    } catch {
      throw badBytes("B005", "a string is not UTF-8", this.file, this.at + offset);
    }
  }
}
