/**
 * LoadRequest: what BPF_PROG_LOAD takes, as a value: one program with all that it calls, its maps, its types. The verifier's
 * only input besides a kernel profile. `requestOf` makes one of an object; the corpus runner of a record.
 */
import type { Btf, TypeId } from "../btf/index.ts";
import type { AttachType, ProgramType } from "../kernel/index.ts";
import type { MapSpec, SourceLine } from "../object/index.ts";

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
