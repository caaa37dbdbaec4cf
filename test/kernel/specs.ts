/** Objects written by hand for the tests: lib/asm's items plus map references and source lines, made into specs. */
import { assemble, callKfunc, lddw } from "../../lib/asm/index.ts";
import type { Item, Register } from "../../lib/asm/index.ts";
import type { Btf } from "../../lib/btf/index.ts";
import { slotsOf } from "../../lib/isa/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import type { HookName, MapType } from "../../lib/kernel/index.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, Relocation, SourceLine } from "../../lib/object/index.ts";

interface MapReference {
  readonly map: string;
  readonly dst: Register;
  /** Null: the map itself; else an offset into its only value. */
  readonly offset: number | null;
}
interface Line {
  readonly line: number;
  readonly text: string;
}
interface FunctionReference {
  readonly func: string;
  readonly dst: Register;
}
interface KernelCall {
  readonly kfunc: string;
}
type Part = Item | MapReference | FunctionReference | KernelCall | Line;

/** dst = the map. */
export const ldmap = (dst: Register, map: string): MapReference => ({ map, dst, offset: null });
/** dst = the address of global data. */
export const ldvalue = (dst: Register, map: string, offset = 0): MapReference => ({ map, dst, offset });
/** dst = the address of a subprogram, for helpers that call it back. */
export const ldfunc = (dst: Register, func: string): FunctionReference => ({ func, dst });
/** A call of a function of the kernel; the object's types must have it, of linkage extern. */
export const callKernel = (kfunc: string): KernelCall => ({ kfunc });
/** What follows comes from this line of the source. */
export const line = (number: number, text: string): Line => ({ line: number, text });

/** File name of the source lines. */
export const FILE = "programs/sample.ts";

/** A program for a hook. */
export function program(name: string, hook: HookName, parts: readonly Part[], btfId = 0): ProgramSpec {
  const { section, type, attach, flags } = HOOKS[hook];
  const items: Item[] = [];
  const relocations: Relocation[] = [];
  const lines: SourceLine[] = [];
  let slot = 0;
  for (const part of parts) {
    if ("line" in part) {
      lines.push({ slot, file: FILE, line: part.line, column: 3, text: part.text });
    } else if ("map" in part) {
      const { map, offset } = part;
      relocations.push(offset === null ? { kind: "map", slot, map } : { kind: "map_value", slot, map, offset });
      items.push(lddw(part.dst, 0n));
      slot += 2;
    } else if ("func" in part) {
      relocations.push({ kind: "func", slot, func: part.func });
      items.push(lddw(part.dst, 0n));
      slot += 2;
    } else if ("kfunc" in part) {
      relocations.push({ kind: "kfunc", slot, kfunc: part.kfunc });
      items.push(callKfunc(0));
      slot += 1;
    } else {
      items.push(part);
      if (!("label" in part)) slot += "at" in part ? 1 : slotsOf(part);
    }
  }
  return {
    name,
    section,
    type,
    attach,
    flags,
    btfId,
    linkage: "global",
    insns: assemble(items),
    relocations,
    lines,
  };
}

/** A function that programs call or have called back. `btfId`: its type, which callbacks must have. */
export function subprogram(name: string, parts: readonly Part[], btfId = 0): FunctionSpec {
  const { insns, relocations, lines } = program(name, "xdp", parts);
  return { name, insns, relocations, lines, btfId, linkage: "static" };
}

/** A map without types unless `more` says so. */
export function map(
  name: string,
  type: MapType,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  more: Partial<MapSpec> = {},
): MapSpec {
  return {
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags: 0,
    keyType: 0,
    valueType: 0,
    initial: null,
    frozen: false,
    inner: null,
    ...more,
  };
}

export function object(programs: readonly ProgramSpec[], maps: readonly MapSpec[] = [], btf: Btf = TYPES): ObjectSpec {
  return { license: "Dual MIT/GPL", programs, subprograms: [], maps, btf };
}

/** Types for the tests; ids by name in `T`. */
// prettier-ignore
export const TYPES: Btf = {
  types: [
    { kind: "void" },
    { kind: "int", name: "u32", size: 4, encoding: "unsigned" },
    { kind: "int", name: "u64", size: 8, encoding: "unsigned" },
    { kind: "int", name: "u8", size: 1, encoding: "unsigned" },
    { kind: "int", name: "u16", size: 2, encoding: "unsigned" },
    { kind: "array", element: 3, index: 1, count: 4 },
    { kind: "struct", name: "flow", size: 12, members: [
      { name: "address", type: 5, bitOffset: 0 }, { name: "port", type: 4, bitOffset: 32 },
      { name: "proto", type: 3, bitOffset: 48 }, { name: "mark", type: 1, bitOffset: 64 } ] },
    { kind: "struct", name: "stats", size: 16, members: [{ name: "packets", type: 2, bitOffset: 0 }, { name: "bytes", type: 2, bitOffset: 64 }] },
    { kind: "struct", name: "prefix", size: 8, members: [{ name: "length", type: 1, bitOffset: 0 }, { name: "address", type: 5, bitOffset: 32 }] },
    { kind: "ptr", type: 0 },
    { kind: "func_proto", result: 11, params: [{ name: "ctx", type: 9 }] },
    { kind: "int", name: "int", size: 4, encoding: "signed" },
    { kind: "func", name: "main_func", type: 10, linkage: "global" },
    { kind: "var", name: "limit", type: 1, linkage: "global" },
    { kind: "var", name: "total", type: 2, linkage: "global" },
    { kind: "datasec", name: ".data", size: 16, variables: [{ type: 13, offset: 0, size: 4 }, { type: 14, offset: 8, size: 8 }] },
    { kind: "datasec", name: ".rodata", size: 4, variables: [{ type: 13, offset: 0, size: 4 }] },
  ],
};
export const T = {
  u32: 1,
  u64: 2,
  u8: 3,
  u16: 4,
  flow: 6,
  stats: 7,
  prefix: 8,
  func: 12,
  data: 15,
  rodata: 16,
} as const;
