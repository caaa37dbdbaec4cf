/** Strings that have to be known when the program is verified: where they lie, and formats of the kernel's printf. */
import type { Env } from "../env.ts";
import { reject, unsupported } from "../env.ts";
import { MAP_FLAGS } from "../../kernel/index.ts";
import { checkRegion } from "../memory/index.ts";
import { smallConstant } from "../scalar/index.ts";
import type { Reg } from "../state/index.ts";

/** A string in the only value of a frozen, read-only array, with its zero byte. */
export function checkString(env: Env, reg: Reg, register: number): void {
  const refuse = (what: string): never => reject(env, "constant_string", { register, what });
  const { map } = reg;
  if (map === null) return refuse("it lies in no map");
  const { flags, frozen, type, maxEntries, valueSize } = map.map.spec;
  if (type === "percpu_array") return refuse("each CPU has its own");
  if ((flags & MAP_FLAGS.rdonly_prog) === 0 || !frozen) return refuse("the map may change");
  const variable = smallConstant(reg.num);
  if (variable === null) return refuse("its place is no constant");
  if (type !== "array") return refuse("the map is no array");
  const size = valueSize - reg.off;
  if (size < 0) return refuse("it lies outside of the value");
  checkRegion(env, register, size, { access: "read", zeroAllowed: false });
  if (maxEntries !== 1) return refuse("the array has more than one entry");
  if (!stringAt(reg).includes(0)) refuse("it has no zero byte at its end");
}

/** The rest of the value that a checked string lies in. */
export function stringAt(reg: Reg): Uint8Array {
  const { contents } = reg.map?.map ?? { contents: null };
  if (contents === null) return unsupported("contents of a frozen map that are not known");
  return contents.subarray(reg.off + (smallConstant(reg.num) ?? 0));
}

// Characters as the kernel classes them: Latin 1.
const isSpace = (c: number): boolean => c === 32 || c === 160 || (c >= 9 && c <= 13);
const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isLetter = (c: number): boolean => (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
const isPrintable = (c: number): boolean => c >= 32 && c < 127;
const isPunctuation = (c: number): boolean =>
  (isPrintable(c) && c !== 32 && !isDigit(c) && !isLetter(c)) || (c > 160 && c < 192) || c === 215 || c === 247;
const endsSpecifier = (c: number): boolean => c === 0 || isSpace(c) || isPunctuation(c);
const CODE = (c: string): number => c.charCodeAt(0);
const PERCENT = CODE("%");
const FLAGS = [..."0+- "].map(CODE);
const NUMBERS = [..."iduxX"].map(CODE);
const POINTERS = [..."KxsSB"].map(CODE);
const SPACES = [..."ku"].map(CODE);
const VERSIONS = [..."46"].map(CODE);

/**
 * Whether the kernel's printf for programs understands a format with that many arguments. `text` ends with a zero byte
 * somewhere. Source: what bpf_snprintf of Linux 6.18 takes.
 */
export function isFormat(text: Uint8Array, args: number): boolean {
  const end = text.indexOf(0);
  const at = (i: number): number => (i < end ? (text[i] ?? 0) : 0);
  let count = 0;
  for (let i = 0; i < end; i++) {
    const c = at(i);
    if (c < 128 && !isPrintable(c) && !isSpace(c)) return false;
    if (c !== PERCENT) continue;
    if (at(i + 1) === PERCENT) {
      i++;
      continue;
    }
    if (count >= args) return false;
    count++;
    const last = specifier(at, i + 1);
    if (last < 0) return false;
    i = last;
  }
  return true;
}

/** Index of the last character of the specifier that starts behind a `%`; -1 when it is none. */
function specifier(at: (i: number) => number, start: number): number {
  let i = start;
  while (FLAGS.includes(at(i))) i++;
  if (isDigit(at(i)) && at(i) !== CODE("0")) while (isDigit(at(i))) i++;
  switch (at(i)) {
    case CODE("p"):
      return pointerSpecifier(at, i);
    case CODE("s"):
      return endsSpecifier(at(i + 1)) ? i : -1;
    case CODE("c"):
      return i;
    default:
  }
  for (let longs = 0; longs < 2 && at(i) === CODE("l"); longs++) i++;
  return NUMBERS.includes(at(i)) ? i : -1;
}

function pointerSpecifier(at: (i: number) => number, i: number): number {
  const kind = at(i + 1);
  if (endsSpecifier(kind)) return i;
  if (SPACES.includes(kind) && at(i + 2) === CODE("s")) return endsSpecifier(at(i + 3)) ? i + 2 : -1;
  if (POINTERS.includes(kind)) return i + 1;
  return (kind === CODE("i") || kind === CODE("I")) && VERSIONS.includes(at(i + 2)) ? i + 2 : -1;
}
