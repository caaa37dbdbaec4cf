/**
 * What programs use of the kernel by name: symbols that the file does not define.
 *
 * Functions and variables of the kernel have their types listed in a section of BTF called `.ksyms`. An ObjectSpec is without
 * that section: linkage extern says the same. Values of the kernel's configuration are variables listed in `.kconfig`; they
 * become a section of read-only data that is filled in when the kernel is known.
 *
 * Source: docs.kernel.org/bpf/kfuncs.html and the objects that clang writes for `extern … __ksym` and `extern … __kconfig`.
 */
import { resolveType, sizeOf } from "../btf/index.ts";
import type { Btf, BtfType, SectionVariable, TypeId } from "../btf/index.ts";
import { dataSectionTraits, KSYMS_SECTION } from "../object/index.ts";
import type { ConfigReference, MapSpec } from "../object/index.ts";
import type { Container } from "./container.ts";
import { elfError } from "./diagnostics.ts";
import { STB } from "./format.ts";

/** The section of types that lists the values of the configuration, and what the data that they become is called. */
const CONFIG_SECTION = ".kconfig";
const CONFIG_DATA = ".rodata.kconfig";

/** The functions and variables of linkage extern, with their type ids. */
export function externs(btf: Btf): { readonly name: string; readonly id: TypeId; readonly kind: "func" | "var" }[] {
  return btf.types.flatMap((type, id) =>
    (type.kind === "func" || type.kind === "var") && type.linkage === "extern"
      ? [{ name: type.name, id, kind: type.kind }]
      : [],
  );
}

/** `btf` with the section that lists what is extern. */
export function appendKernelSymbols(btf: Btf): Btf {
  const variables = externs(btf).map(({ id }) => ({ type: id, offset: 0, size: 0 }));
  if (variables.length === 0) return btf;
  const section: BtfType = { kind: "datasec", name: KSYMS_SECTION, size: 0, variables };
  return { types: [...btf.types, section] };
}

/** The section, for the reader to take out. */
export function kernelSymbolTypes(btf: Btf): TypeId[] {
  return btf.types.flatMap((type, id) => (type.kind === "datasec" && type.name === KSYMS_SECTION ? [id] : []));
}

/** The names that `.ksyms` lists, with what they are. */
export function kernelSymbols(btf: Btf): Map<string, "func" | "var"> {
  const listed = kernelSymbolTypes(btf).flatMap((id) => {
    const section = btf.types[id];
    return section?.kind === "datasec" ? section.variables.map((v) => v.type) : [];
  });
  return new Map(
    [...new Set(listed)].flatMap((id) => {
      const type = btf.types[id];
      return type?.kind === "func" || type?.kind === "var" ? [[type.name, type.kind] as const] : [];
    }),
  );
}

/** Values of the configuration as a section of data: the types with it, and its map without the values. */
export interface ConfigSection {
  readonly btf: Btf;
  /** Null where the object asks for none. Type ids are those of `btf`. */
  readonly map: MapSpec | null;
}

/**
 * Gives each variable of `.kconfig` a place: by falling alignment, then size and name, as libbpf does.
 * Throws E003 for a section that lists something else, B004 and B008 for damaged types.
 */
export function readConfigSection(btf: Btf, container: Container): ConfigSection {
  const sectionId = btf.types.findIndex((type) => type.kind === "datasec" && type.name === CONFIG_SECTION);
  const section = btf.types[sectionId];
  if (section?.kind !== "datasec") return { btf, map: null };
  const wanted = section.variables.map(({ type }) => readVariable(btf, type, container));
  wanted.sort((a, b) => b.align - a.align || a.size - b.size || (a.name < b.name ? -1 : 1));
  const variables: SectionVariable[] = [];
  const config: ConfigReference[] = [];
  let end = 0;
  for (const { id, name, type, size, align, weak } of wanted) {
    const offset = Math.ceil(end / align) * align;
    variables.push({ type: id, offset, size });
    config.push({ name, offset, type, weak });
    end = offset + size;
  }
  const places = new Set(variables.map((v) => v.type));
  const types = btf.types.map((type, id): BtfType => {
    if (id === sectionId) return { ...section, name: CONFIG_DATA, size: end, variables };
    return type.kind === "var" && places.has(id) ? { ...type, linkage: "global" } : type;
  });
  return { btf: { types }, map: end === 0 ? null : configMap(sectionId, end, config) };
}

function configMap(valueType: TypeId, size: number, config: readonly ConfigReference[]): MapSpec {
  // prettier-ignore
  return {
    name: CONFIG_DATA, type: "array", keySize: 4, valueSize: size, maxEntries: 1, keyType: 0, valueType,
    initial: new Uint8Array(size), inner: null, ...dataSectionTraits(CONFIG_DATA), config,
  };
}

/** More than any value of a configuration. */
const MAX_SIZE = 1 << 12;

function readVariable(btf: Btf, id: TypeId, container: Container) {
  const variable = btf.types[id];
  const refuse = (why: string): Error =>
    elfError("E003", `${container.file}: ${CONFIG_SECTION} ${why}`, container.file, 0);
  if (variable?.kind !== "var") throw refuse("lists something that is no variable");
  const { name, type } = variable;
  const size = sizeOf(btf, type);
  if (size === 0 || size > MAX_SIZE) throw refuse(`has a variable ${name} of ${size} bytes`);
  const symbol = container.symbols.find((s) => s.name === name && s.section === 0);
  return { id, name, type, size, align: alignOf(btf, type, size), weak: symbol?.bind === STB.weak };
}

/** Of text a byte, of a number its size. */
function alignOf(btf: Btf, type: TypeId, size: number): number {
  const resolved = resolveType(btf, type).type;
  return resolved.kind === "array" ? sizeOf(btf, resolved.element) : size;
}
