/** Functions of an ELF object: their instructions, relocations and source lines. */
import { tryDecode } from "../asm/index.ts";
import type { Btf, BtfExt, BtfType, TypeId } from "../btf/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { Insn } from "../isa/index.ts";
import { blank, dropNoLine, isDataSection, MAPS_SECTION } from "../object/index.ts";
import type { ConfigReference, CoreReference, FunctionSpec, Relocation, SourceLine } from "../object/index.ts";
import { isCode } from "./container.ts";
import type { Container, ElfRelocation, Section, Symbol } from "./container.ts";
import { elfError } from "./diagnostics.ts";
import { isLegacySection } from "./legacy-maps.ts";
import { R_BPF, SHN_LORESERVE, STB, STT, STV } from "./format.ts";

const SLOT_SIZE = 8;
/** Variables in address space 1: data of the arena. */
export const ARENA_SECTION = ".addr_space.1";

/** A function's symbol and the section it stands in. */
export interface FunctionSymbol {
  readonly symbol: Symbol;
  readonly section: Section;
}

/** What relocations are resolved against. */
export interface Context {
  readonly container: Container;
  readonly functions: readonly FunctionSymbol[];
  /** Names of maps by where they are defined, see `placeKey`. */
  readonly mapAt: ReadonlyMap<string, string>;
  readonly ext: BtfExt;
  /** The kernel's functions and variables whose types the file has, by name. */
  readonly ksyms: ReadonlyMap<string, "func" | "var">;
  /** Values of the kernel's configuration by name, in the data that they become. */
  readonly config: { readonly map: string; readonly values: ReadonlyMap<string, ConfigReference> };
  /** The map that data of the arena's section belongs to; null where the object has no arena. */
  readonly arena: string | null;
  /** The object's types: the file's without those that only map definitions need. */
  readonly btf: Btf;
  /** The id in `btf` of a type of the file's. */
  readonly typeId: (id: TypeId) => TypeId;
}

/** A place in a section, as a key. */
export function placeKey(section: number, offset: number): string {
  return `${section}+${offset}`;
}

/**
 * All function symbols, by section and position. Throws E007 for one that leaves its section and for code that belongs to
 * no function.
 */
export function listFunctions(container: Container): FunctionSymbol[] {
  return container.sections.filter(isCode).flatMap((section) => {
    const symbols = container.symbols
      .filter((s) => s.section === section.index && s.type === STT.func)
      .toSorted((a, b) => a.value - b.value);
    let end = 0;
    for (const symbol of symbols) {
      const aligned = symbol.value % SLOT_SIZE === 0 && symbol.size % SLOT_SIZE === 0 && symbol.size > 0;
      if (symbol.value !== end || !aligned || symbol.value + symbol.size > section.size || symbol.name === "") {
        throw notCovered(
          container,
          section,
          end,
          `${symbol.name || "a function without a name"} at ${symbol.value}, ${symbol.size} bytes`,
        );
      }
      end = symbol.value + symbol.size;
    }
    if (end !== section.size) throw notCovered(container, section, end, "no function");
    return symbols.map((symbol) => ({ symbol, section }));
  });
}

function notCovered(container: Container, section: Section, at: number, found: string): DiagnosticError {
  return elfError(
    "E007",
    `the code of the section ${section.name} is not made of functions`,
    container.file,
    section.offset + at,
    {
      expected: `a function of whole instructions from ${at} on, inside of the section's ${section.size} bytes`,
      found,
    },
  );
}

/**
 * The function with its relocations by name. Throws E006 for a relocation that is not supported, A001 to A006 for bad code.
 */
export function readFunction(context: Context, { symbol, section }: FunctionSymbol): FunctionSpec {
  const bytes = section.bytes.subarray(symbol.value, symbol.value + symbol.size);
  const decoded = decodeAt(bytes, context.container.file, section.offset + symbol.value);
  const found = new Map<number, Relocation>();
  for (const r of context.container.relocations.get(section.index) ?? []) {
    if (r.offset < symbol.value || r.offset >= symbol.value + symbol.size) continue;
    const slot = (r.offset - symbol.value) / SLOT_SIZE;
    found.set(slot, resolve(context, r, slot, decoded.get(slot)));
  }
  for (const [slot, insn] of decoded) {
    if (!found.has(slot)) localReference(context, { symbol, section }, slot, insn, found);
  }
  const relocations = [...found.values()].toSorted((a, b) => a.slot - b.slot);
  const core = coreReferencesOf(context, { symbol, section });
  return {
    name: symbol.name,
    insns: [...decoded].map(([slot, insn]) => {
      const relocation = found.get(slot);
      return relocation === undefined ? insn : blank(insn, relocation);
    }),
    relocations,
    lines: linesOf(context.ext, symbol, section),
    btfId: functionType(context, { symbol, section }),
    linkage: isStatic(symbol) ? "static" : "global",
    ...(core.length === 0 ? {} : { core }),
  };
}

/**
 * A function that is global only so that a linker finds it (`__hidden`) is static to the kernel, as libbpf has it: it is verified
 * with what its callers pass.
 */
function isStatic({ bind, visibility }: Symbol): boolean {
  return bind === STB.local || visibility === STV.hidden || visibility === STV.internal;
}

/** The types with the linkage that the functions have. */
export function withLinkage(btf: Btf, functions: readonly FunctionSpec[]): Btf {
  const hidden = new Set(functions.flatMap(({ linkage, btfId }) => (linkage === "static" ? [btfId] : [])));
  const differs = (type: BtfType, id: TypeId): boolean =>
    hidden.has(id) && type.kind === "func" && type.linkage === "global";
  if (!btf.types.some(differs)) return btf;
  return {
    types: btf.types.map((type, id) => (differs(type, id) ? ({ ...type, linkage: "static" } as BtfType) : type)),
  };
}

/** Instructions by slot; diagnostics at the byte of the file. */
function decodeAt(bytes: Uint8Array, file: string, base: number): Map<number, Insn> {
  const insns = new Map<number, Insn>();
  const problems = tryDecode(bytes, file).flatMap((d) => {
    if (d.diagnostic === null) {
      insns.set(d.slot, d.insn);
      return [];
    }
    return [{ ...d.diagnostic, place: { kind: "offset", file, offset: base + d.slot * SLOT_SIZE } as const }];
  });
  if (problems.length > 0) throw new DiagnosticError(problems);
  return insns;
}

/** The id of the function's type; 0 where the file has none. */
function functionType({ ext, btf, typeId }: Context, { symbol, section }: FunctionSymbol): TypeId {
  const info = ext.functions.find((f) => f.section === section.name && f.offset === symbol.value);
  const id = typeId(info?.type ?? 0);
  return btf.types[id]?.kind === "func" ? id : 0;
}

/** What depends on the kernel's types, by ascending slot. */
function coreReferencesOf({ ext, typeId }: Context, { symbol, section }: FunctionSymbol): CoreReference[] {
  const end = symbol.value + symbol.size;
  return ext.coreRelocations
    .filter((r) => r.section === section.name && r.offset >= symbol.value && r.offset < end)
    .map(({ offset, type, access, kind }) => ({
      slot: (offset - symbol.value) / SLOT_SIZE,
      type: typeId(type),
      access,
      kind,
    }))
    .toSorted((a, b) => a.slot - b.slot);
}

function resolve(context: Context, r: ElfRelocation, slot: number, insn: Insn | undefined): Relocation {
  const { container } = context;
  const refuse = (why: string): DiagnosticError => {
    const name = r.symbol.name || container.sections[r.symbol.section]?.name || "a symbol without a name";
    return elfError("E006", `a relocation against ${name} is not supported: ${why}`, container.file, r.at);
  };
  const target = container.sections[r.symbol.section];
  if (r.symbol.section === 0) {
    const found = resolveKernel(context, r, slot, insn);
    if (found !== null) return found;
    throw refuse("it is defined neither in this object nor as something of the kernel (__ksym, __kconfig)");
  }
  if (target === undefined || r.symbol.section >= SHN_LORESERVE) throw refuse("it is in no section");
  if (insn?.kind === "call" && insn.target.kind === "local" && r.type === R_BPF.r64_32) {
    const at = r.symbol.value + (insn.target.delta + 1) * SLOT_SIZE;
    return { kind: "call", slot, func: functionAt(context, target, at) ?? missing(refuse, at) };
  }
  if (insn?.kind !== "load_imm64" || r.type !== R_BPF.r64_64) {
    throw refuse(`type ${r.type} at a ${insn?.kind ?? "place without an instruction"}`);
  }
  const at = r.symbol.value + Number(BigInt.asIntN(32, insn.imm));
  if (isCode(target)) return { kind: "func", slot, func: functionAt(context, target, at) ?? missing(refuse, at) };
  if (target.name === MAPS_SECTION || isLegacySection(target)) {
    return { kind: "map", slot, map: context.mapAt.get(placeKey(target.index, at)) ?? missing(refuse, at) };
  }
  if (target.name === ARENA_SECTION && context.arena !== null) {
    return { kind: "map_value", slot, map: context.arena, offset: at };
  }
  if (!isDataSection(target.name)) throw refuse(`${target.name} is neither code, maps nor data`);
  if (at < 0 || at >= target.size) throw missing(refuse, at);
  return { kind: "map_value", slot, map: target.name, offset: at };
}

/** A function, a variable or a value of the configuration of the kernel; null for what is none of them. */
function resolveKernel(context: Context, r: ElfRelocation, slot: number, insn: Insn | undefined): Relocation | null {
  const { name, bind } = r.symbol;
  const weak = bind === STB.weak ? ({ weak: true } as const) : {};
  if (insn?.kind === "call" && r.type === R_BPF.r64_32) {
    return context.ksyms.get(name) === "func" ? { kind: "kfunc", slot, kfunc: name, ...weak } : null;
  }
  if (insn?.kind !== "load_imm64" || r.type !== R_BPF.r64_64) return null;
  const value = context.config.values.get(name);
  if (value !== undefined) return { kind: "map_value", slot, map: context.config.map, offset: value.offset };
  return context.ksyms.has(name) ? { kind: "ksym", slot, ksym: name, ...weak } : null;
}

function missing(refuse: (why: string) => DiagnosticError, at: number): never {
  throw refuse(`nothing is at ${at}`);
}

/** A call or function address inside of one section may come without a relocation: the distance is right already. */
function localReference(
  context: Context,
  from: FunctionSymbol,
  slot: number,
  insn: Insn,
  found: Map<number, Relocation>,
): void {
  const isCall = insn.kind === "call" && insn.target.kind === "local";
  const isAddress = insn.kind === "load_imm64" && insn.pseudo === "func";
  if (!isCall && !isAddress) return;
  const delta =
    isCall && insn.target.kind === "local" ? insn.target.delta : Number(BigInt.asIntN(32, isAddress ? insn.imm : 0n));
  const at = from.symbol.value + (slot + 1 + delta) * SLOT_SIZE;
  const func = functionAt(context, from.section, at);
  if (func === null) {
    const place = from.section.offset + from.symbol.value + slot * SLOT_SIZE;
    throw elfError(
      "E007",
      `${from.symbol.name} calls code that is not the start of a function`,
      context.container.file,
      place,
    );
  }
  found.set(slot, { kind: isCall ? "call" : "func", slot, func });
}

/** The name of the function that starts there. */
export function functionAt(context: Pick<Context, "functions">, section: Section, offset: number): string | null {
  return context.functions.find((f) => f.section === section && f.symbol.value === offset)?.symbol.name ?? null;
}

function linesOf(ext: BtfExt, symbol: Symbol, section: Section): readonly SourceLine[] {
  const end = symbol.value + symbol.size;
  const lines = ext.lines
    .filter(
      (l) => l.section === section.name && l.offset >= symbol.value && l.offset < end && l.offset % SLOT_SIZE === 0,
    )
    .map(({ offset, file, line, column, text }) => ({
      slot: (offset - symbol.value) / SLOT_SIZE,
      file,
      line,
      column,
      text,
    }))
    .toSorted((a, b) => a.slot - b.slot);
  return dropNoLine(lines.filter((l, i) => l.slot !== lines[i - 1]?.slot));
}
