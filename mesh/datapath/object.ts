/** The compiled programs (`programs/mesh`) and what makes two layouts of a map the same. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BtfType } from "ebpf-ts/btf";
import { readElf } from "ebpf-ts/elf";

/** Programs, maps and types, as the loader takes them. */
export type ObjectSpec = ReturnType<typeof readElf>;
export type MapSpec = ObjectSpec["maps"][number];
export type ProgramType = ObjectSpec["programs"][number]["type"];

/** The object that belongs to this package, beside its compiled modules. */
export function defaultObjectPath(): string {
  const [built, source] = ["../../programs/mesh.o", "../../dist/programs/mesh.o"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  ) as [string, string];
  return existsSync(built) ? built : source;
}

export function readObject(path: string): ObjectSpec {
  return readElf(readFileSync(path));
}

/**
 * Eight hexadecimal digits that differ when two maps are not the same kind of map: type, sizes, flags, or what the members of
 * keys and values are called and where they lie.
 */
export function layoutOf(map: MapSpec, types: readonly BtfType[]): string {
  const { type, keySize, valueSize, maxEntries, flags } = map;
  const parts: unknown[] = [
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    ...[map.keyType, map.valueType].map((id) => describe(types, id)),
  ];
  if (map.inner !== null) parts.push(layoutOf(map.inner, types));
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);
}

/** A type by its shape; the mesh's tables have structs, integers and arrays. */
function describe(types: readonly BtfType[], id: number): unknown {
  const type = types[id];
  switch (type?.kind) {
    case "struct":
    case "union":
      return [type.kind, type.size, type.members.map((m) => [m.name, m.bitOffset, describe(types, m.type)])];
    case "array":
      return ["array", type.count, describe(types, type.element)];
    case "typedef":
    case "const":
    case "volatile":
      return describe(types, type.type);
    case "int":
      return [type.size, type.encoding];
    default:
      return type?.kind ?? "void";
  }
}
