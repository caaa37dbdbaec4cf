/**
 * ELF64 to ObjectSpec, for our own objects and for other compilers'.
 *
 * The types that only map definitions need are taken out of the BTF (the writer puts them back), so that
 * `readElf(writeElf(x))` equals `canonicalize(x)`. What an object of clang holds beyond an ObjectSpec is an error when the
 * program would be wrong without it, else a warning.
 */
import { decodeBtfExt, decodeBtfSection, removeTypes } from "../btf/index.ts";
import type { Btf, BtfExt, BtfType, StringTable, TypeId } from "../btf/index.ts";
import type { Diagnostic } from "../diag/index.ts";
import { sectionMeaning } from "../kernel/index.ts";
import { adaptObject, dataSectionTraits, isDataSection, MAPS_SECTION } from "../object/index.ts";
import type { MapSpec, ObjectSpec, ProgramSpec } from "../object/index.ts";
import { readContainer } from "./container.ts";
import type { Container, Section } from "./container.ts";
import { elfError, elfProblem } from "./diagnostics.ts";
import { SHF, SHT, STB } from "./format.ts";
import { ARENA_SECTION, functionAt, listFunctions, placeKey, readFunction, withLinkage } from "./functions.ts";
import type { Context, FunctionSymbol } from "./functions.ts";
import { readEntries } from "./initial-entries.ts";
import type { Words } from "./initial-entries.ts";
import { kernelSymbols, kernelSymbolTypes, readConfigSection } from "./kernel-symbols.ts";
import { readLegacyMaps } from "./legacy-maps.ts";
import { readMapDefinitions } from "./map-definitions.ts";
import type { DefinedMap } from "./map-definitions.ts";
import { readStructOps } from "./struct-ops.ts";
import { LICENSE_SECTION, TEXT_SECTION } from "./write.ts";

export interface ReadElfOptions {
  /** The types of the kernel that the object is made ready for (`adaptObject`); without, it stays fit for any. */
  readonly kernel?: Btf | null;
}

export interface ElfContents {
  readonly object: ObjectSpec;
  /** What the object says that an ObjectSpec does not hold. */
  readonly warnings: readonly Diagnostic[];
}

/** Bytes of global data in one section that are believed: more is damage. */
const MAX_DATA = 1 << 26;

/** The object of an ELF file; `file` names it in diagnostics. As `inspectElf`, without the warnings. */
export function readElf(bytes: Uint8Array, file = "object", options: ReadElfOptions = {}): ObjectSpec {
  return inspectElf(bytes, file, options).object;
}

/**
 * The object of an ELF file and what was left out of it (E010 CO-RE relocations, E011 unknown section, E012 map attribute).
 * Throws DiagnosticError: E001 to E007, O009, B001 to B008 for its BTF, A001 to A006 for its code. Nothing else, whatever the bytes.
 */
export function inspectElf(bytes: Uint8Array, file = "object", options: ReadElfOptions = {}): ElfContents {
  const { kernel = null } = options;
  const container = readContainer(bytes, file);
  const legacy = readLegacyMaps(container);
  const types = readTypes(container);
  const { btf: whole, map: config } = readConfigSection(types.btf, container);
  const definitions = readMapDefinitions(whole, file, (name) => mapOffset(container, name));
  const { btf, idOf } = removeTypes(whole, new Set([...definitions.types, ...kernelSymbolTypes(whole)]));
  const functions = listFunctions(container);
  const section = container.sections.find((s) => s.name === MAPS_SECTION);
  const mapAt = new Map([
    ...definitions.maps.map((m) => [placeKey(section?.index ?? -1, m.offset), m.map.name] as const),
    ...legacy.maps.map((m) => [placeKey(m.section, m.offset), m.map.name] as const),
  ]);
  const context: Context = {
    container,
    functions,
    mapAt,
    ext: types.ext,
    ksyms: kernelSymbols(whole),
    config: { map: config?.name ?? "", values: new Map(config?.config?.map((value) => [value.name, value])) },
    arena: definitions.maps.find(({ map }) => map.type === "arena")?.map.name ?? null,
    btf,
    typeId: idOf,
  };
  const nameAt: Words["nameAt"] = (index, offset) => {
    const there = container.sections[index];
    return mapAt.get(placeKey(index, offset)) ?? (there === undefined ? null : functionAt(context, there, offset));
  };
  const defined = section === undefined ? [] : withEntries(container, section, definitions.maps, nameAt);
  const subprograms = functions.filter((f) => !isProgram(f)).map((f) => readFunction(context, f));
  const object: ObjectSpec = {
    license: readLicense(container),
    programs: functions.filter(isProgram).map((f) => readProgram(context, f)),
    subprograms,
    maps: [
      ...defined.map((map) => renumber(map, idOf)),
      ...legacy.maps.map(({ map }) => map),
      ...readStructOps(container, btf, nameAt),
      ...container.sections.filter(isData).map((s) => readData(container, btf, s)),
      ...(config === null ? [] : [renumber(config, idOf)]),
    ],
    btf: withLinkage(btf, subprograms),
  };
  const warnings = [...definitions.warnings, ...legacy.warnings, ...arenaWarnings(context)];
  return {
    object: adaptObject(object, { types: kernel }),
    warnings: [...warnings, ...(kernel === null ? coreWarnings(file, object) : []), ...sectionWarnings(file, object)],
  };
}

/** The bytes of the section of that name, as `writeElf` was given them; null when there is none. Throws E001 to E004 as `readElf`. */
export function readSection(bytes: Uint8Array, name: string, file = "object"): Uint8Array | null {
  return readContainer(bytes, file).sections.find((section) => section.name === name)?.bytes ?? null;
}

function renumber(map: MapSpec, idOf: (id: TypeId) => TypeId): MapSpec {
  const inner = map.inner === null ? null : renumber(map.inner, idOf);
  const config = map.config?.map((value) => ({ ...value, type: idOf(value.type) }));
  const ids = { keyType: idOf(map.keyType), valueType: idOf(map.valueType) };
  return { ...map, ...ids, inner, ...(config === undefined ? {} : { config }) };
}

/** The maps of `.maps` in their order, with what they hold from the start. */
function withEntries(
  container: Container,
  section: Section,
  maps: readonly DefinedMap[],
  nameAt: Words["nameAt"],
): MapSpec[] {
  const ordered = maps.toSorted((a, b) => a.offset - b.offset);
  refuseStrayAddresses(container, section, ordered);
  return ordered.map(({ map, offset, entriesAt }, i) => {
    if (entriesAt === null) return map;
    const end = ordered[i + 1]?.offset ?? section.size;
    const words = { container, section, start: offset + entriesAt, end, nameAt };
    const entries = readEntries(words, "E004", `the map ${map.name}`);
    return entries.length === 0 ? map : { ...map, entries };
  });
}

/** An address that no map holds would be lost. */
function refuseStrayAddresses(container: Container, section: Section, maps: readonly DefinedMap[]): void {
  const stray = (container.relocations.get(section.index) ?? []).find(({ offset }) => {
    const owner = maps.findLast((m) => m.offset <= offset);
    return owner === undefined || owner.entriesAt === null || offset < owner.offset + owner.entriesAt;
  });
  if (stray !== undefined)
    throw elfError("E004", `${section.name} holds an address that belongs to no map`, container.file, stray.at);
}

/** BTF and its extension; an object without has no types. */
function readTypes(container: Container): { btf: Btf; ext: BtfExt } {
  const find = (name: string): Section | undefined =>
    container.sections.find((s) => s.name === name && s.type === SHT.progbits);
  const noExt: BtfExt = { functions: [], lines: [], coreRelocations: [] };
  const section = find(".BTF");
  if (section === undefined) {
    const maps = find(MAPS_SECTION);
    if (maps === undefined || maps.size === 0) return { btf: { types: [{ kind: "void" }] }, ext: noExt };
    throw elfError("E004", `${container.file} has maps but no BTF`, container.file, maps.offset, {
      remedy: "compile with -g",
    });
  }
  const { btf, strings } = decodeBtfSection(section.bytes, `${container.file} .BTF`);
  const types = btf.types.map((type) => completeSection(container, btf, type));
  return { btf: { types }, ext: readExt(container, find(".BTF.ext"), strings) ?? noExt };
}

function readExt(container: Container, section: Section | undefined, strings: StringTable): BtfExt | null {
  return section === undefined ? null : decodeBtfExt(section.bytes, strings, `${container.file} .BTF.ext`);
}

/** clang leaves size and offsets of data sections to whoever knows the symbols. */
function completeSection(container: Container, btf: Btf, type: BtfType): BtfType {
  if (type.kind !== "datasec" || type.size !== 0) return type;
  const section = container.sections.find((s) => s.name === type.name);
  if (section === undefined) return type;
  const variables = type.variables.map((v) => {
    const variable = btf.types[v.type];
    const symbol = container.symbols.find(
      (s) => s.section === section.index && variable?.kind === "var" && s.name === variable.name,
    );
    return symbol === undefined ? v : { ...v, offset: symbol.value };
  });
  return { ...type, size: section.size, variables: variables.toSorted((a, b) => a.offset - b.offset) };
}

function mapOffset(container: Container, name: string): number | null {
  const section = container.sections.find((s) => s.name === MAPS_SECTION)?.index;
  return container.symbols.find((s) => s.section === section && s.name === name)?.value ?? null;
}

function isProgram({ section }: FunctionSymbol): boolean {
  return section.name !== TEXT_SECTION;
}

function readProgram(context: Context, f: FunctionSymbol): ProgramSpec {
  if (f.symbol.bind === STB.local) {
    throw elfError(
      "E007",
      `the program ${f.symbol.name} is static`,
      context.container.file,
      f.section.offset + f.symbol.value,
      {
        remedy: "make programs global; functions that they call belong to .text",
      },
    );
  }
  const optional = f.section.name.startsWith("?");
  const section = optional ? f.section.name.slice(1) : f.section.name;
  const meaning = sectionMeaning(section) ?? { type: "unspec", attach: null, flags: 0 };
  return { ...readFunction(context, f), linkage: "global", section, ...meaning, ...(optional ? { optional } : {}) };
}

function isData(section: Section): boolean {
  const allocated = (section.flags & SHF.alloc) !== 0 && (section.flags & SHF.execinstr) === 0;
  return (
    allocated &&
    (section.type === SHT.progbits || section.type === SHT.nobits) &&
    section.size > 0 &&
    isDataSection(section.name)
  );
}

function readData(container: Container, btf: Btf, section: Section): MapSpec {
  if (section.size > MAX_DATA) {
    throw elfError("E003", `the section ${section.name} is too big`, container.file, section.offset, {
      expected: `at most ${MAX_DATA} bytes`,
      found: String(section.size),
    });
  }
  const relocation = container.relocations.get(section.index)?.[0];
  if (relocation !== undefined) {
    throw elfError(
      "E006",
      `the section ${section.name} holds addresses, which is not supported`,
      container.file,
      relocation.at,
    );
  }
  const type = btf.types.findIndex((t) => t.kind === "datasec" && t.name === section.name && t.size === section.size);
  const initial = section.type === SHT.nobits ? new Uint8Array(section.size) : new Uint8Array(section.bytes);
  // prettier-ignore
  return {
    name: section.name, type: "array", keySize: 4, valueSize: section.size, maxEntries: 1, keyType: 0,
    valueType: Math.max(type, 0), initial, inner: null, ...dataSectionTraits(section.name),
  };
}

function readLicense(container: Container): string {
  const bytes = container.sections.find((s) => s.name === LICENSE_SECTION)?.bytes ?? new Uint8Array();
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** One warning for each function whose CO-RE relocations are not applied. */
function coreWarnings(file: string, { programs, subprograms }: ObjectSpec): Diagnostic[] {
  return [...programs, ...subprograms].flatMap(({ name, core }) => {
    if (core === undefined) return [];
    const place = { kind: "path", file, path: name } as const;
    return [
      elfProblem("E010", "warning", `${name} has ${core.length} CO-RE relocations, which are not applied`, place),
    ];
  });
}

/** What variables of the arena are to hold from the start. */
function arenaWarnings({ container, arena }: Context): Diagnostic[] {
  const data = container.sections.find(({ name, bytes }) => name === ARENA_SECTION && bytes.some((byte) => byte !== 0));
  if (data === undefined) return [];
  const place = { kind: "offset", file: container.file, offset: data.offset } as const;
  return [elfProblem("E012", "warning", `the initial data of the arena ${arena ?? ""} is ignored`, place)];
}

function sectionWarnings(file: string, object: ObjectSpec): Diagnostic[] {
  return object.programs.flatMap((p) => {
    if (p.type !== "unspec") return [];
    const place = { kind: "path", file, path: p.section } as const;
    return [
      elfProblem(
        "E011",
        "warning",
        `the section name ${p.section} does not tell the type of the program ${p.name}`,
        place,
      ),
    ];
  });
}
