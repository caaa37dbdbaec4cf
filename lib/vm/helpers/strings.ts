/**
 * Helpers on text: numbers out of it, and comparison. Source: bpf-helpers(7), what Linux 6.18 answers
 * (test/vm/helpers/strings.test.ts).
 */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const BASE_MASK = 0x1fn;
const BASES = [0, 8, 10, 16];
/** Digits beyond these are not looked at. */
const LONGEST = 63;
const SPACE = /^[\t-\r \u00a0]*/;

export const STRING_HELPERS = {
  strtol: (host, r1, r2, r3, r4) => parse(host, r1, r2, r3, r4, true),
  strtoul: (host, r1, r2, r3, r4) => parse(host, r1, r2, r3, r4, false),
  /** Like strncmp(3), -1, 0 or 1; the second string may be longer. */
  strncmp: (host, r1, r2, r3) => {
    const size = u32(r2);
    for (let i = 0n; i < size; i++) {
      const [a = 0] = host.bytes(r1 + i, 1);
      const [b = 0] = host.bytes(r3 + i, 1);
      if (a !== b) return result(a < b ? -1 : 1);
      if (a === 0) return 0n;
    }
    return 0n;
  },
} satisfies Implementations;

/** Stores the number and gives how many characters it took, leading white space included; or a negative errno. */
function parse(host: Host, r1: bigint, r2: bigint, flags: bigint, r4: bigint, signed: boolean): bigint {
  const bytes = host.bytes(r1, u32(r2));
  const into = host.bytes(r4, 8, true);
  const base = Number(flags & BASE_MASK);
  if ((flags & ~BASE_MASK) !== 0n || !BASES.includes(base) || bytes.length === 0) return result(-ERRNO.EINVAL);
  const number = parseNumber(String.fromCharCode(...bytes), base);
  if (number === null) return result(-ERRNO.EINVAL);
  if (number.magnitude >= 1n << 64n) return result(-ERRNO.ERANGE);
  if (number.negative && !signed) return result(-ERRNO.EINVAL);
  const value = number.negative ? -number.magnitude : number.magnitude;
  if (signed && BigInt.asIntN(64, value) !== value) return result(-ERRNO.ERANGE);
  new DataView(into.buffer, into.byteOffset).setBigUint64(0, BigInt.asUintN(64, value), true);
  return result(number.length);
}

function parseNumber(
  text: string,
  base: number,
): { readonly negative: boolean; readonly magnitude: bigint; readonly length: number } | null {
  const space = SPACE.exec(text)?.[0].length ?? 0;
  const negative = text[space] === "-";
  const start = space + (negative ? 1 : 0);
  const rest = text.slice(start, start + LONGEST);
  const hexadecimal = /^0[xX]/.test(rest);
  const radix = base === 0 ? (/^0[xX][0-9a-fA-F]/.test(rest) ? 16 : rest.startsWith("0") ? 8 : 10) : base;
  const prefix = radix === 16 && hexadecimal ? 2 : 0;
  const digits = DIGITS[radix]?.exec(rest.slice(prefix))?.[0] ?? "";
  if (digits === "") return null;
  return { negative, magnitude: valueOf(digits, radix), length: start + prefix + digits.length };
}

const DIGITS: Readonly<Record<number, RegExp>> = { 8: /^[0-7]+/, 10: /^[0-9]+/, 16: /^[0-9a-fA-F]+/ };

function valueOf(digits: string, radix: number): bigint {
  return Array.from(digits).reduce((value, digit) => value * BigInt(radix) + BigInt(parseInt(digit, radix)), 0n);
}
