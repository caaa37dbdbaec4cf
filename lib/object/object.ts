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
  /**
   * `call` goes to a function of the kernel, whose `func` type of linkage extern is in the object's BTF. `weak`: a kernel
   * without it loads the program too, as long as the call is not reached.
   */
  | { readonly kind: "kfunc"; readonly slot: number; readonly kfunc: string; readonly weak?: true }
  /**
   * `load_imm64` takes the address of the kernel's function or variable, whose `func` or `var` type of linkage extern is in
   * the object's BTF; linked form pseudo `btf_id`, for a variable without a type (`void`) the plain address. `weak`: 0 where
   * the kernel has no such thing.
   */
  | { readonly kind: "ksym"; readonly slot: number; readonly ksym: string; readonly weak?: true };

/**
 * What the instruction at a slot has to hold for the kernel that it is loaded into (CO-RE): an aspect (`kind`, an index of
 * CORE_KINDS) of the member that the path `access` ("0:1:2") leads to in `type`. `adaptObject` answers them.
 */
export interface CoreReference {
  readonly slot: number;
  readonly type: TypeId;
  readonly access: string;
  readonly kind: number;
}

export interface FunctionSpec {
  readonly name: string;
  readonly insns: readonly Insn[];
  readonly relocations: readonly Relocation[];
  /** Ascending by slot; the first covers slot 0 when there is any. */
  readonly lines: readonly SourceLine[];
  /** The `func` type in the object's BTF, or 0. */
  readonly btfId: TypeId;
  readonly linkage: "static" | "global";
  /** Ascending by slot; absent where nothing depends on the kernel's types. Until they are answered the code fits no kernel. */
  readonly core?: readonly CoreReference[];
}

export interface ProgramSpec extends FunctionSpec {
  /** ELF section name, which tells libbpf type and attach point. */
  readonly section: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
  /** Loaded only when asked for by name (libbpf: a section name that begins with `?`). */
  readonly optional?: true;
}

/** What an entry of a map holds from the start: a map of the object (map of maps) or a program (prog_array), by name. */
export interface InitialEntry {
  readonly index: number;
  readonly name: string;
}

/** A value of the kernel's configuration that a variable of a data section takes. */
export interface ConfigReference {
  /** `CONFIG_HZ`, or one of libbpf's own such as `LINUX_KERNEL_VERSION`. */
  readonly name: string;
  /** Bytes from the start of the section. */
  readonly offset: number;
  readonly type: TypeId;
  /** 0 where the configuration does not say; otherwise that is an error. */
  readonly weak: boolean;
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
  /**
   * By ascending index; absent where the map starts empty. Of a struct_ops map the index is that of the member (of its value's
   * type) which the program implements.
   */
  readonly entries?: readonly InitialEntry[];
  /** Global data that the kernel's configuration fills in (`adaptObject`); absent for other maps. */
  readonly config?: readonly ConfigReference[];
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
  readonly kernelCalls: readonly KernelReference[];
  /** Functions and variables of the kernel whose addresses `load_imm64` instructions at these slots take; still 0. */
  readonly kernelAddresses: readonly KernelReference[];
}

/** The kernel's thing of that name. `type`: its type in the object's BTF, 0 for a variable without one. */
export interface KernelReference {
  readonly slot: number;
  readonly name: string;
  readonly type: TypeId;
  readonly weak: boolean;
}
