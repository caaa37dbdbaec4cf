/**
 * Instructions by slot, and which bytes are none.
 *
 * An opcode that does not exist, or half a 64-bit load, makes a program unacceptable wherever it stands; a reserved field
 * that is set, or a register that does not exist, only where a path leads to it.
 */
import { tryDecode } from "../../asm/index.ts";
import { OPCODES } from "../../isa/index.ts";
import type { Insn, Reg, Row } from "../../isa/index.ts";
import { Rejection } from "../outcome.ts";
import { CALL_REGISTER, EXIT } from "./raw.ts";
import type { RawCode } from "./raw.ts";

export interface DecodedCode {
  readonly insns: readonly (Insn | null)[];
  readonly badEncodings: ReadonlyMap<number, Rejection>;
}

/** Opcodes of atomic operations on 1, 2 and 8 bytes, and of a move of 64 bits from a register. */
const ATOMIC_8 = 0xd3;
const ATOMIC_16 = 0xcb;
const ATOMIC_64 = 0xdb;
const MOVE_64 = 0xbf;
/** Bits of `BPF_PSEUDO_…`: the kinds of 64-bit loads. */
const LOAD_KINDS = 6;
const LAST_REGISTER = 10;

export function decodeCode(code: Uint8Array, raw: RawCode): DecodedCode {
  const insns = Array.from<Insn | null>({ length: raw.length }).fill(null);
  const badEncodings = new Map<number, Rejection>();
  for (const { slot, insn, diagnostic } of tryDecode(code)) {
    if (insn !== null) insns[slot] = raw.code(slot) === CALL_REGISTER ? null : insn;
    else if (isPlainExit(raw, slot)) insns[slot] = { kind: "exit" };
    else if (isPlainFunctionLoad(raw, slot)) insns[slot] = functionLoad(raw, slot);
    else badEncodings.set(slot, complaint(raw, slot, diagnostic.message));
  }
  return { insns, badEncodings };
}

function complaint(raw: RawCode, slot: number, what: string): Rejection {
  if (isNarrowAtomic(raw, slot))
    return new Rejection("bad_atomic_size", slot, { size: raw.code(slot) === ATOMIC_8 ? 1 : 2 });
  if (isAddressCast(raw, slot)) return new Rejection("address_space", slot, { what: `imm ${raw.imm(slot)}` });
  const register = [raw.dst(slot), raw.src(slot)].find((r) => r > LAST_REGISTER);
  if (register !== undefined) return new Rejection("bad_register", slot, { register });
  return new Rejection("reserved_field", slot, { what });
}

/** An operation that there is of 8 bytes, on 1 or 2: ordered loads and stores have these sizes, too. */
function isNarrowAtomic(raw: RawCode, slot: number): boolean {
  const code = raw.code(slot);
  const wide = OPCODES[ATOMIC_64] as { readonly rows: readonly Row[] };
  const isOperation = wide.rows.some(({ imm, insn }) => imm === raw.imm(slot) && insn.kind === "atomic");
  return isOperation && (code === ATOMIC_8 || code === ATOMIC_16);
}

/** A move of 64 bits from register to register with the offset of a cast; those that there are have been decoded. */
function isAddressCast(raw: RawCode, slot: number): boolean {
  return raw.code(slot) === MOVE_64 && raw.off(slot) === 1 && Math.max(raw.dst(slot), raw.src(slot)) <= LAST_REGISTER;
}

/** The kernel does not look at the offset of an exit. */
function isPlainExit(raw: RawCode, slot: number): boolean {
  return raw.code(slot) === EXIT && raw.dst(slot) === 0 && raw.src(slot) === 0 && raw.imm(slot) === 0;
}

/** Nor at the upper half of a function's address. */
function isPlainFunctionLoad(raw: RawCode, slot: number): boolean {
  return raw.isFunctionLoad(slot) && raw.dst(slot) <= LAST_REGISTER && raw.off(slot) === 0 && isWhole(raw, slot);
}

function functionLoad(raw: RawCode, slot: number): Insn {
  return { kind: "load_imm64", dst: raw.dst(slot) as Reg, pseudo: "func", imm: BigInt(raw.imm(slot) >>> 0) };
}

/** A 64-bit load has its second slot. */
function isWhole(raw: RawCode, slot: number): boolean {
  const second = slot + 1;
  return second < raw.length && (raw.code(second) | raw.dst(second) | raw.src(second) | raw.off(second)) === 0;
}

/** What the kernel checks of every slot, reached or not, in order of slots. */
export function checkEncodings(raw: RawCode): void {
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if (raw.isLoadImm64(slot)) checkLoadImm64(raw, slot);
    else if (!isKnownOpcode(raw.code(slot))) {
      throw new Rejection("bad_instruction", slot, {
        slot,
        what: `opcode 0x${raw.code(slot).toString(16).padStart(2, "0")}`,
      });
    }
    if (raw.isLoad(slot) && raw.imm(slot) !== 0) {
      throw new Rejection("reserved_field", slot, { what: "imm of a load" });
    }
  }
}

function checkLoadImm64(raw: RawCode, slot: number): void {
  if (!isWhole(raw, slot)) throw new Rejection("broken_wide_load", slot, {});
  const kind = raw.src(slot);
  const isMap = kind === 1 || kind === 5;
  if (kind > LOAD_KINDS || (isMap && raw.imm(slot + 1) !== 0)) {
    throw new Rejection("bad_instruction", slot, { slot, what: `64-bit load of kind ${kind}` });
  }
}

function isKnownOpcode(code: number): boolean {
  return code !== CALL_REGISTER && "rows" in (OPCODES[code] as object);
}
