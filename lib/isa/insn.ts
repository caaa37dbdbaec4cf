/**
 * What an eBPF instruction means, as a value.
 *
 * The wire form (RFC 9669 §3) hides meaning in odd places: signed division is `div` with offset 1, an atomic's
 * operation is in `imm`, a map reference is a source register number. Here each of them is its own kind or op; only
 * `lib/asm` encode and decode know the spelling. Every consumer (disassembler, interpreter, verifier, code generator)
 * is a switch over `kind`, so the compiler names a missing case.
 *
 * `R` is the register type: 0..10 in finished code, a wider set (virtual registers) inside the code generator.
 *
 * Offsets of jumps and local calls count 8-byte slots from the following instruction, as on the wire.
 */

/** r0..r9 and the read-only frame pointer r10. */
export type Reg = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** The second operand of an ALU operation, a conditional jump or a store. An immediate is a signed 32-bit number. */
export type Operand<R = Reg> = { readonly reg: R } | { readonly imm: number };

/** Two-operand arithmetic. Semantics: RFC 9669 §4.1; `sdiv`, `smod` are ISA v4. */
// prettier-ignore
export type AluOp =
  | "add" | "sub" | "mul" | "div" | "sdiv" | "or" | "and" | "lsh" | "rsh" | "mod" | "smod" | "xor" | "mov" | "arsh";

/** Conditions of `jump_if`; `s…` are signed. RFC 9669 §4.3. */
export type JumpOp = "eq" | "gt" | "ge" | "set" | "ne" | "sgt" | "sge" | "lt" | "le" | "slt" | "sle";

/** Read-modify-write operations; `fetch_…` also return the old value in `src` (`cmpxchg`: in r0). RFC 9669 §5.3. */
// prettier-ignore
export type AtomicOp =
  | "add" | "or" | "and" | "xor" | "fetch_add" | "fetch_or" | "fetch_and" | "fetch_xor" | "xchg" | "cmpxchg";

/** Bytes moved by a memory access. */
export type Size = 1 | 2 | 4 | 8;

/** ALU and compare width in bits; 32-bit ALU results are zero-extended to 64. */
export type Width = 32 | 64;

/**
 * What the 64-bit immediate of `load_imm64` stands for (RFC 9669 §5.4, `src_reg` of the first slot).
 * For `map_value` and `map_index_value` the upper 32 bits of `imm` are the offset into the value.
 */
export type Pseudo = "none" | "map_fd" | "map_value" | "btf_id" | "func" | "map_index" | "map_index_value";

/** The target of a call. `local`: slots relative to the next instruction. `kfunc`: BTF type id, module fd slot in `off`. */
export type CallTarget<R = Reg> =
  | { readonly kind: "helper"; readonly id: number }
  | { readonly kind: "local"; readonly delta: number }
  | { readonly kind: "kfunc"; readonly btfId: number; readonly off: number }
  | { readonly kind: "reg"; readonly reg: R };

// prettier-ignore
export interface Alu<R = Reg> { readonly kind: "alu"; readonly op: AluOp; readonly width: Width; readonly dst: R; readonly src: Operand<R> }
/** Sign-extending move, ISA v4. `bits` 32 only at width 64. */
// prettier-ignore
export interface MovSx<R = Reg> { readonly kind: "movsx"; readonly width: Width; readonly bits: 8 | 16 | 32; readonly dst: R; readonly src: R }
export interface Neg<R = Reg> {
  readonly kind: "neg";
  readonly width: Width;
  readonly dst: R;
}
/** `le`/`be`: convert between host and that order (truncating to `bits`); `bswap`: always swap, ISA v4. */
// prettier-ignore
export interface Swap<R = Reg> { readonly kind: "swap"; readonly op: "le" | "be" | "bswap"; readonly bits: 16 | 32 | 64; readonly dst: R }
/** dst = *(size *)(base + off); `signed` sign-extends to 64 bits (ISA v4, not for size 8). */
// prettier-ignore
export interface Load<R = Reg> { readonly kind: "load"; readonly size: Size; readonly signed: boolean; readonly dst: R; readonly base: R; readonly off: number }
// prettier-ignore
export interface Store<R = Reg> { readonly kind: "store"; readonly size: Size; readonly base: R; readonly off: number; readonly src: Operand<R> }
// prettier-ignore
export interface Atomic<R = Reg> { readonly kind: "atomic"; readonly op: AtomicOp; readonly size: 4 | 8; readonly base: R; readonly off: number; readonly src: R }
/** ISA v4 additions after RFC 9669 (Linux 6.15). */
// prettier-ignore
export interface LoadAcquire<R = Reg> { readonly kind: "load_acquire"; readonly size: Size; readonly dst: R; readonly base: R; readonly off: number }
// prettier-ignore
export interface StoreRelease<R = Reg> { readonly kind: "store_release"; readonly size: Size; readonly base: R; readonly off: number; readonly src: R }
/** Two slots. */
// prettier-ignore
export interface LoadImm64<R = Reg> { readonly kind: "load_imm64"; readonly dst: R; readonly pseudo: Pseudo; readonly imm: bigint }
/** Legacy packet load (RFC 9669 §5.5): r0 = big-endian packet bytes at imm (+ src when indirect); r6 must hold the skb. */
// prettier-ignore
export interface LoadPacket<R = Reg> { readonly kind: "load_packet"; readonly size: 1 | 2 | 4; readonly imm: number; readonly src: R | null }
/** `long`: gotol (32-bit displacement in imm, ISA v4). */
export interface Jump {
  readonly kind: "jump";
  readonly long: boolean;
  readonly delta: number;
}
// prettier-ignore
export interface JumpIf<R = Reg> { readonly kind: "jump_if"; readonly op: JumpOp; readonly width: Width; readonly dst: R; readonly src: Operand<R>; readonly delta: number }
/** Conditional on the kernel's loop budget (Linux 6.9). */
export interface MayGoto {
  readonly kind: "may_goto";
  readonly delta: number;
}
export interface Call<R = Reg> {
  readonly kind: "call";
  readonly target: CallTarget<R>;
}
export interface Exit {
  readonly kind: "exit";
}
/** dst = src converted between address spaces (arena, Linux 6.9). `to`/`from` are address space numbers. */
// prettier-ignore
export interface AddrSpaceCast<R = Reg> { readonly kind: "addr_space_cast"; readonly dst: R; readonly src: R; readonly to: number; readonly from: number }

export type Insn<R = Reg> =
  | Alu<R>
  | MovSx<R>
  | Neg<R>
  | Swap<R>
  | Load<R>
  | Store<R>
  | Atomic<R>
  | LoadAcquire<R>
  | StoreRelease<R>
  | LoadImm64<R>
  | LoadPacket<R>
  | Jump
  | JumpIf<R>
  | MayGoto
  | Call<R>
  | Exit
  | AddrSpaceCast<R>;

export type InsnKind = Insn["kind"];

/** 8-byte slots that an instruction takes. */
export function slotsOf(insn: Insn<unknown>): 1 | 2 {
  return insn.kind === "load_imm64" ? 2 : 1;
}
