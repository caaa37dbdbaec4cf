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

/** Control characters that are no spaces. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x01-\x08\x0e-\x1f\x7f]/;
/** Behind a specifier that could go on: the end, a space or punctuation, as the kernel classes Latin 1. */
const END = String.raw`(?=$|[\t-\r -/:-@[-\x60{-~\xa0-\xbf\xd7\xf7])`;
/** What stands behind a `%`. */
const SPECIFIER = new RegExp(
  String.raw`[0+\- ]*(?:[1-9]\d*)?(?:p${END}|p[ku]s${END}|p[KxsSB]|p[iI][46]|s${END}|c|l{0,2}[iduxX])`,
  "y",
);

/**
 * Whether the kernel's printf for programs understands a format with that many arguments. `text` ends with a zero byte
 * somewhere. Source: what bpf_snprintf of Linux 6.18 takes.
 */
export function isFormat(text: Uint8Array, args: number): boolean {
  const format = String.fromCharCode(...text.subarray(0, text.indexOf(0)));
  if (CONTROL.test(format)) return false;
  let count = 0;
  for (let at = format.indexOf("%"); at >= 0; at = format.indexOf("%", at)) {
    if (format[at + 1] === "%") {
      at += 2;
      continue;
    }
    SPECIFIER.lastIndex = at + 1;
    if (count >= args || !SPECIFIER.test(format)) return false;
    count++;
    at = SPECIFIER.lastIndex;
  }
  return true;
}
