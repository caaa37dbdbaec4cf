/**
 * Maps as they were defined before BTF: `struct bpf_map_def` values in the section `maps` (or `maps/…`), each with a symbol.
 *
 *   type u32 · key_size u32 · value_size u32 · max_entries u32 · map_flags u32 · what a loader of the time had beyond that
 *
 * Source: bpf_helpers.h of libbpf 0.x, bpf_elf.h of iproute2. What iproute2 had beyond the flags: id and pinning, which are for
 * the loader, then inner maps, which have to be 0.
 */
import { Reader } from "../bytes/index.ts";
import type { Diagnostic } from "../diag/index.ts";
import { MAP_TYPES } from "../kernel/index.ts";
import type { MapType } from "../kernel/index.ts";
import type { MapSpec } from "../object/index.ts";
import type { Container, Section, Symbol } from "./container.ts";
import { elfError, elfProblem } from "./diagnostics.ts";
import { SHN_LORESERVE } from "./format.ts";

/** A map and where it is defined. */
export interface LegacyMap {
  readonly map: MapSpec;
  /** Index of the section. */
  readonly section: number;
  readonly offset: number;
}

const DEFINITION_SIZE = 20;
/** `id` and `pinning`. */
const LOADER_SIZE = 8;
const TYPE_NAMES = new Map<number, MapType>(
  (Object.keys(MAP_TYPES) as MapType[]).map((name) => [MAP_TYPES[name], name]),
);

export function isLegacySection({ name }: Section): boolean {
  return name === "maps" || name.startsWith("maps/");
}

/** All of them, in the order of the file, and what is ignored of them (E012). Throws DiagnosticError E005 for one that cannot be read. */
export function readLegacyMaps(container: Container): {
  readonly maps: readonly LegacyMap[];
  readonly warnings: readonly Diagnostic[];
} {
  const warnings: Diagnostic[] = [];
  const maps = container.sections.filter(isLegacySection).flatMap((section) =>
    container.symbols
      .filter((s) => s.section === section.index && s.section < SHN_LORESERVE && s.name !== "")
      .toSorted((a, b) => a.value - b.value)
      .map((symbol, i, all) => ({
        map: readDefinition(container, section, symbol, all[i + 1]?.value ?? section.size, warnings),
        section: section.index,
        offset: symbol.value,
      })),
  );
  return { maps, warnings };
}

function readDefinition(
  container: Container,
  section: Section,
  { name, value, size }: Symbol,
  next: number,
  warnings: Diagnostic[],
): MapSpec {
  const refuse = (why: string): Error =>
    elfError(
      "E005",
      `the definition of the map ${name} cannot be read: ${why}`,
      container.file,
      section.offset + value,
    );
  const end = value + (size === 0 ? next - value : size);
  if (end - value < DEFINITION_SIZE || end > section.bytes.length) throw refuse(`it has ${end - value} bytes`);
  const reader = new Reader(section.bytes, value);
  const [number, keySize, valueSize, maxEntries, flags] = [
    reader.u32(),
    reader.u32(),
    reader.u32(),
    reader.u32(),
    reader.u32(),
  ];
  const type = TYPE_NAMES.get(number);
  if (type === undefined || number === 0) throw refuse(`its type ${number} is unknown`);
  const loaderEnd = Math.min(value + DEFINITION_SIZE + LOADER_SIZE, end);
  if (section.bytes.subarray(loaderEnd, end).some((byte) => byte !== 0)) throw refuse("it says more than is known");
  if (section.bytes.subarray(value + DEFINITION_SIZE, loaderEnd).some((byte) => byte !== 0)) {
    const place = { kind: "offset", file: container.file, offset: section.offset + value } as const;
    warnings.push(elfProblem("E012", "warning", `id and pinning of the map ${name} are ignored`, place));
  }
  // prettier-ignore
  return { name, type, keySize, valueSize, maxEntries, flags, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null };
}
