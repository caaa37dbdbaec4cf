/**
 * ObjectSpec to ELF64, as libbpf, bpftool and iproute2 load it. Equal objects give equal bytes.
 *
 *   .text            subprograms                       .maps      map definitions (their contents are in .BTF)
 *   one per section  programs, in their order          .rodata …  global data
 *   license          the licence                       .BTF       types, .BTF.ext function and line info
 *
 * A reference to a global function or a map is a relocation against its symbol; to a static function or to data it is one
 * against the section's symbol with the position in the instruction: both as clang writes them.
 */
import { encode } from "../asm/index.ts";
import { BtfStrings, encodeBtf, encodeBtfExt, POINTER_SIZE } from "../btf/index.ts";
import type { Btf, BtfExt } from "../btf/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import {
  assertObject,
  blank,
  canonicalize,
  isZeroSection,
  MAPS_SECTION,
  NO_LINE,
  objectProblem,
} from "../object/index.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, Relocation } from "../object/index.ts";
import { R_BPF, SHF, SHT, STB, STT } from "./format.ts";
import { UNDEFINED, writeImage } from "./image.ts";
import type { ImageRelocation, ImageSection, ImageSymbol } from "./image.ts";
import { appendKernelSymbols, externs } from "./kernel-symbols.ts";
import { appendMapTypes } from "./map-types.ts";
import type { MapSlot } from "./map-types.ts";

/** Section of the subprograms: libbpf links from here what programs call. */
export const TEXT_SECTION = ".text";
export const LICENSE_SECTION = "license";
const SLOT_SIZE = 8;

/**
 * A section that is not of the object itself. It is called a string table, which is what libbpf passes over without a word, and
 * allocated, so that stripping leaves its bytes alone.
 */
export interface ExtraSection {
  /** Beginning with a dot, and no name that has a meaning. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The object as an ELF file; `readElf` gives `canonicalize(object)` back, whatever else is put in.
 * Throws DiagnosticError: O001 to O008 and B007 for an object that is not valid, O011 for what is not written, A005 to A008 for an
 * instruction.
 */
export function writeElf(object: ObjectSpec, extra: readonly ExtraSection[] = []): Uint8Array {
  assertObject(object);
  refuseUnwritten(object);
  const canonical = canonicalize(object);
  const maps = canonical.maps.filter((m) => m.initial === null);
  const { btf, slots, size } = appendMapTypes(appendKernelSymbols(canonical.btf), maps);
  const code = placeFunctions(canonical);
  const data = canonical.maps.filter((m) => m.initial !== null);
  const layout = { code, slots, data, names: sectionNames(canonical, code, size, data) };
  const symbols = listSymbols(canonical, layout);
  const sections = [
    ...codeSections(layout, symbols),
    section(
      LICENSE_SECTION,
      SHT.progbits,
      SHF.write | SHF.alloc,
      1,
      new TextEncoder().encode(`${canonical.license}\0`),
    ),
    ...(size > 0 ? [mapsSection(size, slots, layout, symbols)] : []),
    ...data.map(dataSection),
    ...infoSections(btf, code),
    ...extra.map(({ name, bytes }) => section(name, SHT.strtab, SHF.alloc, 1, bytes)),
  ];
  return writeImage(sections, symbols);
}

/** What only other compilers' objects have. */
function refuseUnwritten({ maps }: ObjectSpec): void {
  const problems = maps.flatMap(({ name, type, config }) => {
    const what = config === undefined ? type : "the kernel's configuration";
    if (config === undefined && type !== "struct_ops" && type !== "arena") return [];
    return [objectProblem("O011", `the map ${name} is not written: ${what}`, `maps[${name}]`)];
  });
  if (problems.length > 0) throw new DiagnosticError(problems);
}

/** A function and where it stands. */
interface Placed {
  readonly fn: FunctionSpec;
  readonly section: string;
  /** Bytes. */
  readonly offset: number;
  readonly size: number;
}

interface Layout {
  readonly code: readonly Placed[];
  readonly slots: readonly MapSlot[];
  readonly data: readonly MapSpec[];
  /** Names of all sections but those of `.BTF`, in order: the index is what symbols refer to. */
  readonly names: readonly string[];
}

/** libbpf passes over programs whose section's name begins with a question mark, unless they are asked for. */
function sectionOf({ section, optional }: ProgramSpec): string {
  return optional === true ? `?${section}` : section;
}

function placeFunctions(object: ObjectSpec): Placed[] {
  const ends = new Map<string, number>();
  const place = (fn: FunctionSpec, section: string): Placed => {
    const offset = ends.get(section) ?? 0;
    const size = fn.insns.reduce((sum, insn) => sum + slotsOf(insn), 0) * SLOT_SIZE;
    ends.set(section, offset + size);
    return { fn, section, offset, size };
  };
  return [
    ...object.subprograms.map((f) => place(f, TEXT_SECTION)),
    ...object.programs.map((p) => place(p, sectionOf(p))),
  ];
}

function sectionNames(
  object: ObjectSpec,
  code: readonly Placed[],
  mapsSize: number,
  data: readonly MapSpec[],
): string[] {
  const codeNames = new Set(code.map((c) => c.section));
  return [...codeNames, LICENSE_SECTION, ...(mapsSize > 0 ? [MAPS_SECTION] : []), ...data.map((m) => m.name)];
}

/** Locals first, as ELF wants: sections that are referred to, static functions, variables; then what is global. */
function listSymbols(object: ObjectSpec, { code, slots, data, names }: Layout): ImageSymbol[] {
  const at = (name: string): number => names.indexOf(name);
  const sectionSymbols = names
    .filter((name) => name === TEXT_SECTION || data.some((m) => m.name === name))
    .map((name) => ({ name: "", section: at(name), value: 0, size: 0, type: STT.section, bind: STB.local }));
  // prettier-ignore
  const functions = code.map(({ fn, section, offset, size }) => ({
    name: fn.name, section: at(section), value: offset, size, type: STT.func, bind: fn.linkage === "static" ? STB.local : STB.global,
  }));
  // prettier-ignore
  const maps = slots.map(({ map, offset, size }) => ({
    name: map.name, section: at(MAPS_SECTION), value: offset, size, type: STT.object, bind: STB.global,
  }));
  const variables = data.flatMap((map) => variableSymbols(object.btf, map, at(map.name)));
  const weak = weakNames(object);
  const kernel = externs(object.btf).map(({ name }) => ({
    ...{ name, section: UNDEFINED, value: 0, size: 0 },
    ...{ type: STT.notype, bind: weak.has(name) ? STB.weak : STB.global },
  }));
  const all = [...sectionSymbols, ...functions, ...variables, ...maps, ...kernel];
  return [...all.filter((s) => s.bind === STB.local), ...all.filter((s) => s.bind !== STB.local)];
}

/** What of the kernel need not be there. */
function weakNames({ programs, subprograms }: ObjectSpec): Set<string> {
  const relocations = [...programs, ...subprograms].flatMap((fn) => fn.relocations);
  return new Set(
    relocations.flatMap((r) => {
      if (r.kind !== "kfunc" && r.kind !== "ksym") return [];
      return r.weak === true ? [r.kind === "kfunc" ? r.kfunc : r.ksym] : [];
    }),
  );
}

function variableSymbols(btf: Btf, map: MapSpec, section: number): ImageSymbol[] {
  const type = btf.types[map.valueType];
  if (type?.kind !== "datasec") return [];
  return type.variables.flatMap((v) => {
    const variable = btf.types[v.type];
    if (variable?.kind !== "var") return [];
    const bind = variable.linkage === "static" ? STB.local : STB.global;
    return [{ name: variable.name, section, value: v.offset, size: v.size, type: STT.object, bind }];
  });
}

function codeSections(layout: Layout, symbols: readonly ImageSymbol[]): ImageSection[] {
  const names = new Set(layout.code.map((c) => c.section));
  return [...names].map((name) => {
    const placed = layout.code.filter((c) => c.section === name);
    const bytes = encode(placed.flatMap((c) => patch(c.fn, layout)));
    const relocations = placed.flatMap((c) => c.fn.relocations.map((r) => relocationOf(r, c, layout, symbols)));
    return { ...section(name, SHT.progbits, SHF.alloc | SHF.execinstr, SLOT_SIZE, bytes), relocations };
  });
}

/** The instructions with the positions that relocations against a section's symbol take from them. */
function patch(fn: FunctionSpec, layout: Layout): Insn[] {
  const bySlot = new Map(fn.relocations.map((r) => [r.slot, r]));
  let slot = 0;
  return fn.insns.map((insn) => {
    const relocation = bySlot.get(slot);
    slot += slotsOf(insn);
    return relocation === undefined ? insn : addend(blank(insn, relocation), relocation, layout);
  });
}

function addend(insn: Insn, relocation: Relocation, layout: Layout): Insn {
  if (relocation.kind === "map" || relocation.kind === "ksym") return insn;
  if (relocation.kind === "map_value")
    return insn.kind === "load_imm64" ? { ...insn, imm: BigInt(relocation.offset) } : insn;
  // libbpf tells a call to the kernel by its symbol.
  if (relocation.kind === "kfunc") return { kind: "call", target: { kind: "local", delta: -1 } };
  const target = findFunction(relocation.func, layout);
  if (target.fn.linkage === "global") return insn;
  if (insn.kind === "load_imm64") return { ...insn, imm: BigInt(target.offset) };
  return { kind: "call", target: { kind: "local", delta: target.offset / SLOT_SIZE - 1 } };
}

function relocationOf(r: Relocation, placed: Placed, layout: Layout, symbols: readonly ImageSymbol[]): ImageRelocation {
  return {
    offset: placed.offset + r.slot * SLOT_SIZE,
    type: r.kind === "call" || r.kind === "kfunc" ? R_BPF.r64_32 : R_BPF.r64_64,
    symbol: symbols.findIndex(targetOf(r, layout)),
  };
}

/** Tells the symbol that a relocation is against. */
function targetOf(r: Relocation, layout: Layout): (symbol: ImageSymbol) => boolean {
  const sectionOf = (name: string) => (s: ImageSymbol) => s.type === STT.section && layout.names[s.section] === name;
  if (r.kind === "map_value") return sectionOf(r.map);
  if (r.kind === "kfunc") return (s) => s.name === r.kfunc && s.section === UNDEFINED;
  if (r.kind === "ksym") return (s) => s.name === r.ksym && s.section === UNDEFINED;
  const name = r.kind === "map" ? r.map : r.func;
  if (r.kind !== "map" && findFunction(name, layout).fn.linkage === "static") return sectionOf(TEXT_SECTION);
  const type = r.kind === "map" ? STT.object : STT.func;
  const section = layout.names.indexOf(r.kind === "map" ? MAPS_SECTION : TEXT_SECTION);
  return (s) => s.name === name && s.type === type && s.section === section;
}

/** `assertObject` has seen that it is there. */
function findFunction(name: string, layout: Layout): Placed {
  const found = layout.code.find((c) => c.section === TEXT_SECTION && c.fn.name === name);
  if (found === undefined) throw new RangeError(`no function ${name}`);
  return found;
}

function section(name: string, type: number, flags: number, align: number, bytes: Uint8Array): ImageSection {
  return { name, type, flags, align, bytes, relocations: [] };
}

/** Definitions are types; what stands in the section is the addresses of what maps hold from the start. */
function mapsSection(
  size: number,
  slots: readonly MapSlot[],
  layout: Layout,
  symbols: readonly ImageSymbol[],
): ImageSection {
  const maps = layout.names.indexOf(MAPS_SECTION);
  const relocations = slots.flatMap(({ map, offset, entriesAt }) =>
    (map.entries ?? []).map(({ index, name }) => ({
      offset: offset + entriesAt + index * POINTER_SIZE,
      type: R_BPF.abs64,
      symbol: symbols.findIndex(
        (s) => s.name === name && (map.inner === null ? s.type === STT.func : s.section === maps),
      ),
    })),
  );
  return { ...section(MAPS_SECTION, SHT.progbits, SHF.write | SHF.alloc, 8, new Uint8Array(size)), relocations };
}

function dataSection(map: MapSpec): ImageSection {
  const type = isZeroSection(map.name) ? SHT.nobits : SHT.progbits;
  return section(map.name, type, map.frozen ? SHF.alloc : SHF.alloc | SHF.write, 8, map.initial ?? new Uint8Array());
}

/** `.BTF` and `.BTF.ext`; nothing for an object that has neither types, maps nor lines. */
function infoSections(btf: Btf, code: readonly Placed[]): ImageSection[] {
  const ext = extOf(code);
  const hasExt = ext.functions.length > 0 || ext.lines.length > 0 || ext.coreRelocations.length > 0;
  if (btf.types.length === 1 && !hasExt) return [];
  const strings = new BtfStrings();
  const extBytes = encodeBtfExt(ext, strings);
  const sections = [section(".BTF", SHT.progbits, 0, 4, encodeBtf(btf, strings))];
  if (hasExt) sections.push(section(".BTF.ext", SHT.progbits, 0, 4, extBytes));
  return sections;
}

/** Once one function has lines, libbpf wants all to have some. */
function extOf(code: readonly Placed[]): BtfExt {
  const hasLines = code.some((c) => c.fn.lines.length > 0);
  return {
    functions: code
      .filter((c) => c.fn.btfId !== 0)
      .map((c) => ({ section: c.section, offset: c.offset, type: c.fn.btfId })),
    lines: hasLines ? code.flatMap(linesOf) : [],
    coreRelocations: code.flatMap(({ fn, section, offset }) =>
      (fn.core ?? []).map(({ slot, ...rest }) => ({ section, offset: offset + slot * SLOT_SIZE, ...rest })),
    ),
  };
}

function linesOf({ fn, section, offset }: Placed): BtfExt["lines"] {
  const lines = fn.lines.length > 0 ? fn.lines : [{ slot: 0, ...NO_LINE }];
  return lines.map(({ slot, ...rest }) => ({ ...rest, section, offset: offset + slot * SLOT_SIZE }));
}
