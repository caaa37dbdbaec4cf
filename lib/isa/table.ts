/**
 * THE instruction table: every eBPF instruction of RFC 9669 and of Linux after it, one row per variant.
 *
 * Encoder, decoder, disassembler and text assembler are derived from it, so an instruction that is right here is right
 * everywhere. How to add one: docs/instructions.md. Sources: RFC 9669 (wire format, conformance groups); for what came
 * later, the kernel's Documentation/bpf/standardization and its behaviour at load. The text is the kernel verifier's
 * and bpftool's own notation, learnt from their output.
 *
 * Columns. A number is a fixed value: 0 in an unused field (reserved: the decoder refuses anything else), another one
 * where the field tells variants apart. A string names the property of the instruction that the field carries.
 *   code   the opcode byte
 *   dst    low four bits of byte 1           src    high four bits of byte 1
 *   off    bytes 2-3, signed                 imm    bytes 4-7, signed
 *   next   bytes 4-7 of the second slot; only where there is one (its other bytes are 0)
 *   isa    the `-mcpu` version in which compilers know it
 *   group  RFC 9669 section 2.4 conformance group; "linux": not in the RFC
 *   text   the notation: `{property}` stands for the operand as lib/asm/operands.ts writes it
 *   insn   the rest of the instruction: what is the same for the whole row
 */
import type { Insn } from "./insn.ts";

/** A property of an instruction, by its path, that an encoded field carries. `imm.low`, `imm.high`: halves of a 64-bit `imm`. */
// prettier-ignore
export type OperandName =
  | "dst" | "base" | "src" | "src.reg" | "src.imm" | "off" | "imm" | "imm.low" | "imm.high" | "delta"
  | "target.id" | "target.delta" | "target.btfId" | "target.off" | "target.reg";

/** RFC 9669 section 2.4; "linux": additions that the RFC does not have. */
// prettier-ignore
export type ConformanceGroup =
  | "base32" | "base64" | "atomic32" | "atomic64" | "divmul32" | "divmul64" | "packet" | "callx" | "linux";

/** The `-mcpu` version of an instruction. */
export type IsaVersion = 1 | 2 | 3 | 4;

// The part of an instruction that a row fixes: its kind and any other properties.
type Template<I> = I extends Insn ? { readonly [K in keyof I]?: unknown } & { readonly kind: I["kind"] } : never;

export interface Row {
  readonly code: number;
  readonly dst: OperandName | 0;
  readonly src: OperandName | number;
  readonly off: OperandName | number;
  readonly imm: OperandName | number;
  readonly next?: OperandName | 0;
  readonly isa: IsaVersion;
  readonly group: ConformanceGroup;
  readonly text: string;
  readonly insn: Template<Insn>;
}

// prettier-ignore
export const INSTRUCTIONS = [
  // ALU, 32 bits (RFC 9669 section 4.1)
  { code: 0x04, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} += {src.imm}",    insn: { kind: "alu", op: "add", width: 32 } },
  { code: 0x0c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} += w{src.reg}",   insn: { kind: "alu", op: "add", width: 32 } },
  { code: 0x14, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} -= {src.imm}",    insn: { kind: "alu", op: "sub", width: 32 } },
  { code: 0x1c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} -= w{src.reg}",   insn: { kind: "alu", op: "sub", width: 32 } },
  { code: 0x24, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "divmul32", text: "w{dst} *= {src.imm}",    insn: { kind: "alu", op: "mul", width: 32 } },
  { code: 0x2c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "divmul32", text: "w{dst} *= w{src.reg}",   insn: { kind: "alu", op: "mul", width: 32 } },
  { code: 0x34, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "divmul32", text: "w{dst} /= {src.imm}",    insn: { kind: "alu", op: "div", width: 32 } },
  { code: 0x3c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "divmul32", text: "w{dst} /= w{src.reg}",   insn: { kind: "alu", op: "div", width: 32 } },
  { code: 0x34, dst: "dst", src: 0,         off: 1, imm: "src.imm", isa: 4, group: "divmul32", text: "w{dst} s/= {src.imm}",   insn: { kind: "alu", op: "sdiv", width: 32 } },
  { code: 0x3c, dst: "dst", src: "src.reg", off: 1, imm: 0,         isa: 4, group: "divmul32", text: "w{dst} s/= w{src.reg}",  insn: { kind: "alu", op: "sdiv", width: 32 } },
  { code: 0x44, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} |= {src.imm}",    insn: { kind: "alu", op: "or", width: 32 } },
  { code: 0x4c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} |= w{src.reg}",   insn: { kind: "alu", op: "or", width: 32 } },
  { code: 0x54, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} &= {src.imm}",    insn: { kind: "alu", op: "and", width: 32 } },
  { code: 0x5c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} &= w{src.reg}",   insn: { kind: "alu", op: "and", width: 32 } },
  { code: 0x64, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} <<= {src.imm}",   insn: { kind: "alu", op: "lsh", width: 32 } },
  { code: 0x6c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} <<= w{src.reg}",  insn: { kind: "alu", op: "lsh", width: 32 } },
  { code: 0x74, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} >>= {src.imm}",   insn: { kind: "alu", op: "rsh", width: 32 } },
  { code: 0x7c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} >>= w{src.reg}",  insn: { kind: "alu", op: "rsh", width: 32 } },
  { code: 0x94, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "divmul32", text: "w{dst} %= {src.imm}",    insn: { kind: "alu", op: "mod", width: 32 } },
  { code: 0x9c, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "divmul32", text: "w{dst} %= w{src.reg}",   insn: { kind: "alu", op: "mod", width: 32 } },
  { code: 0x94, dst: "dst", src: 0,         off: 1, imm: "src.imm", isa: 4, group: "divmul32", text: "w{dst} s%= {src.imm}",   insn: { kind: "alu", op: "smod", width: 32 } },
  { code: 0x9c, dst: "dst", src: "src.reg", off: 1, imm: 0,         isa: 4, group: "divmul32", text: "w{dst} s%= w{src.reg}",  insn: { kind: "alu", op: "smod", width: 32 } },
  { code: 0xa4, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} ^= {src.imm}",    insn: { kind: "alu", op: "xor", width: 32 } },
  { code: 0xac, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} ^= w{src.reg}",   insn: { kind: "alu", op: "xor", width: 32 } },
  { code: 0xb4, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} = {src.imm}",     insn: { kind: "alu", op: "mov", width: 32 } },
  { code: 0xbc, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} = w{src.reg}",    insn: { kind: "alu", op: "mov", width: 32 } },
  { code: 0xc4, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base32",   text: "w{dst} s>>= {src.imm}",  insn: { kind: "alu", op: "arsh", width: 32 } },
  { code: 0xcc, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base32",   text: "w{dst} s>>= w{src.reg}", insn: { kind: "alu", op: "arsh", width: 32 } },
  // ALU, 64 bits (RFC 9669 section 4.1)
  { code: 0x07, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} += {src.imm}",    insn: { kind: "alu", op: "add", width: 64 } },
  { code: 0x0f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} += r{src.reg}",   insn: { kind: "alu", op: "add", width: 64 } },
  { code: 0x17, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} -= {src.imm}",    insn: { kind: "alu", op: "sub", width: 64 } },
  { code: 0x1f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} -= r{src.reg}",   insn: { kind: "alu", op: "sub", width: 64 } },
  { code: 0x27, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "divmul64", text: "r{dst} *= {src.imm}",    insn: { kind: "alu", op: "mul", width: 64 } },
  { code: 0x2f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "divmul64", text: "r{dst} *= r{src.reg}",   insn: { kind: "alu", op: "mul", width: 64 } },
  { code: 0x37, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "divmul64", text: "r{dst} /= {src.imm}",    insn: { kind: "alu", op: "div", width: 64 } },
  { code: 0x3f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "divmul64", text: "r{dst} /= r{src.reg}",   insn: { kind: "alu", op: "div", width: 64 } },
  { code: 0x37, dst: "dst", src: 0,         off: 1, imm: "src.imm", isa: 4, group: "divmul64", text: "r{dst} s/= {src.imm}",   insn: { kind: "alu", op: "sdiv", width: 64 } },
  { code: 0x3f, dst: "dst", src: "src.reg", off: 1, imm: 0,         isa: 4, group: "divmul64", text: "r{dst} s/= r{src.reg}",  insn: { kind: "alu", op: "sdiv", width: 64 } },
  { code: 0x47, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} |= {src.imm}",    insn: { kind: "alu", op: "or", width: 64 } },
  { code: 0x4f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} |= r{src.reg}",   insn: { kind: "alu", op: "or", width: 64 } },
  { code: 0x57, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} &= {src.imm}",    insn: { kind: "alu", op: "and", width: 64 } },
  { code: 0x5f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} &= r{src.reg}",   insn: { kind: "alu", op: "and", width: 64 } },
  { code: 0x67, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} <<= {src.imm}",   insn: { kind: "alu", op: "lsh", width: 64 } },
  { code: 0x6f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} <<= r{src.reg}",  insn: { kind: "alu", op: "lsh", width: 64 } },
  { code: 0x77, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} >>= {src.imm}",   insn: { kind: "alu", op: "rsh", width: 64 } },
  { code: 0x7f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} >>= r{src.reg}",  insn: { kind: "alu", op: "rsh", width: 64 } },
  { code: 0x97, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "divmul64", text: "r{dst} %= {src.imm}",    insn: { kind: "alu", op: "mod", width: 64 } },
  { code: 0x9f, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "divmul64", text: "r{dst} %= r{src.reg}",   insn: { kind: "alu", op: "mod", width: 64 } },
  { code: 0x97, dst: "dst", src: 0,         off: 1, imm: "src.imm", isa: 4, group: "divmul64", text: "r{dst} s%= {src.imm}",   insn: { kind: "alu", op: "smod", width: 64 } },
  { code: 0x9f, dst: "dst", src: "src.reg", off: 1, imm: 0,         isa: 4, group: "divmul64", text: "r{dst} s%= r{src.reg}",  insn: { kind: "alu", op: "smod", width: 64 } },
  { code: 0xa7, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} ^= {src.imm}",    insn: { kind: "alu", op: "xor", width: 64 } },
  { code: 0xaf, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} ^= r{src.reg}",   insn: { kind: "alu", op: "xor", width: 64 } },
  { code: 0xb7, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} = {src.imm}",     insn: { kind: "alu", op: "mov", width: 64 } },
  { code: 0xbf, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} = r{src.reg}",    insn: { kind: "alu", op: "mov", width: 64 } },
  { code: 0xc7, dst: "dst", src: 0,         off: 0, imm: "src.imm", isa: 1, group: "base64",   text: "r{dst} s>>= {src.imm}",  insn: { kind: "alu", op: "arsh", width: 64 } },
  { code: 0xcf, dst: "dst", src: "src.reg", off: 0, imm: 0,         isa: 1, group: "base64",   text: "r{dst} s>>= r{src.reg}", insn: { kind: "alu", op: "arsh", width: 64 } },
  // Sign-extending moves (section 4.1)
  { code: 0xbc, dst: "dst", src: "src", off: 8,  imm: 0, isa: 4, group: "base32", text: "w{dst} = (s8)w{src}",  insn: { kind: "movsx", width: 32, bits: 8 } },
  { code: 0xbc, dst: "dst", src: "src", off: 16, imm: 0, isa: 4, group: "base32", text: "w{dst} = (s16)w{src}", insn: { kind: "movsx", width: 32, bits: 16 } },
  { code: 0xbf, dst: "dst", src: "src", off: 8,  imm: 0, isa: 4, group: "base64", text: "r{dst} = (s8)r{src}",  insn: { kind: "movsx", width: 64, bits: 8 } },
  { code: 0xbf, dst: "dst", src: "src", off: 16, imm: 0, isa: 4, group: "base64", text: "r{dst} = (s16)r{src}", insn: { kind: "movsx", width: 64, bits: 16 } },
  { code: 0xbf, dst: "dst", src: "src", off: 32, imm: 0, isa: 4, group: "base64", text: "r{dst} = (s32)r{src}", insn: { kind: "movsx", width: 64, bits: 32 } },
  // Address space casts (Linux 6.9): imm = to << 16 | from; the kernel knows 0 (kernel) and 1 (arena)
  { code: 0xbf, dst: "dst", src: "src", off: 1, imm: 1,     isa: 4, group: "linux", text: "r{dst} = addr_space_cast(r{src}, 0, 1)", insn: { kind: "addr_space_cast", to: 0, from: 1 } },
  { code: 0xbf, dst: "dst", src: "src", off: 1, imm: 65536, isa: 4, group: "linux", text: "r{dst} = addr_space_cast(r{src}, 1, 0)", insn: { kind: "addr_space_cast", to: 1, from: 0 } },
  // Negation (RFC 9669 appendix A counts the 64-bit one to base32)
  { code: 0x84, dst: "dst", src: 0, off: 0, imm: 0, isa: 1, group: "base32", text: "w{dst} = -w{dst}", insn: { kind: "neg", width: 32 } },
  { code: 0x87, dst: "dst", src: 0, off: 0, imm: 0, isa: 1, group: "base32", text: "r{dst} = -r{dst}", insn: { kind: "neg", width: 64 } },
  // Byte order (section 4.2)
  { code: 0xd4, dst: "dst", src: 0, off: 0, imm: 16, isa: 1, group: "base32", text: "r{dst} = le16 r{dst}",    insn: { kind: "swap", op: "le", bits: 16 } },
  { code: 0xd4, dst: "dst", src: 0, off: 0, imm: 32, isa: 1, group: "base32", text: "r{dst} = le32 r{dst}",    insn: { kind: "swap", op: "le", bits: 32 } },
  { code: 0xd4, dst: "dst", src: 0, off: 0, imm: 64, isa: 1, group: "base64", text: "r{dst} = le64 r{dst}",    insn: { kind: "swap", op: "le", bits: 64 } },
  { code: 0xdc, dst: "dst", src: 0, off: 0, imm: 16, isa: 1, group: "base32", text: "r{dst} = be16 r{dst}",    insn: { kind: "swap", op: "be", bits: 16 } },
  { code: 0xdc, dst: "dst", src: 0, off: 0, imm: 32, isa: 1, group: "base32", text: "r{dst} = be32 r{dst}",    insn: { kind: "swap", op: "be", bits: 32 } },
  { code: 0xdc, dst: "dst", src: 0, off: 0, imm: 64, isa: 1, group: "base64", text: "r{dst} = be64 r{dst}",    insn: { kind: "swap", op: "be", bits: 64 } },
  { code: 0xd7, dst: "dst", src: 0, off: 0, imm: 16, isa: 4, group: "base32", text: "r{dst} = bswap16 r{dst}", insn: { kind: "swap", op: "bswap", bits: 16 } },
  { code: 0xd7, dst: "dst", src: 0, off: 0, imm: 32, isa: 4, group: "base32", text: "r{dst} = bswap32 r{dst}", insn: { kind: "swap", op: "bswap", bits: 32 } },
  { code: 0xd7, dst: "dst", src: 0, off: 0, imm: 64, isa: 4, group: "base64", text: "r{dst} = bswap64 r{dst}", insn: { kind: "swap", op: "bswap", bits: 64 } },
  // Loads (section 5.1, 5.2)
  { code: 0x61, dst: "dst", src: "base", off: "off", imm: 0, isa: 1, group: "base32", text: "r{dst} = *(u32 *)(r{base} {off})", insn: { kind: "load", size: 4, signed: false } },
  { code: 0x69, dst: "dst", src: "base", off: "off", imm: 0, isa: 1, group: "base32", text: "r{dst} = *(u16 *)(r{base} {off})", insn: { kind: "load", size: 2, signed: false } },
  { code: 0x71, dst: "dst", src: "base", off: "off", imm: 0, isa: 1, group: "base32", text: "r{dst} = *(u8 *)(r{base} {off})",  insn: { kind: "load", size: 1, signed: false } },
  { code: 0x79, dst: "dst", src: "base", off: "off", imm: 0, isa: 1, group: "base64", text: "r{dst} = *(u64 *)(r{base} {off})", insn: { kind: "load", size: 8, signed: false } },
  { code: 0x81, dst: "dst", src: "base", off: "off", imm: 0, isa: 4, group: "base32", text: "r{dst} = *(s32 *)(r{base} {off})", insn: { kind: "load", size: 4, signed: true } },
  { code: 0x89, dst: "dst", src: "base", off: "off", imm: 0, isa: 4, group: "base32", text: "r{dst} = *(s16 *)(r{base} {off})", insn: { kind: "load", size: 2, signed: true } },
  { code: 0x91, dst: "dst", src: "base", off: "off", imm: 0, isa: 4, group: "base32", text: "r{dst} = *(s8 *)(r{base} {off})",  insn: { kind: "load", size: 1, signed: true } },
  // Stores (section 5.1)
  { code: 0x62, dst: "base", src: 0,         off: "off", imm: "src.imm", isa: 1, group: "base32", text: "*(u32 *)(r{base} {off}) = {src.imm}",  insn: { kind: "store", size: 4 } },
  { code: 0x63, dst: "base", src: "src.reg", off: "off", imm: 0,         isa: 1, group: "base32", text: "*(u32 *)(r{base} {off}) = r{src.reg}", insn: { kind: "store", size: 4 } },
  { code: 0x6a, dst: "base", src: 0,         off: "off", imm: "src.imm", isa: 1, group: "base32", text: "*(u16 *)(r{base} {off}) = {src.imm}",  insn: { kind: "store", size: 2 } },
  { code: 0x6b, dst: "base", src: "src.reg", off: "off", imm: 0,         isa: 1, group: "base32", text: "*(u16 *)(r{base} {off}) = r{src.reg}", insn: { kind: "store", size: 2 } },
  { code: 0x72, dst: "base", src: 0,         off: "off", imm: "src.imm", isa: 1, group: "base32", text: "*(u8 *)(r{base} {off}) = {src.imm}",   insn: { kind: "store", size: 1 } },
  { code: 0x73, dst: "base", src: "src.reg", off: "off", imm: 0,         isa: 1, group: "base32", text: "*(u8 *)(r{base} {off}) = r{src.reg}",  insn: { kind: "store", size: 1 } },
  { code: 0x7a, dst: "base", src: 0,         off: "off", imm: "src.imm", isa: 1, group: "base64", text: "*(u64 *)(r{base} {off}) = {src.imm}",  insn: { kind: "store", size: 8 } },
  { code: 0x7b, dst: "base", src: "src.reg", off: "off", imm: 0,         isa: 1, group: "base64", text: "*(u64 *)(r{base} {off}) = r{src.reg}", insn: { kind: "store", size: 8 } },
  // Atomics (section 5.3): the operation is in imm
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0x0,  isa: 1, group: "atomic32", text: "lock *(u32 *)(r{base} {off}) += r{src}",                      insn: { kind: "atomic", op: "add", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0x40, isa: 3, group: "atomic32", text: "lock *(u32 *)(r{base} {off}) |= r{src}",                      insn: { kind: "atomic", op: "or", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0x50, isa: 3, group: "atomic32", text: "lock *(u32 *)(r{base} {off}) &= r{src}",                      insn: { kind: "atomic", op: "and", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0xa0, isa: 3, group: "atomic32", text: "lock *(u32 *)(r{base} {off}) ^= r{src}",                      insn: { kind: "atomic", op: "xor", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0x1,  isa: 3, group: "atomic32", text: "r{src} = atomic_fetch_add((u32 *)(r{base} {off}), r{src})",   insn: { kind: "atomic", op: "fetch_add", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0x41, isa: 3, group: "atomic32", text: "r{src} = atomic_fetch_or((u32 *)(r{base} {off}), r{src})",    insn: { kind: "atomic", op: "fetch_or", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0x51, isa: 3, group: "atomic32", text: "r{src} = atomic_fetch_and((u32 *)(r{base} {off}), r{src})",   insn: { kind: "atomic", op: "fetch_and", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0xa1, isa: 3, group: "atomic32", text: "r{src} = atomic_fetch_xor((u32 *)(r{base} {off}), r{src})",   insn: { kind: "atomic", op: "fetch_xor", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0xe1, isa: 3, group: "atomic32", text: "r{src} = atomic_xchg((u32 *)(r{base} {off}), r{src})",        insn: { kind: "atomic", op: "xchg", size: 4 } },
  { code: 0xc3, dst: "base", src: "src", off: "off", imm: 0xf1, isa: 3, group: "atomic32", text: "r0 = atomic_cmpxchg((u32 *)(r{base} {off}), r0, r{src})",     insn: { kind: "atomic", op: "cmpxchg", size: 4 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0x0,  isa: 1, group: "atomic64", text: "lock *(u64 *)(r{base} {off}) += r{src}",                      insn: { kind: "atomic", op: "add", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0x40, isa: 3, group: "atomic64", text: "lock *(u64 *)(r{base} {off}) |= r{src}",                      insn: { kind: "atomic", op: "or", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0x50, isa: 3, group: "atomic64", text: "lock *(u64 *)(r{base} {off}) &= r{src}",                      insn: { kind: "atomic", op: "and", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0xa0, isa: 3, group: "atomic64", text: "lock *(u64 *)(r{base} {off}) ^= r{src}",                      insn: { kind: "atomic", op: "xor", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0x1,  isa: 3, group: "atomic64", text: "r{src} = atomic64_fetch_add((u64 *)(r{base} {off}), r{src})", insn: { kind: "atomic", op: "fetch_add", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0x41, isa: 3, group: "atomic64", text: "r{src} = atomic64_fetch_or((u64 *)(r{base} {off}), r{src})",  insn: { kind: "atomic", op: "fetch_or", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0x51, isa: 3, group: "atomic64", text: "r{src} = atomic64_fetch_and((u64 *)(r{base} {off}), r{src})", insn: { kind: "atomic", op: "fetch_and", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0xa1, isa: 3, group: "atomic64", text: "r{src} = atomic64_fetch_xor((u64 *)(r{base} {off}), r{src})", insn: { kind: "atomic", op: "fetch_xor", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0xe1, isa: 3, group: "atomic64", text: "r{src} = atomic64_xchg((u64 *)(r{base} {off}), r{src})",      insn: { kind: "atomic", op: "xchg", size: 8 } },
  { code: 0xdb, dst: "base", src: "src", off: "off", imm: 0xf1, isa: 3, group: "atomic64", text: "r0 = atomic64_cmpxchg((u64 *)(r{base} {off}), r0, r{src})",   insn: { kind: "atomic", op: "cmpxchg", size: 8 } },
  // Load-acquire and store-release (Linux 6.15)
  { code: 0xc3, dst: "dst",  src: "base", off: "off", imm: 0x100, isa: 4, group: "linux", text: "r{dst} = load_acquire((u32 *)(r{base} {off}))", insn: { kind: "load_acquire", size: 4 } },
  { code: 0xcb, dst: "dst",  src: "base", off: "off", imm: 0x100, isa: 4, group: "linux", text: "r{dst} = load_acquire((u16 *)(r{base} {off}))", insn: { kind: "load_acquire", size: 2 } },
  { code: 0xd3, dst: "dst",  src: "base", off: "off", imm: 0x100, isa: 4, group: "linux", text: "r{dst} = load_acquire((u8 *)(r{base} {off}))",  insn: { kind: "load_acquire", size: 1 } },
  { code: 0xdb, dst: "dst",  src: "base", off: "off", imm: 0x100, isa: 4, group: "linux", text: "r{dst} = load_acquire((u64 *)(r{base} {off}))", insn: { kind: "load_acquire", size: 8 } },
  { code: 0xc3, dst: "base", src: "src",  off: "off", imm: 0x110, isa: 4, group: "linux", text: "store_release((u32 *)(r{base} {off}), r{src})", insn: { kind: "store_release", size: 4 } },
  { code: 0xcb, dst: "base", src: "src",  off: "off", imm: 0x110, isa: 4, group: "linux", text: "store_release((u16 *)(r{base} {off}), r{src})", insn: { kind: "store_release", size: 2 } },
  { code: 0xd3, dst: "base", src: "src",  off: "off", imm: 0x110, isa: 4, group: "linux", text: "store_release((u8 *)(r{base} {off}), r{src})",  insn: { kind: "store_release", size: 1 } },
  { code: 0xdb, dst: "base", src: "src",  off: "off", imm: 0x110, isa: 4, group: "linux", text: "store_release((u64 *)(r{base} {off}), r{src})", insn: { kind: "store_release", size: 8 } },
  // 64-bit immediates (section 5.4): two slots; src says what imm stands for, `next` is the imm of the second slot
  { code: 0x18, dst: "dst", src: 0, off: 0, imm: "imm.low", next: "imm.high", isa: 1, group: "base64", text: "r{dst} = {imm64}",                          insn: { kind: "load_imm64", pseudo: "none" } },
  { code: 0x18, dst: "dst", src: 1, off: 0, imm: "imm.low", next: 0,          isa: 1, group: "base64", text: "r{dst} = map[id:{imm.low}]",                insn: { kind: "load_imm64", pseudo: "map_fd" } },
  { code: 0x18, dst: "dst", src: 2, off: 0, imm: "imm.low", next: "imm.high", isa: 1, group: "base64", text: "r{dst} = map[id:{imm.low}][0]+{imm.high}",  insn: { kind: "load_imm64", pseudo: "map_value" } },
  { code: 0x18, dst: "dst", src: 3, off: 0, imm: "imm.low", next: "imm.high", isa: 1, group: "base64", text: "r{dst} = btf[id:{imm.low}][fd:{imm.high}]", insn: { kind: "load_imm64", pseudo: "btf_id" } },
  { code: 0x18, dst: "dst", src: 4, off: 0, imm: "imm.low", next: 0,          isa: 1, group: "base64", text: "r{dst} = subprog[{imm.low:+}]",             insn: { kind: "load_imm64", pseudo: "func" } },
  { code: 0x18, dst: "dst", src: 5, off: 0, imm: "imm.low", next: 0,          isa: 1, group: "base64", text: "r{dst} = map[idx:{imm.low}]",               insn: { kind: "load_imm64", pseudo: "map_index" } },
  { code: 0x18, dst: "dst", src: 6, off: 0, imm: "imm.low", next: "imm.high", isa: 1, group: "base64", text: "r{dst} = map[idx:{imm.low}]+{imm.high}",    insn: { kind: "load_imm64", pseudo: "map_index_value" } },
  // Legacy packet loads (section 5.5)
  { code: 0x20, dst: 0, src: 0,     off: 0, imm: "imm", isa: 1, group: "packet", text: "r0 = *(u32 *)skb[{imm}]",          insn: { kind: "load_packet", size: 4, src: null } },
  { code: 0x28, dst: 0, src: 0,     off: 0, imm: "imm", isa: 1, group: "packet", text: "r0 = *(u16 *)skb[{imm}]",          insn: { kind: "load_packet", size: 2, src: null } },
  { code: 0x30, dst: 0, src: 0,     off: 0, imm: "imm", isa: 1, group: "packet", text: "r0 = *(u8 *)skb[{imm}]",           insn: { kind: "load_packet", size: 1, src: null } },
  { code: 0x40, dst: 0, src: "src", off: 0, imm: "imm", isa: 1, group: "packet", text: "r0 = *(u32 *)skb[r{src} + {imm}]", insn: { kind: "load_packet", size: 4 } },
  { code: 0x48, dst: 0, src: "src", off: 0, imm: "imm", isa: 1, group: "packet", text: "r0 = *(u16 *)skb[r{src} + {imm}]", insn: { kind: "load_packet", size: 2 } },
  { code: 0x50, dst: 0, src: "src", off: 0, imm: "imm", isa: 1, group: "packet", text: "r0 = *(u8 *)skb[r{src} + {imm}]",  insn: { kind: "load_packet", size: 1 } },
  // Jumps (section 4.3): delta counts slots from the next instruction
  { code: 0x05, dst: 0, src: 0, off: "delta", imm: 0,       isa: 1, group: "base32", text: "goto {delta}",     insn: { kind: "jump", long: false } },
  { code: 0x06, dst: 0, src: 0, off: 0,       imm: "delta", isa: 4, group: "base32", text: "gotol {delta}",    insn: { kind: "jump", long: true } },
  { code: 0xe5, dst: 0, src: 0, off: "delta", imm: 0,       isa: 4, group: "linux",  text: "may_goto {delta}", insn: { kind: "may_goto" } },
  { code: 0x95, dst: 0, src: 0, off: 0,       imm: 0,       isa: 1, group: "base32", text: "exit",             insn: { kind: "exit" } },
  // Calls (section 4.3.1, 4.3.2); kfunc is what the RFC calls a helper by BTF id
  { code: 0x85, dst: 0,            src: 0, off: 0,            imm: "target.id",    isa: 1, group: "base32", text: "call {target.id}",                                insn: { kind: "call", target: { kind: "helper" } } },
  { code: 0x85, dst: 0,            src: 1, off: 0,            imm: "target.delta", isa: 3, group: "base32", text: "call {target.delta}",                             insn: { kind: "call", target: { kind: "local" } } },
  { code: 0x85, dst: 0,            src: 2, off: "target.off", imm: "target.btfId", isa: 3, group: "base32", text: "call kernel-function#{target.btfId}{target.off}", insn: { kind: "call", target: { kind: "kfunc" } } },
  { code: 0x8d, dst: "target.reg", src: 0, off: 0,            imm: 0,              isa: 1, group: "callx",  text: "callx r{target.reg}",                             insn: { kind: "call", target: { kind: "reg" } } },
  // Conditional jumps, 64 bits (section 4.3)
  { code: 0x15, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} == {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "eq", width: 64 } },
  { code: 0x1d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} == r{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "eq", width: 64 } },
  { code: 0x25, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} > {src.imm:x} goto {delta}",   insn: { kind: "jump_if", op: "gt", width: 64 } },
  { code: 0x2d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} > r{src.reg} goto {delta}",    insn: { kind: "jump_if", op: "gt", width: 64 } },
  { code: 0x35, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} >= {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "ge", width: 64 } },
  { code: 0x3d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} >= r{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "ge", width: 64 } },
  { code: 0x45, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} & {src.imm:x} goto {delta}",   insn: { kind: "jump_if", op: "set", width: 64 } },
  { code: 0x4d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} & r{src.reg} goto {delta}",    insn: { kind: "jump_if", op: "set", width: 64 } },
  { code: 0x55, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} != {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "ne", width: 64 } },
  { code: 0x5d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} != r{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "ne", width: 64 } },
  { code: 0x65, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} s> {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "sgt", width: 64 } },
  { code: 0x6d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} s> r{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "sgt", width: 64 } },
  { code: 0x75, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 1, group: "base64", text: "if r{dst} s>= {src.imm:x} goto {delta}", insn: { kind: "jump_if", op: "sge", width: 64 } },
  { code: 0x7d, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 1, group: "base64", text: "if r{dst} s>= r{src.reg} goto {delta}",  insn: { kind: "jump_if", op: "sge", width: 64 } },
  { code: 0xa5, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 2, group: "base64", text: "if r{dst} < {src.imm:x} goto {delta}",   insn: { kind: "jump_if", op: "lt", width: 64 } },
  { code: 0xad, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 2, group: "base64", text: "if r{dst} < r{src.reg} goto {delta}",    insn: { kind: "jump_if", op: "lt", width: 64 } },
  { code: 0xb5, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 2, group: "base64", text: "if r{dst} <= {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "le", width: 64 } },
  { code: 0xbd, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 2, group: "base64", text: "if r{dst} <= r{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "le", width: 64 } },
  { code: 0xc5, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 2, group: "base64", text: "if r{dst} s< {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "slt", width: 64 } },
  { code: 0xcd, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 2, group: "base64", text: "if r{dst} s< r{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "slt", width: 64 } },
  { code: 0xd5, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 2, group: "base64", text: "if r{dst} s<= {src.imm:x} goto {delta}", insn: { kind: "jump_if", op: "sle", width: 64 } },
  { code: 0xdd, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 2, group: "base64", text: "if r{dst} s<= r{src.reg} goto {delta}",  insn: { kind: "jump_if", op: "sle", width: 64 } },
  // Conditional jumps, 32 bits (section 4.3)
  { code: 0x16, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} == {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "eq", width: 32 } },
  { code: 0x1e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} == w{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "eq", width: 32 } },
  { code: 0x26, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} > {src.imm:x} goto {delta}",   insn: { kind: "jump_if", op: "gt", width: 32 } },
  { code: 0x2e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} > w{src.reg} goto {delta}",    insn: { kind: "jump_if", op: "gt", width: 32 } },
  { code: 0x36, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} >= {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "ge", width: 32 } },
  { code: 0x3e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} >= w{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "ge", width: 32 } },
  { code: 0x46, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} & {src.imm:x} goto {delta}",   insn: { kind: "jump_if", op: "set", width: 32 } },
  { code: 0x4e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} & w{src.reg} goto {delta}",    insn: { kind: "jump_if", op: "set", width: 32 } },
  { code: 0x56, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} != {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "ne", width: 32 } },
  { code: 0x5e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} != w{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "ne", width: 32 } },
  { code: 0x66, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} s> {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "sgt", width: 32 } },
  { code: 0x6e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} s> w{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "sgt", width: 32 } },
  { code: 0x76, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} s>= {src.imm:x} goto {delta}", insn: { kind: "jump_if", op: "sge", width: 32 } },
  { code: 0x7e, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} s>= w{src.reg} goto {delta}",  insn: { kind: "jump_if", op: "sge", width: 32 } },
  { code: 0xa6, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} < {src.imm:x} goto {delta}",   insn: { kind: "jump_if", op: "lt", width: 32 } },
  { code: 0xae, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} < w{src.reg} goto {delta}",    insn: { kind: "jump_if", op: "lt", width: 32 } },
  { code: 0xb6, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} <= {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "le", width: 32 } },
  { code: 0xbe, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} <= w{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "le", width: 32 } },
  { code: 0xc6, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} s< {src.imm:x} goto {delta}",  insn: { kind: "jump_if", op: "slt", width: 32 } },
  { code: 0xce, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} s< w{src.reg} goto {delta}",   insn: { kind: "jump_if", op: "slt", width: 32 } },
  { code: 0xd6, dst: "dst", src: 0,         off: "delta", imm: "src.imm", isa: 3, group: "base32", text: "if w{dst} s<= {src.imm:x} goto {delta}", insn: { kind: "jump_if", op: "sle", width: 32 } },
  { code: 0xde, dst: "dst", src: "src.reg", off: "delta", imm: 0,         isa: 3, group: "base32", text: "if w{dst} s<= w{src.reg} goto {delta}",  insn: { kind: "jump_if", op: "sle", width: 32 } },
] as const satisfies readonly Row[];
