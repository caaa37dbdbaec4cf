/**
 * LoadRequest: what BPF_PROG_LOAD takes, as a value: one program with all that it calls, its maps, its types. The verifier's
 * only input besides a kernel profile. `requestOf` makes one of an object; the corpus runner of a record.
 */
import { bindToKernel, encode, link } from "../asm/index.ts";
import type { KernelAnswer } from "../asm/index.ts";
import { coreTarget, findExtern } from "../btf/index.ts";
import type { Btf, CoreTarget, TypeId } from "../btf/index.ts";
import type { Insn } from "../isa/index.ts";
import { MAP_FLAGS, UNTYPED_MAPS } from "../kernel/index.ts";
import type { AttachType, ProgramType } from "../kernel/index.ts";
import type { KernelReference, LinkedProgram, MapSpec, ObjectSpec, SourceLine } from "../object/index.ts";
import { findMember, findTarget } from "./target.ts";

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
  /** What could not be found out about the kernel, a noun: there is no verdict then. Absent: nothing. */
  readonly unknown?: string;
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
  /** The kernel's types: its functions and variables and what the program attaches to are looked up there by name. */
  readonly kernel?: Btf | null;
  /** Addresses of what the kernel consists of, by name: for variables that the program declares without a type. */
  readonly symbols?: ReadonlyMap<string, bigint> | null;
  /** What the program attaches to, where its section does not say. */
  readonly target?: AttachTarget | null;
}

/**
 * What loading one program of an object would ask of the kernel; the object is adapted to the kernel already (`adaptObject`). What
 * `kernel` does not have though the program cannot do without is a function or variable of id 0, which no kernel takes. Throws
 * DiagnosticError as `link` does, for a program or reference that the object does not have.
 */
export function requestOf(object: ObjectSpec, programName: string, options: RequestOptions = {}): LoadRequest {
  const { kernel = null } = options;
  const linked = link(object, programName);
  const spec = object.programs.find((program) => program.name === programName);
  const used = new Set(linked.mapReferences.map(({ map }) => map));
  const maps = object.maps.filter(({ name }) => used.has(name));
  const typed = linked.functions.every(({ btfId }) => btfId !== 0);
  const found =
    kernel === null || spec === undefined ? null : (findMember(object, spec, kernel) ?? findTarget(spec, kernel));
  const { insns, unknown } = bind(linked, object.btf, options);
  return {
    name: linked.name,
    type: linked.type,
    attach: linked.attach,
    flags: linked.flags,
    license: linked.license,
    code: encode(insns),
    maps: maps.map((map) => requestMap(map, object.btf)),
    mapReferences: referencesTo(maps, linked),
    btf: object.btf.types.length > 1 ? object.btf : null,
    functions: typed ? linked.functions.map(({ slot, btfId }) => ({ slot, type: btfId })) : [],
    lines: linked.lines,
    kernel,
    target: options.target ?? found,
    ...(unknown === null ? {} : { unknown }),
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

/** The instructions with what the kernel has in place of names, and what of it is not known. */
function bind(
  linked: LinkedProgram,
  local: Btf,
  { kernel = null, symbols = null }: RequestOptions,
): { readonly insns: readonly Insn[]; readonly unknown: string | null } {
  if (kernel === null) {
    const [first] = [...linked.kernelCalls, ...linked.kernelAddresses];
    return { insns: linked.insns, unknown: first === undefined ? null : `${first.name} without the kernel's types` };
  }
  const target = coreTarget(kernel);
  let unknown: string | null = null;
  const insns = bindToKernel(linked, (reference, isCall) => {
    if (reference.type !== 0) {
      const answer = typeOf(reference, local, target);
      // A module of the kernel may have it.
      if (answer === NOTHING && !isCall) unknown = `${reference.name}, which is not among the kernel's types`;
      return answer;
    }
    if (isCall) return functionOf(reference, target);
    if (symbols === null) unknown = `the address of ${reference.name} in the kernel`;
    return addressOf(reference, symbols);
  });
  return { insns, unknown };
}

/** A type that differs from the declared one is as good as none for what may be missing; else the kernel judges its use. */
function typeOf({ type, weak }: KernelReference, local: Btf, target: CoreTarget): KernelAnswer {
  const answer = findExtern(local, type, target);
  if (answer.kind === "found" || (answer.kind === "other" && !weak)) return { kind: "type", id: answer.id };
  return weak ? { kind: "missing" } : NOTHING;
}

/** A function that the object does not declare. */
function functionOf({ name, weak }: KernelReference, { btf, byName }: CoreTarget): KernelAnswer {
  const id = byName.get(name)?.find((candidate) => btf.types[candidate]?.kind === "func");
  if (id !== undefined) return { kind: "type", id };
  return weak ? { kind: "missing" } : NOTHING;
}

function addressOf({ name, weak }: KernelReference, symbols: ReadonlyMap<string, bigint> | null): KernelAnswer {
  const address = symbols?.get(name);
  if (address !== undefined) return { kind: "address", address };
  return weak ? { kind: "missing" } : NOTHING;
}

/** No type of any kernel. */
const NOTHING: KernelAnswer = { kind: "type", id: 0 };
