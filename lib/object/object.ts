/**
 * ObjectSpec: everything that an eBPF object says, as an inert, deterministic, comparable value.
 *
 * It is the hinge of the toolchain: our compiler and any ELF file become one; the ELF writer, the interpreter, the
 * verifier and the loader start from one. Only `loader/` turns it into file descriptors.
 *
 * Functions are kept apart and unlinked: calls and map references are relocations by name, positions are slots (8-byte
 * units) from the start of the function. `lib/asm` links one program with the subprograms it reaches.
 */
import type { Btf, TypeId } from "../btf/index.ts";
import type { Insn } from "../isa/index.ts";
import type { AttachType, MapType, ProgramType } from "../kernel/index.ts";

/** Where an instruction comes from. `line` and `column` are 1-based; `text` is the source line without its newline. */
export interface SourceLine {
  /** Slot of the first instruction that the line covers. */
  readonly slot: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

export type Relocation =
  /** `load_imm64` takes the map's fd; linked form pseudo `map_fd`. */
  | { readonly kind: "map"; readonly slot: number; readonly map: string }
  /** `load_imm64` takes the address of the map's value plus `offset` bytes; linked form pseudo `map_value`. */
  | { readonly kind: "map_value"; readonly slot: number; readonly map: string; readonly offset: number }
  /** `call` goes to a subprogram. */
  | { readonly kind: "call"; readonly slot: number; readonly func: string }
  /** `load_imm64` takes a subprogram's address (callbacks); linked form pseudo `func`. */
  | { readonly kind: "func"; readonly slot: number; readonly func: string }
  /** `call` goes to a function of the kernel, whose `func` type of linkage extern is in the object's BTF. */
  | { readonly kind: "kfunc"; readonly slot: number; readonly kfunc: string };

export interface FunctionSpec {
  readonly name: string;
  readonly insns: readonly Insn[];
  readonly relocations: readonly Relocation[];
  /** Ascending by slot; the first covers slot 0 when there is any. */
  readonly lines: readonly SourceLine[];
  /** The `func` type in the object's BTF, or 0. */
  readonly btfId: TypeId;
  readonly linkage: "static" | "global";
}

export interface ProgramSpec extends FunctionSpec {
  /** ELF section name, which tells libbpf type and attach point. */
  readonly section: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
}

export interface MapSpec {
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Types in the object's BTF, or 0 where the map type takes none. */
  readonly keyType: TypeId;
  readonly valueType: TypeId;
  /** Global data (`.rodata`, `.data`, `.bss`): the initial bytes of the only entry; null for other maps. */
  readonly initial: Uint8Array | null;
  /** Frozen after the initial value is written (`.rodata`). */
  readonly frozen: boolean;
  /**
   * Map of maps: what the maps in it look like, null where the object does not say; null for other maps. Never a map of
   * maps itself. Its name is only a label, `<outer>.inner` in the canonical form.
   */
  readonly inner: MapSpec | null;
  /** `map_extra` where it is not 0: for a bloom_filter the number of hash functions. */
  readonly extra?: number;
}

export interface ObjectSpec {
  readonly license: string;
  readonly programs: readonly ProgramSpec[];
  readonly subprograms: readonly FunctionSpec[];
  readonly maps: readonly MapSpec[];
  readonly btf: Btf;
}

/** One program with all it calls, ready to run or load. Positions are slots from the start of the whole. */
export interface LinkedProgram {
  readonly name: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  readonly flags: number;
  readonly license: string;
  readonly insns: readonly Insn[];
  /** The main function first. */
  readonly functions: readonly { readonly slot: number; readonly name: string; readonly btfId: TypeId }[];
  readonly lines: readonly SourceLine[];
  /** Maps by name that `load_imm64` instructions at these slots refer to. */
  readonly mapReferences: readonly {
    readonly slot: number;
    readonly map: string;
    readonly kind: "map" | "map_value";
    readonly offset: number;
  }[];
  /** Functions of the kernel by name that calls at these slots go to; the instruction has no BTF id yet. */
  readonly kernelCalls: readonly { readonly slot: number; readonly kfunc: string }[];
}
