/** Reads map definitions out of BTF: the other direction of `map-types.ts`, for every compiler's objects. */
import { reachableFrom, resolveType, sizeOf } from "../btf/index.ts";
import type { Btf, BtfType, TypeId } from "../btf/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic } from "../diag/index.ts";
import { MAP_TYPES } from "../kernel/index.ts";
import type { MapType } from "../kernel/index.ts";
import { innerName, MAPS_SECTION } from "../object/index.ts";
import type { MapSpec } from "../object/index.ts";
import { elfProblem } from "./diagnostics.ts";
import { recordTypedef } from "./map-types.ts";

/** A map and where it stands in `.maps`. */
export interface DefinedMap {
  readonly map: MapSpec;
  readonly offset: number;
  /** Where its initial entries begin, in bytes from `offset`; null for a map without. */
  readonly entriesAt: number | null;
}

export interface MapDefinitions {
  readonly maps: readonly DefinedMap[];
  /** Types that only the definitions need: an ObjectSpec is without them. */
  readonly types: ReadonlySet<TypeId>;
  readonly warnings: readonly Diagnostic[];
}

/**
 * The maps of `.maps`. `offsetOf` gives a variable's place from the symbol table: clang leaves it out of BTF.
 * Throws DiagnosticError E004 for a definition that cannot be read.
 */
export function readMapDefinitions(btf: Btf, file: string, offsetOf: (name: string) => number | null): MapDefinitions {
  const section = btf.types.findIndex((t) => t.kind === "datasec" && t.name === MAPS_SECTION);
  const type = btf.types[section];
  if (type?.kind !== "datasec") return { maps: [], types: new Set(), warnings: [] };
  const parsed = type.variables.map((v) => {
    const variable = btf.types[v.type];
    if (variable?.kind !== "var") throw bad(file, MAPS_SECTION, "it is not a variable");
    const offset = offsetOf(variable.name) ?? v.offset;
    return { offset, ...new DefinitionReader(btf, file, variable.name, variable.name).read(variable.type) };
  });
  // prettier-ignore
  return {
    maps: parsed.map(({ map, offset, entriesAt }) => ({ map, offset, entriesAt })),
    types: definitionTypes(btf, section, parsed.map((p) => p.map)),
    warnings: parsed.flatMap((p) => p.warnings),
  };
}

/** What is reachable from `.maps` and the record typedefs, but neither from another type nor from a key or value. */
function definitionTypes(btf: Btf, section: TypeId, maps: readonly MapSpec[]): Set<TypeId> {
  const typedefs = maps.map((m) => findRecordTypedef(btf, m.name)).filter((id) => id > 0);
  const candidates = reachableFrom(btf, [section, ...typedefs]);
  candidates.delete(0);
  const others = [...btf.types.keys()].filter((id) => !candidates.has(id));
  const kept = reachableFrom(btf, [...others, ...maps.flatMap(typesOf)]);
  return new Set([...candidates].filter((id) => !kept.has(id)));
}

function typesOf(map: MapSpec): TypeId[] {
  return [map.keyType, map.valueType, ...(map.inner === null ? [] : typesOf(map.inner))];
}

function findRecordTypedef(btf: Btf, map: string): TypeId {
  return btf.types.findIndex((t) => t.kind === "typedef" && t.name === recordTypedef(map));
}

const TYPE_NAMES = new Map<number, MapType>(
  (Object.keys(MAP_TYPES) as MapType[]).map((name) => [MAP_TYPES[name], name]),
);

/** Attributes that libbpf acts on when it loads; an ObjectSpec does not keep them. */
const IGNORED = new Set(["pinning", "numa_node"]);

/** A value of a map of maps or a prog_array, as user space sees it. */
const DESCRIPTOR_SIZE = 4;

class DefinitionReader {
  private readonly btf: Btf;
  private readonly file: string;
  private readonly name: string;
  /** The variable: the map itself, or the map of maps around it. */
  private readonly variable: string;
  private readonly numbers = new Map<string, number>();
  private readonly types = new Map<string, TypeId>();
  private readonly warnings: Diagnostic[] = [];
  private inner: MapSpec | null = null;
  private entriesAt: number | null = null;

  constructor(btf: Btf, file: string, name: string, variable: string) {
    this.btf = btf;
    this.file = file;
    this.name = name;
    this.variable = variable;
  }

  read(definition: TypeId): { map: MapSpec; entriesAt: number | null; warnings: readonly Diagnostic[] } {
    const { type } = resolveType(this.btf, definition);
    if (type.kind !== "struct") throw this.bad(`it is a ${type.kind}, not a struct`);
    for (const { name, type: id, bitOffset } of type.members) {
      this.readMember(name, id);
      if (name === "values") this.entriesAt = bitOffset / 8;
    }
    const number = this.numbers.get("type") ?? 0;
    const mapType = TYPE_NAMES.get(number);
    if (mapType === undefined || number === 0)
      throw this.bad(number === 0 ? "it has no type" : `its type ${number} is unknown`);
    const keySize = this.sizeFor("key");
    // A map of maps or programs need not say that its values are descriptors.
    const valueSize = this.sizeFor("value") || (this.entriesAt === null ? 0 : DESCRIPTOR_SIZE);
    const record = findRecordTypedef(this.btf, this.variable);
    const recordType = record > 0 && valueSize === 0 ? targetOf(this.btf.types[record]) : 0;
    const extra = this.numbers.get("map_extra") ?? 0;
    const map: MapSpec = {
      name: this.name,
      type: mapType,
      keySize,
      valueSize,
      maxEntries: this.numbers.get("max_entries") ?? 0,
      flags: this.numbers.get("map_flags") ?? 0,
      keyType: this.types.get("key") ?? 0,
      valueType: this.types.get("value") ?? recordType,
      initial: null,
      frozen: false,
      inner: this.inner,
      ...(extra === 0 ? {} : { extra }),
    };
    return { map, entriesAt: this.entriesAt, warnings: this.warnings };
  }

  private readMember(member: string, id: TypeId): void {
    switch (member) {
      case "type":
      case "max_entries":
      case "map_flags":
      case "map_extra":
      case "key_size":
      case "value_size":
        this.numbers.set(member, this.readNumber(member, id));
        return;
      case "key":
      case "value":
        this.types.set(member, this.pointee(member, id));
        return;
      case "values":
        this.inner = this.readInner(id);
        return;
      default: {
        if (!IGNORED.has(member)) throw this.bad(`the member ${member} is unknown`);
        const message = `${member} of the map ${this.name} is ignored`;
        this.warnings.push(elfProblem("E012", "warning", message, this.place()));
      }
    }
  }

  /** `struct {…} *values[]` defines the maps in a map of maps; that of a prog_array points to programs. */
  private readInner(id: TypeId): MapSpec | null {
    const { type: array } = resolveType(this.btf, id);
    const pointer = array.kind === "array" ? resolveType(this.btf, array.element).type : array;
    const target = pointer.kind === "ptr" ? resolveType(this.btf, pointer.type).type : pointer;
    if (pointer.kind === "ptr" && (target.kind === "func_proto" || target.kind === "void")) return null;
    if (pointer.kind !== "ptr" || target.kind !== "struct") {
      throw this.bad("its initial values are not supported", {
        expected: "an array of pointers to the definition of a map, or to programs",
        found: target.kind,
      });
    }
    if (this.name !== this.variable) throw this.bad("a map in a map cannot hold maps");
    const { map, warnings } = new DefinitionReader(this.btf, this.file, innerName(this.name), this.name).read(
      pointer.type,
    );
    this.warnings.push(...warnings);
    return map;
  }

  /** `int (*name)[N]` says N, and so does `enum { … = N } name` for numbers of more than 32 bits. */
  private readNumber(member: string, id: TypeId): number {
    const { type } = resolveType(this.btf, id);
    if (type.kind === "enum" || type.kind === "enum64") {
      const number = Number(type.values[0]?.value ?? 0n);
      if (number >= 0 && Number.isSafeInteger(number)) return number;
      throw this.bad(`${member} is out of range`, { found: String(number) });
    }
    const array = this.btf.types[this.pointee(member, id)];
    if (array?.kind !== "array") throw this.bad(`${member} is not a number`, { expected: "a pointer to an array" });
    return array.count;
  }

  private pointee(member: string, id: TypeId): TypeId {
    const { type } = resolveType(this.btf, id);
    if (type.kind !== "ptr") throw this.bad(`${member} is not a pointer`, { found: type.kind });
    return type.type;
  }

  private sizeFor(what: "key" | "value"): number {
    const type = this.types.get(what) ?? 0;
    const said = this.numbers.get(`${what}_size`);
    if (type === 0) return said ?? 0;
    const size = sizeOf(this.btf, type);
    if (said !== undefined && said !== size)
      throw this.bad(`${what}_size and the size of ${what} differ`, { expected: String(size), found: String(said) });
    return size;
  }

  private place(): Diagnostic["place"] {
    return { kind: "path", file: this.file, path: `${MAPS_SECTION}[${this.name}]` };
  }

  private bad(why: string, details: { expected?: string; found?: string; remedy?: string } = {}): DiagnosticError {
    return bad(this.file, this.name, why, details);
  }
}

function targetOf(type: BtfType | undefined): TypeId {
  return type?.kind === "typedef" ? type.type : 0;
}

function bad(
  file: string,
  name: string,
  why: string,
  details: { expected?: string; found?: string; remedy?: string } = {},
): DiagnosticError {
  const place = { kind: "path", file, path: `${MAPS_SECTION}[${name}]` } as const;
  return new DiagnosticError([
    elfProblem("E004", "error", `the definition of the map ${name} cannot be read: ${why}`, place, details),
  ]);
}
