/** Assembles the ObjectSpec: functions with BTF and source lines, maps, global data. */
import { BtfBuilder, type TypeId } from "../../lib/btf/index.ts";
import { HOOKS, MAPS_OF_MAPS, MAP_FLAGS, isKfunc } from "../../lib/kernel/index.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, SourceLine } from "../../lib/object/index.ts";
import type { DataSection, DataVariable, Frontend, MapDefinition } from "../frontend/index.ts";
import type { IrFunction } from "../ir/ir.ts";
import type { CompiledFunction } from "./function.ts";
import { addBytes, addFunction, addKernelFunction, addSourceType, btfName } from "./types.ts";

/** A function after code generation, with the IR it came from. */
export interface Compiled {
  readonly fn: IrFunction;
  readonly code: CompiledFunction;
}

/** The object of a compiled module. Deterministic: everything is added in the order of the source. */
export function assembleObject(frontend: Frontend, functions: readonly Compiled[]): ObjectSpec {
  const btf = new BtfBuilder();
  const { evaluation } = frontend;
  const maps = [...evaluation.maps.map((m) => mapSpec(btf, m)), ...dataMaps(btf, frontend)];
  const names = functionNames(functions);
  const spec = (c: Compiled): FunctionSpec => functionSpec(btf, c, names, frontend.sources);
  const byName = new Map(functions.map((c) => [c.fn.name, c]));
  const programs = evaluation.programs.flatMap((p): ProgramSpec[] => {
    const compiled = byName.get(p.name);
    if (compiled === undefined) return [];
    const hook = HOOKS[p.hook];
    return [{ ...spec(compiled), section: hook.section, type: hook.type, attach: hook.attach, flags: hook.flags }];
  });
  for (const { code } of functions) {
    for (const r of code.relocations) if (r.kind === "kfunc" && isKfunc(r.kfunc)) addKernelFunction(btf, r.kfunc);
  }
  const subprograms = functions.filter((c) => c.fn.entry === null).map(spec);
  return { license: evaluation.license, programs, subprograms, maps, btf: btf.finish() };
}

/** C identifiers for functions; internal names are paths. */
function functionNames(functions: readonly Compiled[]): Map<string, string> {
  const names = new Map<string, string>();
  const taken = new Set(functions.filter((c) => c.fn.entry !== null).map((c) => c.fn.name));
  for (const { fn } of functions) {
    if (fn.entry !== null) {
      names.set(fn.name, fn.name);
      continue;
    }
    const base = btfName(fn.name) || "function";
    let name = base;
    for (let i = 1; taken.has(name); i++) name = `${base}_${i}`;
    taken.add(name);
    names.set(fn.name, name);
  }
  return names;
}

function functionSpec(
  btf: BtfBuilder,
  { fn, code }: Compiled,
  names: ReadonlyMap<string, string>,
  sources: ReadonlyMap<string, string>,
): FunctionSpec {
  const name = names.get(fn.name) ?? fn.name;
  const lines = code.lines.map((l): SourceLine => {
    const text = sources.get(l.place.file)?.split("\n")[l.place.line - 1] ?? "";
    return { slot: l.slot, file: l.place.file, line: l.place.line, column: l.place.column, text };
  });
  const relocations = code.relocations.map((r) =>
    r.kind === "call" || r.kind === "func" ? { ...r, func: names.get(r.func) ?? r.func } : r,
  );
  return {
    name,
    insns: code.insns,
    relocations,
    lines,
    btfId: addFunction(btf, fn, name),
    linkage: fn.entry === null ? "static" : "global",
  };
}

function mapSpec(btf: BtfBuilder, map: MapDefinition): MapSpec {
  const keyType = map.key === null ? 0 : addSourceType(btf, map.key);
  // A value of a map of maps is a descriptor to user space, and the map itself to a program.
  const valueType = map.value === null || MAPS_OF_MAPS.has(map.type) ? 0 : addSourceType(btf, map.value);
  return {
    name: map.name,
    type: map.type,
    keySize: map.key?.size ?? 0,
    // A ring buffer's value type tells what its records are; the kernel wants size 0.
    valueSize: map.type === "ringbuf" ? 0 : (map.value?.size ?? 0),
    maxEntries: map.maxEntries,
    flags: map.flags,
    keyType,
    valueType,
    initial: null,
    frozen: false,
    inner: map.inner === null ? null : mapSpec(btf, map.inner),
  };
}

const DATA_SECTIONS: readonly { section: DataSection; flags: number; frozen: boolean }[] = [
  { section: ".rodata", flags: MAP_FLAGS.rdonly_prog, frozen: true },
  { section: ".data", flags: 0, frozen: false },
  { section: ".bss", flags: 0, frozen: false },
];

function dataMaps(btf: BtfBuilder, frontend: Frontend): MapSpec[] {
  return DATA_SECTIONS.flatMap(({ section, flags, frozen }): MapSpec[] => {
    const variables = frontend.data.variables(section);
    const last = variables.at(-1);
    if (last === undefined) return [];
    const size = last.offset + last.size;
    const initial = new Uint8Array(size);
    for (const v of variables) initial.set(v.bytes, v.offset);
    const valueType = btf.add({
      kind: "datasec",
      name: section,
      size,
      variables: variables.map((v) => ({ type: addVariable(btf, v), offset: v.offset, size: v.size })),
    });
    return [
      {
        name: section,
        type: "array",
        keySize: 4,
        valueSize: size,
        maxEntries: 1,
        flags,
        keyType: 0,
        valueType,
        initial,
        frozen,
        inner: null,
      },
    ];
  });
}

function addVariable(btf: BtfBuilder, v: DataVariable): TypeId {
  const type = v.type === null ? addBytes(btf, v.size) : addSourceType(btf, v.type);
  return btf.add({ kind: "var", name: v.name, type, linkage: "static" });
}
