/**
 * LoadRequest: what BPF_PROG_LOAD takes, as a value: one program with all that it calls, its maps, its types. The verifier's
 * only input besides a kernel profile. `requestOf` makes one of an object; the corpus runner of a record.
 */
import { encode, link } from "../asm/index.ts";
import type { Btf, TypeId } from "../btf/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import { MAP_FLAGS, UNTYPED_MAPS } from "../kernel/index.ts";
import type { AttachType, ProgramType } from "../kernel/index.ts";
import type { LinkedProgram, MapSpec, ObjectSpec, SourceLine } from "../object/index.ts";
import { findTarget } from "./target.ts";

/** A map as the verifier sees it. */
export interface RequestMap {
  readonly spec: MapSpec;
  /** The types that `spec.keyType` and `spec.valueType` are in; null where the map was made without. */
  readonly btf: Btf | null;
  /** The value of a frozen read-only array: loads from it give constants. Null otherwise. */
  readonly contents: Uint8Array | null;
  /** The template of a map in a map, with its own types. */
  readonly inner: RequestMap | null;
}

export interface LoadRequest {
  readonly name: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
  readonly license: string;
  /** Eight bytes a slot, little-endian, calls between functions resolved; immediates of map references are not looked at. */
  readonly code: Uint8Array;
  readonly maps: readonly RequestMap[];
  /** By slot of a 64-bit immediate load: the map (index into `maps`) and, for `map_value`, the offset into its value. */
  readonly mapReferences: ReadonlyMap<number, MapReference>;
  /** Types of the program; null: loaded without. */
  readonly btf: Btf | null;
  /** func_info: functions by ascending slot with their `func` types in `btf`; empty when loaded without. */
  readonly functions: readonly { readonly slot: number; readonly type: TypeId }[];
  /** line_info; empty when loaded without. */
  readonly lines: readonly SourceLine[];
  /** Types of the kernel, which ids of kernel functions and variables in the code refer to; null: not known. */
  readonly kernel: Btf | null;
  /** The kernel function, type or struct_ops member that the program attaches to; null for hooks without. */
  readonly target: AttachTarget | null;
}

export interface MapReference {
  readonly map: number;
  readonly kind: "map" | "map_value";
  readonly offset: number;
}

export interface AttachTarget {
  /** In `kernel`: a func, or the struct of a struct_ops; for raw tracepoints the typedef `btf_trace_...`. */
  readonly type: TypeId;
  /** Index of the struct_ops member. */
  readonly member: number | null;
}

export interface RequestOptions {
  /** The kernel's types: its functions and what the program attaches to are looked up there by name. */
  readonly kernel?: Btf | null;
  /** What the program attaches to, where its section does not say. */
  readonly target?: AttachTarget | null;
}

/**
 * What loading one program of an object would ask of the kernel. A kernel function that `kernel` does not have is called by
 * id 0, which no kernel takes. Throws DiagnosticError as `link` does, for a program or reference that the object does not have.
 */
export function requestOf(object: ObjectSpec, programName: string, options: RequestOptions = {}): LoadRequest {
  const { kernel = null } = options;
  const linked = link(object, programName);
  const spec = object.programs.find((program) => program.name === programName);
  const used = new Set(linked.mapReferences.map(({ map }) => map));
  const maps = object.maps.filter(({ name }) => used.has(name));
  const typed = linked.functions.every(({ btfId }) => btfId !== 0);
  return {
    name: linked.name,
    type: linked.type,
    attach: linked.attach,
    flags: linked.flags,
    license: linked.license,
    code: encode(callKernel(linked, kernel)),
    maps: maps.map((map) => requestMap(map, object.btf)),
    mapReferences: referencesTo(maps, linked),
    btf: object.btf.types.length > 1 ? object.btf : null,
    functions: typed ? linked.functions.map(({ slot, btfId }) => ({ slot, type: btfId })) : [],
    lines: linked.lines,
    kernel,
    target: options.target ?? (kernel === null || spec === undefined ? null : findTarget(spec, kernel)),
  };
}

/** The map as the loader makes it: without types where the kernel takes none, read-only data frozen. */
function requestMap(spec: MapSpec, btf: Btf): RequestMap {
  const isTyped = spec.valueType !== 0 && !UNTYPED_MAPS.has(spec.type);
  const isConstant = spec.frozen && (spec.flags & MAP_FLAGS.rdonly_prog) !== 0;
  return {
    spec,
    btf: isTyped ? btf : null,
    contents: isConstant ? spec.initial : null,
    inner: spec.inner === null ? null : requestMap(spec.inner, btf),
  };
}

function referencesTo(maps: readonly MapSpec[], { mapReferences }: LinkedProgram): Map<number, MapReference> {
  const indices = new Map(maps.map(({ name }, index) => [name, index]));
  return new Map(
    mapReferences.map(({ slot, map, kind, offset }) => [slot, { map: indices.get(map) ?? -1, kind, offset }]),
  );
}

/** The instructions with the kernel's ids in calls of its functions. */
function callKernel({ insns, kernelCalls }: LinkedProgram, kernel: Btf | null): readonly Insn[] {
  if (kernelCalls.length === 0 || kernel === null) return insns;
  const ids = functionIds(kernel, new Set(kernelCalls.map(({ kfunc }) => kfunc)));
  const calls = new Map(kernelCalls.map(({ slot, kfunc }) => [slot, ids.get(kfunc) ?? 0]));
  let slot = 0;
  return insns.map((insn): Insn => {
    const btfId = calls.get(slot);
    slot += slotsOf(insn);
    return btfId === undefined ? insn : { kind: "call", target: { kind: "kfunc", btfId, off: 0 } };
  });
}

function functionIds(kernel: Btf, names: ReadonlySet<string>): Map<string, TypeId> {
  const ids = new Map<string, TypeId>();
  kernel.types.forEach((type, id) => {
    if (type.kind === "func" && names.has(type.name)) ids.set(type.name, id);
  });
  return ids;
}
