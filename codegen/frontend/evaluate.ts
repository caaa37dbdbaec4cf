/**
 * Build-time evaluation: the module's top-level code runs once, in wasm, during the build. Imports of module `bpf` named
 * `define_…` record maps and programs and return handles; what remains is the value of every global and the memory.
 */
import type { Diagnostic } from "../../lib/diag/index.ts";
import { HOOKS, KEYLESS_MAPS, MAPS_OF_MAPS, MAP_TYPES, STORAGE_MAPS } from "../../lib/kernel/index.ts";
import type { HookName, MapType } from "../../lib/kernel/index.ts";
import { innerName } from "../../lib/object/index.ts";
import { problem } from "../diagnostics.ts";
import type { SourcePlace } from "../ir/ir.ts";
import { isLibrary } from "../ir/place.ts";
import type { AscOutput, SourceType } from "./asc.ts";
import type { PlaceAt } from "./source-map.ts";
import { exportGlobals, globalExport, type WasmModule } from "./wasm.ts";

/** Handles that `define_…` returns: addresses that no wasm memory of ours reaches. */
const MAP_HANDLE = 0x7f000000;
const PROGRAM_HANDLE = 0x7e000000;

export interface MapDefinition {
  readonly name: string;
  readonly type: MapType;
  readonly key: SourceType | null;
  readonly value: SourceType | null;
  readonly maxEntries: number;
  readonly flags: number;
  /** Map of maps: what the maps in it look like. */
  readonly inner: MapDefinition | null;
}

export interface ProgramDefinition {
  readonly name: string;
  readonly hook: HookName;
  /** Index into the module's functions. */
  readonly function: number;
}

/** A stretch of the module's memory that one object owns, header included. */
export interface MemoryObject {
  readonly start: number;
  readonly end: number;
  /** Set for `new Config<T>(…)`: its name and type; never folded into the code. */
  readonly config: { readonly name: string; readonly type: SourceType } | null;
}

export interface Evaluation {
  readonly license: string;
  readonly maps: readonly MapDefinition[];
  readonly programs: readonly ProgramDefinition[];
  /** Value of each wasm global after the top-level code ran; null for floats. */
  readonly globals: readonly (bigint | null)[];
  readonly memory: Uint8Array;
  /** Ascending by address. */
  readonly objects: readonly MemoryObject[];
  /** The map whose handle that is. */
  mapOf(handle: number): MapDefinition | null;
}

/** Runs the top-level code. */
export function evaluate(
  module: WasmModule,
  asc: AscOutput,
  placeAt: PlaceAt,
): { evaluation: Evaluation | null; diagnostics: Diagnostic[] } {
  const exported = exportGlobals(module);
  // The added exports come before the code: places of running code are that much further on.
  const shift = exported.length - module.bytes.length;
  const recorder = new Recorder(asc, (stack) => userPlace(stack, (offset) => placeAt(offset - shift)));
  let instance: WebAssembly.Instance;
  try {
    instance = new WebAssembly.Instance(new WebAssembly.Module(exported), recorder.imports(module));
  } catch (error) {
    return { evaluation: null, diagnostics: [...recorder.diagnostics, recorder.startFailed(error)] };
  }
  const globals = module.globals.map((g, i) => {
    const value: unknown = (instance.exports[globalExport(i)] as WebAssembly.Global).value;
    if (g.type === "i64") return value as bigint;
    return g.type === "i32" ? BigInt(value as number) : null;
  });
  const byHandle = new Map<number, string>();
  module.globals.forEach((g, i) => {
    const value = globals[i];
    const known = asc.globals.get(g.name);
    if (value != null && known?.constant === true && !byHandle.has(Number(value)))
      byHandle.set(Number(value), shortName(g.name));
  });
  const memory = new Uint8Array(recorder.memoryOf(instance).buffer.slice(0));
  return recorder.finish(module, globals, memory, byHandle);
}

/** The first place outside of the library on a JavaScript stack: V8 names wasm frames by byte offset. */
function userPlace(stack: string, placeAt: PlaceAt): SourcePlace | null {
  for (const frame of stack.matchAll(/wasm-function\[\d+\]:0x([0-9a-f]+)/g)) {
    const place = placeAt(Number.parseInt(frame[1] ?? "0", 16));
    if (place !== null && !isLibrary(place.file)) return place;
  }
  return null;
}

/** `filter/flows` is `flows` to the kernel. */
function shortName(internal: string): string {
  return internal.slice(internal.lastIndexOf("/") + 1);
}

/** A definition before it has a name; `place`: the statement that made it. */
type Recorded<T> = Omit<T, "name"> & { place: SourcePlace | null };

class Recorder {
  readonly diagnostics: Diagnostic[] = [];
  private readonly asc: AscOutput;
  private license = "Dual MIT/GPL";
  private readonly maps: Recorded<Omit<MapDefinition, "inner">>[] = [];
  /** By index of the map of maps: index of the map that its maps are like. */
  private readonly patterns = new Map<number, number>();
  private readonly programs: { hook: HookName; slot: number; place: SourcePlace | null }[] = [];
  private readonly configs: { address: number; type: SourceType }[] = [];
  private memory: WebAssembly.Memory | null = null;
  /** asc's start function runs while the instance is made, so strings are read after it: (pointer, use). */
  private readonly pending: (() => void)[] = [];

  private readonly placeOf: (stack: string) => SourcePlace | null;

  constructor(asc: AscOutput, placeOf: (stack: string) => SourcePlace | null) {
    this.asc = asc;
    this.placeOf = placeOf;
  }

  startFailed(error: unknown): Diagnostic {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    return problem("C019", `the module's top-level code failed: ${message}`, this.placeOf(stack ?? ""));
  }

  private here(): SourcePlace | null {
    return this.placeOf(new Error("place").stack ?? "");
  }

  imports(module: WasmModule): WebAssembly.Imports {
    const bpf: Record<string, WebAssembly.ImportValue> = {
      define_map: (type: number, signature: number, maxEntries: number, flags: number) =>
        this.defineMap(type, signature, maxEntries >>> 0, flags >>> 0),
      define_inner: (outer: number, inner: number) => void this.patterns.set(outer - MAP_HANDLE, inner - MAP_HANDLE),
      define_program: (hook: number, slot: number) => this.defineProgram(hook, slot),
      define_config: (address: number, signature: number) => {
        const type = this.asc.signatures.get(signature)?.[0];
        if (type !== undefined) this.configs.push({ address: address >>> 0, type });
      },
      define_license: (text: number) => void this.pending.push(() => (this.license = this.text(text))),
      bswap16: (x: number) => ((x & 0xff) << 8) | ((x >> 8) & 0xff),
      bswap32: (x: number) => new DataView(Uint32Array.of(x).buffer).getUint32(0, false) | 0,
      bswap64: (x: bigint) => BigInt.asIntN(64, new DataView(BigUint64Array.of(x).buffer).getBigUint64(0, false)),
    };
    for (const f of module.functions) {
      if (f.imported === null || f.imported.module !== "bpf" || f.imported.name in bpf) continue;
      const { name } = f.imported;
      bpf[name] = () => {
        throw new Error(`${name} can only be called in kernel code`);
      };
    }
    return { bpf, env: {} };
  }

  memoryOf(instance: WebAssembly.Instance): WebAssembly.Memory {
    this.memory = instance.exports["memory"] as WebAssembly.Memory;
    return this.memory;
  }

  /** The string object at an address: UTF-16, its length in bytes 4 bytes before. */
  private text(address: number): string {
    if (this.memory === null) return "";
    return readString(new Uint8Array(this.memory.buffer), address >>> 0);
  }

  private defineMap(type: number, signature: number, maxEntries: number, flags: number): number {
    const index = this.maps.length;
    const [key, value] = this.asc.signatures.get(signature) ?? [];
    const place = this.here();
    const entry = { type: "hash" as MapType, key: key ?? null, value: value ?? null, maxEntries, flags, place };
    this.maps.push(entry);
    this.pending.push(() => {
      const name = this.text(type);
      if (name in MAP_TYPES) entry.type = name as MapType;
      else this.diagnostics.push(problem("C020", `there is no map type "${name}"`, place));
      if (KEYLESS_MAPS.has(entry.type)) Object.assign(entry, { key: null });
    });
    return MAP_HANDLE + index;
  }

  private defineProgram(hook: number, slot: number): number {
    const index = this.programs.length;
    const place = this.here();
    const entry = { hook: "xdp" as HookName, slot, place };
    this.programs.push(entry);
    this.pending.push(() => {
      const name = this.text(hook);
      if (name in HOOKS) entry.hook = name as HookName;
      else this.diagnostics.push(problem("C021", `there is no hook "${name}"`, place));
    });
    return PROGRAM_HANDLE + index;
  }

  finish(
    module: WasmModule,
    globals: readonly (bigint | null)[],
    memory: Uint8Array,
    byHandle: ReadonlyMap<number, string>,
  ): { evaluation: Evaluation | null; diagnostics: Diagnostic[] } {
    for (const read of this.pending) read();
    const all = this.nameMaps(byHandle);
    const maps = all.filter((m) => m.name !== "");
    const programs = this.programs.map((p, i) => ({
      name: this.nameOf("program", PROGRAM_HANDLE + i, byHandle, p.place),
      place: p.place,
      hook: p.hook,
      function: module.table.get(p.slot) ?? -1,
    }));
    this.checkNames("C020", "map", maps);
    this.checkNames("C021", "program", programs);
    this.checkMaps(maps);
    if (programs.length === 0 && this.diagnostics.length === 0) {
      this.diagnostics.push(problem("C021", "the module defines no program", null));
    }
    if (this.diagnostics.length > 0) return { evaluation: null, diagnostics: this.diagnostics };
    const evaluation: Evaluation = {
      license: this.license,
      maps,
      programs,
      globals,
      memory,
      objects: this.objects(module, globals, memory, byHandle),
      mapOf: (handle) => all[handle - MAP_HANDLE] ?? null,
    };
    return { evaluation, diagnostics: [] };
  }

  /** All maps in the order of their handles. A map that only shows what others look like has no name and is not one itself. */
  private nameMaps(byHandle: ReadonlyMap<number, string>): (MapDefinition & { place: SourcePlace | null })[] {
    const patterns = new Set(this.patterns.values());
    const named = this.maps.map((m, i) => {
      const isPattern = patterns.has(i) && !byHandle.has(MAP_HANDLE + i);
      return { ...m, inner: null, name: isPattern ? "" : this.nameOf("map", MAP_HANDLE + i, byHandle, m.place) };
    });
    return named.map((m, i) => {
      const inner = named[this.patterns.get(i) ?? -1];
      return inner === undefined ? m : { ...m, inner: { ...inner, name: innerName(m.name) } };
    });
  }

  private nameOf(
    what: "map" | "program",
    handle: number,
    byHandle: ReadonlyMap<number, string>,
    place: SourcePlace | null,
  ): string {
    const name = byHandle.get(handle);
    if (name !== undefined) return name;
    const code = what === "map" ? "C020" : "C021";
    this.diagnostics.push(
      problem(code, `a ${what} is not held by a module-level constant, so it has no name`, place, {
        remedy: `write \`export const name = ...\` at the top level`,
      }),
    );
    return "";
  }

  private checkNames(
    code: "C020" | "C021",
    what: string,
    items: readonly { name: string; place: SourcePlace | null }[],
  ): void {
    const seen = new Set<string>();
    for (const { name, place } of items) {
      if (name === "") continue;
      if (seen.has(name)) this.diagnostics.push(problem(code, `two ${what}s have the name "${name}"`, place));
      else if (!/^[A-Za-z_]\w*$/.test(name)) {
        this.diagnostics.push(
          problem(code, `"${name}" cannot be the name of a ${what}`, place, { expected: "letters, digits and _" }),
        );
      }
      seen.add(name);
    }
  }

  private checkMaps(maps: readonly (MapDefinition & { place: SourcePlace | null })[]): void {
    for (const m of maps) {
      if (m.inner !== null) this.checkMaps([{ ...m.inner, place: m.place }]);
      if (m.inner !== null && MAPS_OF_MAPS.has(m.inner.type))
        this.diagnostics.push(
          problem("C020", `the maps in map "${m.name}" hold maps`, m.place, { expected: "one level" }),
        );
      // A perf_event_array without a size gets one from the loader: the machine's CPUs.
      if (m.maxEntries === 0 && !STORAGE_MAPS.has(m.type) && m.type !== "perf_event_array")
        this.diagnostics.push(problem("C020", `map "${m.name}" has no room for entries`, m.place));
      for (const [role, type] of [
        ["key", m.key],
        ["value", m.value],
      ] as const) {
        if (type === null) continue;
        const bad = badMember(type);
        if (bad !== null) {
          this.diagnostics.push(
            problem("C020", `the ${role} of map "${m.name}" ${bad}`, m.place, {
              expected: "integers, or an @unmanaged class of integers",
              remedy: "use integers of a fixed size",
            }),
          );
        }
      }
      if (m.type === "ringbuf" && (m.maxEntries < 4096 || (m.maxEntries & (m.maxEntries - 1)) !== 0)) {
        this.diagnostics.push(
          problem("C020", `ring buffer "${m.name}" has ${m.maxEntries} bytes`, m.place, {
            expected: "a power of two, at least 4096 (one page)",
          }),
        );
      }
    }
  }

  /** Static data segments and the bump allocator's blocks: {u32 payload size, payload}, from `startOffset` to `offset`. */
  private objects(
    module: WasmModule,
    globals: readonly (bigint | null)[],
    memory: Uint8Array,
    byHandle: ReadonlyMap<number, string>,
  ): MemoryObject[] {
    const view = new DataView(memory.buffer);
    const objects: MemoryObject[] = module.data.map((d) => ({ ...d, config: null }));
    const value = (name: string): number => {
      const index = module.globals.findIndex((g) => g.name === name);
      return Number(globals[index] ?? 0n);
    };
    const end = value("~lib/rt/stub/offset");
    for (let at = value("~lib/rt/stub/startOffset"); at !== 0 && at + 4 <= end;) {
      const start = at + 4;
      at = start + view.getUint32(at, true);
      const config = this.configs.find((c) => c.address === start);
      objects.push({
        start,
        end: at,
        config: config === undefined ? null : { name: byHandle.get(start) ?? "", type: config.type },
      });
    }
    return objects.toSorted((a, b) => a.start - b.start);
  }
}

/** Why the type cannot be in a map, or null. */
function badMember(type: SourceType): string | null {
  if (type.kind === "int") return null;
  if (type.kind !== "class") return `has type ${type.name}`;
  if (!type.unmanaged) return `is the managed class ${type.name}`;
  if (type.size === 0) return `is the class ${type.name}, which has no fields`;
  const bad = type.fields.find((f) => f.type.kind !== "int");
  return bad === undefined ? null : `has the field ${bad.name} of type ${bad.type.name}`;
}

/** The AssemblyScript string at an address of its memory. */
export function readString(memory: Uint8Array, address: number): string {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  if (address < 4 || address > memory.length) return "";
  const bytes = Math.min(view.getUint32(address - 4, true), memory.length - address);
  let text = "";
  for (let i = 0; i + 1 < bytes; i += 2) text += String.fromCharCode(view.getUint16(address + i, true));
  return text;
}
