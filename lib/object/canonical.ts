/**
 * The canonical form of an ObjectSpec: the one that survives being written as ELF and read back. Two objects say the same
 * when their canonical forms are equal.
 *
 *  - programs of one section stand together; maps come before global data;
 *  - relocations ascend; the instruction that one fills in holds nothing: a `load_imm64` of 0, a `call` of -1, a `call` of
 *    the kernel's function 0; what depends on the kernel's types ascends, too;
 *  - the maps in a map of maps are called after it; initial entries ascend;
 *  - global data has no key type (the key is always a u32); lines and columns are within what BTF can hold;
 *  - BTF leaves out what is the default (an integer's bits, a bitfield size of 0).
 */
import { decodeBtf, encodeBtf, MAX_COLUMN, MAX_LINE } from "../btf/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, Relocation } from "./object.ts";
import { dropNoLine } from "./program-info.ts";

/** The canonical form of an object. */
export function canonicalize(object: ObjectSpec): ObjectSpec {
  const sections = [...new Set(object.programs.map(sectionKey))];
  return {
    license: object.license,
    programs: sections.flatMap((s) => object.programs.filter((p) => sectionKey(p) === s)).map(canonicalFunction),
    subprograms: object.subprograms.map(canonicalFunction),
    maps: [
      ...object.maps.filter((m) => m.initial === null).map(canonicalMap),
      ...object.maps.filter((m) => m.initial !== null).map(canonicalData),
    ],
    btf: decodeBtf(encodeBtf(object.btf)),
  };
}

/** Programs that are loaded only when asked for have a section of their own. */
function sectionKey({ section, optional }: ProgramSpec): string {
  return optional === true ? `?${section}` : section;
}

/** The instruction with what the relocation fills in taken out. */
export function blank(insn: Insn, relocation: Relocation): Insn {
  if (relocation.kind === "call") return { kind: "call", target: { kind: "local", delta: -1 } };
  if (relocation.kind === "kfunc") return { kind: "call", target: { kind: "kfunc", btfId: 0, off: 0 } };
  return insn.kind === "load_imm64" ? { ...insn, pseudo: "none", imm: 0n } : insn;
}

function canonicalFunction<F extends FunctionSpec>(fn: F): F {
  const bySlot = new Map(fn.relocations.map((r) => [r.slot, r]));
  let slot = 0;
  const insns = fn.insns.map((insn) => {
    const relocation = bySlot.get(slot);
    slot += slotsOf(insn);
    return relocation === undefined ? insn : blank(insn, relocation);
  });
  return {
    ...fn,
    insns,
    ...(fn.core === undefined ? {} : { core: fn.core.toSorted((a, b) => a.slot - b.slot) }),
    relocations: fn.relocations.toSorted((a, b) => a.slot - b.slot),
    lines: dropNoLine(fn.lines).map((l) => ({
      ...l,
      line: Math.min(l.line, MAX_LINE),
      column: Math.min(l.column, MAX_COLUMN),
    })),
  };
}

function canonicalData(map: MapSpec): MapSpec {
  return { ...map, keyType: 0 };
}

/** What libbpf calls the template of the maps in a map. */
export function innerName(outer: string): string {
  return `${outer}.inner`;
}

function canonicalMap(map: MapSpec): MapSpec {
  const entries = map.entries?.toSorted((a, b) => a.index - b.index);
  const inner = map.inner === null ? null : { ...map.inner, name: innerName(map.name) };
  return { ...map, inner, ...(entries === undefined ? {} : { entries }) };
}
