/**
 * How an operand is written: for each placeholder that the `text` column of the instruction table has, what is printed
 * and what is read back. Disassembler and text assembler are this table and the column.
 *
 * What is printed is what the kernel's verifier and bpftool print. What is read is wider: numbers in decimal or
 * hexadecimal anywhere, labels, helpers by name.
 */
import { HELPER_NAMES } from "../kernel/index.ts";
import type { OperandName, Operands } from "../isa/index.ts";

/** What the reader knows: where it stands and where labels are, in slots. */
export interface Scope {
  readonly slot: number;
  readonly labels: ReadonlyMap<string, number>;
}

/** A name that an operand uses and nothing defines. */
export interface UnknownName {
  readonly unknown: "label" | "helper";
  readonly name: string;
}

/** `null`: the text is not this operand. The number may be out of range: the reader checks it against the field. */
type Read = Operands | UnknownName | null;

interface Syntax {
  readonly print: (operands: Operands) => string;
  /** Regular expression of the text, without groups. Whitespace has been taken out by then (see statement.ts). */
  readonly pattern: string;
  readonly read: (text: string, scope: Scope) => Read;
}

const NUMBER = "[+-]?(?:0x[0-9a-fA-F]+|[0-9]+)";
const NAME = "[A-Za-z_.][A-Za-z0-9_.]*";

const value = (operands: Operands, name: OperandName): number => operands[name] ?? 0;
const signed = (n: number): string => (n < 0 ? String(n) : `+${n}`);
const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** Exact below 2^53; greater numbers fit no field and stay too great. */
function parseNumber(text: string): number {
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "");
  return negative ? 0 - Number(digits) : Number(digits);
}

/** Signed numbers of 32 bits may also be written unsigned: 0xfffffffe is -2. */
function wrap(n: number): number {
  return n > 0x7fff_ffff && n <= 0xffff_ffff ? n - 0x1_0000_0000 : n;
}

const register = (name: OperandName): Syntax => ({
  print: (o) => String(value(o, name)),
  pattern: "[0-9]{1,2}",
  read: (text) => ({ [name]: Number(text) }),
});
const decimal = (name: OperandName): Syntax => ({
  print: (o) => String(value(o, name)),
  pattern: NUMBER,
  read: (text) => ({ [name]: parseNumber(text) }),
});
const distance = (name: OperandName): Syntax => ({
  print: (o) => `pc${signed(value(o, name))}`,
  // What follows `#` is a comment: the name of the function that is called.
  pattern: `(?:pc)?[+-](?:0x[0-9a-fA-F]+|[0-9]+)(?:#[A-Za-z0-9_.]+)?|${NAME}`,
  read: (text, { slot, labels }): Read => {
    if (/^(pc)?[+-]/.test(text)) return { [name]: parseNumber(text.replace(/^pc|#.*$/g, "")) };
    const target = labels.get(text);
    if (target === undefined) return { unknown: "label", name: text };
    return { [name]: target - slot - 1 };
  },
});

/** By placeholder. `:x` and `:+` are the same operand, written otherwise. */
export const SYNTAX: Readonly<Record<string, Syntax>> = {
  dst: register("dst"),
  base: register("base"),
  src: register("src"),
  "src.reg": register("src.reg"),
  "target.reg": register("target.reg"),
  imm: decimal("imm"),
  "src.imm": decimal("src.imm"),
  "src.imm:x": {
    print: (o) => hex(value(o, "src.imm")),
    pattern: NUMBER,
    read: (text) => ({ "src.imm": wrap(parseNumber(text)) }),
  },
  off: {
    print: (o) => signed(value(o, "off")),
    pattern: "[+-](?:0x[0-9a-fA-F]+|[0-9]+)",
    read: (text) => ({ off: parseNumber(text) }),
  },
  delta: distance("delta"),
  "target.delta": distance("target.delta"),
  "imm.low": { ...decimal("imm.low"), print: (o) => String(value(o, "imm.low") >>> 0) },
  "imm.high": { ...decimal("imm.high"), print: (o) => String(value(o, "imm.high") >>> 0) },
  "imm.low:+": {
    print: (o) => signed(value(o, "imm.low") | 0),
    pattern: "[+-](?:0x[0-9a-fA-F]+|[0-9]+)",
    read: (text) => ({ "imm.low": parseNumber(text) }),
  },
  imm64: {
    print: (o) => `0x${((BigInt(value(o, "imm.high")) << 32n) | BigInt(value(o, "imm.low"))).toString(16)}`,
    // The kernel writes 64-bit immediates, and in a move only those, in hexadecimal; LLVM adds `ll` to any number.
    pattern: "0x[0-9a-fA-F]+(?: ?ll)?|[+-]?[0-9]+ ?ll|-0x[0-9a-fA-F]+ ?ll",
    read: readImm64,
  },
  "target.id": {
    print: (o) => `${helperName(value(o, "target.id"))}#${value(o, "target.id")}`,
    pattern: `${NAME}(?:#-?[0-9]+)?|0x[0-9a-fA-F]+|[0-9]+`,
    read: readHelper,
  },
  "target.btfId": decimal("target.btfId"),
  "target.off": {
    print: (o) => (value(o, "target.off") === 0 ? "" : `[fd:${value(o, "target.off")}]`),
    pattern: `(?:\\[fd:${NUMBER}\\])?`,
    read: (text) => ({ "target.off": text === "" ? 0 : parseNumber(text.slice(4, -1)) }),
  },
};

function readImm64(text: string): Read {
  const digits = text.replace(/ ?ll$/, "");
  const magnitude = BigInt(digits.replace(/^[+-]/, ""));
  const number = digits.startsWith("-") ? -magnitude : magnitude;
  // Too great or too small: leave something that the range check refuses.
  if (number < -(1n << 63n) || number >= 1n << 64n) return { "imm.low": Infinity, "imm.high": 0 };
  return { "imm.low": Number(BigInt.asUintN(32, number)), "imm.high": Number(BigInt.asUintN(32, number >> 32n)) };
}

function helperName(id: number): string {
  const name = HELPER_NAMES[id];
  return name === undefined ? "unknown" : `bpf_${name}`;
}

/** `bpf_map_lookup_elem#1`, `bpf_map_lookup_elem`, `map_lookup_elem`, `unknown#1000` or `1`. */
function readHelper(text: string): Read {
  if (/^[0-9]/.test(text)) return { "target.id": Number(text) };
  const [name, number] = text.split("#") as [string, string | undefined];
  if (number !== undefined) {
    return helperName(Number(number)) === name ? { "target.id": Number(number) } : { unknown: "helper", name: text };
  }
  const id = (HELPER_NAMES as readonly string[]).indexOf(name.replace(/^bpf_/, ""));
  return id < 0 ? { unknown: "helper", name } : { "target.id": id };
}
