/**
 * Kernel functions on strings that end with a zero, as those of string.h but for their results: a position is a number, not
 * found is -ENOENT, unreadable memory -EFAULT, a string that is too long -E2BIG.
 * Source: docs.kernel.org/bpf/kfuncs.html, what Linux 6.18 answers (test/vm/helpers/kfuncs.test.ts).
 */
import { ERRNO } from "../errno.ts";
import { probeString } from "../helpers/probe.ts";
import { u32 } from "../helpers/helper.ts";
import type { Host } from "../host.ts";
import { int } from "./table.ts";
import type { KernelFunctions } from "./table.ts";

/** XATTR_SIZE_MAX */
const LONGEST = 65_536;

export const STRING_FUNCTIONS = {
  bpf_strlen: (host, r1) => withStrings(host, [r1], (s) => s.length),
  bpf_strnlen: (host, r1, r2) => int(shortest(host, r1, Number(r2))?.length ?? -ERRNO.EFAULT),
  bpf_strcmp: (host, r1, r2) => withStrings(host, [r1, r2], compare),
  bpf_strcasecmp: (host, r1, r2) => withStrings(host, [r1, r2], (a, b) => compare(lower(a), lower(b))),
  bpf_strchr: (host, r1, r2) => withStrings(host, [r1], (s) => found(indexOrEnd(s, char(r2)))),
  bpf_strchrnul: (host, r1, r2) => {
    return withStrings(host, [r1], (s) => (s.includes(char(r2)) ? s.indexOf(char(r2)) : s.length));
  },
  bpf_strnchr: (host, r1, r2, r3) => {
    const text = shortest(host, r1, Number(r2));
    if (text === null) return int(-ERRNO.EFAULT);
    // The zero is found only where the count reaches it.
    return int(found(text.length < Number(r2) ? indexOrEnd(text, char(r3)) : text.indexOf(char(r3))));
  },
  bpf_strrchr: (host, r1, r2) => {
    return withStrings(host, [r1], (s) => (char(r2) === "\0" ? s.length : found(s.lastIndexOf(char(r2)))));
  },
  bpf_strspn: (host, r1, r2) => withStrings(host, [r1, r2], (s, accepted) => span(s, (c) => accepted.includes(c))),
  bpf_strcspn: (host, r1, r2) => withStrings(host, [r1, r2], (s, refused) => span(s, (c) => !refused.includes(c))),
  bpf_strstr: (host, r1, r2) => withStrings(host, [r1, r2], (s, part) => found(s.indexOf(part))),
  bpf_strnstr: (host, r1, r2, r3) => {
    return withStrings(host, [r1, r2], (s, part) => found(s.slice(0, Number(r3)).indexOf(part)));
  },
} satisfies KernelFunctions;

/** What `ask` makes of the strings at these addresses; each has the characters of its bytes. */
function withStrings(host: Host, registers: readonly bigint[], ask: (a: string, b: string) => number): bigint {
  const texts = registers.map((register) => probeString(host, register, LONGEST));
  const [a, b] = texts.map((bytes) => (bytes === null ? null : latin1(bytes)));
  if (a === null || a === undefined || b === null) return int(-ERRNO.EFAULT);
  if (a.length >= LONGEST) return int(-ERRNO.E2BIG);
  return int(ask(a, b ?? ""));
}

function shortest(host: Host, register: bigint, most: number): string | null {
  const bytes = probeString(host, register, Math.min(most, LONGEST));
  return bytes === null ? null : latin1(bytes);
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function char(register: bigint): string {
  return String.fromCharCode(u32(register) & 0xff);
}

/** The zero at the end counts as a character of the string. */
function indexOrEnd(text: string, wanted: string): number {
  return wanted === "\0" ? text.length : text.indexOf(wanted);
}

function found(index: number): number {
  return index === -1 ? -ERRNO.ENOENT : index;
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** ASCII letters only. */
function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function span(text: string, accepts: (c: string) => boolean): number {
  const end = Array.from(text).findIndex((c) => !accepts(c));
  return end === -1 ? text.length : end;
}
