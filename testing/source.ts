/** What a test loads, whatever it is given: TypeScript on disk, an ELF object, or an ObjectSpec; with the test's changes. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DiagnosticError } from "../lib/diag/index.ts";
import { readElf } from "../lib/elf/index.ts";
import { codecOf } from "../lib/object/index.ts";
import type { MapSpec, ObjectSpec, Value } from "../lib/object/index.ts";
import { testingError } from "./diagnostics.ts";

/** A path or `file:` URL of a `.ts` program or of an ELF object, an ELF object's bytes, or an ObjectSpec. */
export type ProgramSource = string | URL | Uint8Array | ObjectSpec;

/** What a test wants otherwise than the source says. */
export interface Changes {
  /** Constants (`new Config<T>(…)`) by name, set before loading. */
  readonly constants?: Readonly<Record<string, Value>>;
  /**
   * Maps by name: a size that is soon full, an array too short for its index, a type that refuses more entries. So the
   * branches can be reached that deal with it.
   */
  readonly maps?: Readonly<Record<string, Partial<Pick<MapSpec, "type" | "maxEntries" | "flags">>>>;
}

export interface LoadedSource {
  readonly object: ObjectSpec;
  /** Folder that the object's source files are relative to; null when there are none on disk. */
  readonly root: string | null;
}

/** Compiled programs by path and time of change: a test file loads the same program for each engine. */
const compiled = new Map<string, Promise<ObjectSpec>>();

/** Throws DiagnosticError: what the compiler or the ELF reader finds, or the file system's error. */
export async function readSource(source: ProgramSource): Promise<LoadedSource> {
  if (source instanceof Uint8Array) return { object: readElf(source, "the object"), root: null };
  if (!(source instanceof URL) && typeof source !== "string") return { object: source, root: null };
  const path = resolve(source instanceof URL ? fileURLToPath(source) : source);
  const root = dirname(path);
  if (!path.endsWith(".ts")) return { object: readElf(readFileSync(path), path), root };
  const key = `${path} ${statSync(path).mtimeMs}`;
  const object = compiled.get(key) ?? compile(path);
  compiled.set(key, object);
  return { object: await object, root };
}

async function compile(path: string): Promise<ObjectSpec> {
  // Loaded when it is needed: AssemblyScript takes most of a second to start.
  const { compileFile } = await import("../codegen/index.ts");
  const { object, diagnostics } = await compileFile(path);
  if (object === null) throw new DiagnosticError(diagnostics);
  return object;
}

/** The object with the test's changes. Throws T004 for a map or constant that it does not have. */
export function changeObject(object: ObjectSpec, { constants = {}, maps = {} }: Changes): ObjectSpec {
  if (Object.keys(constants).length + Object.keys(maps).length === 0) return object;
  for (const name of Object.keys(maps)) {
    if (!object.maps.some((map) => map.name === name)) {
      const expected = object.maps.map((map) => map.name).join(", ") || "no maps";
      throw testingError("T004", `the object has no map ${name}`, { expected, found: name });
    }
  }
  const changed = object.maps.map((map) => ({ ...map, ...maps[map.name] }));
  return {
    ...object,
    maps: Object.entries(constants).reduce((all, [name, value]) => setConstant(object, all, name, value), changed),
  };
}

function setConstant(object: ObjectSpec, maps: readonly MapSpec[], name: string, value: Value): MapSpec[] {
  const sections = maps.map((map) => constantsOf(object, map));
  const at = sections.findIndex((members) => members !== null && name in members);
  if (at < 0) {
    const expected = sections.flatMap((members) => Object.keys(members ?? {})).join(", ") || "no constants";
    throw testingError("T004", `the object has no constant ${name}`, { expected, found: name });
  }
  return maps.map((map, i) => {
    if (i !== at) return map;
    return { ...map, initial: codecOf(object.btf, map.valueType, map.name).encode({ ...sections[at], [name]: value }) };
  });
}

/** Members of read-only data; null for other maps. */
function constantsOf({ btf }: ObjectSpec, { frozen, initial, valueType, name }: MapSpec): Record<string, Value> | null {
  if (!frozen || initial === null || valueType === 0) return null;
  return codecOf(btf, valueType, name).decode(initial) as Record<string, Value>;
}
