/**
 * The opcode bytes that are no instruction, each with the reason. Together with the table they cover all 256.
 */
export interface Rejection {
  /** Stable name for tests and tools. */
  readonly name: string;
  /** A clause that says why: "opcode 0x.. is not an instruction: <reason>". */
  readonly reason: string;
  readonly codes: readonly number[];
}

// prettier-ignore
export const REJECTIONS = [
  { name: "imm-load-narrow",     reason: "an immediate load moves 64 bits (0x18)",
    codes: [0x00, 0x08, 0x10] },
  { name: "packet-load-wide",    reason: "a packet load moves 4, 2 or 1 bytes",
    codes: [0x38, 0x58] },
  { name: "ld-mode",             reason: "class LD has the modes IMM, ABS and IND only",
    codes: [0x60, 0x68, 0x70, 0x78, 0x80, 0x88, 0x90, 0x98, 0xa0, 0xa8, 0xb0, 0xb8, 0xc0, 0xc8, 0xd0, 0xd8, 0xe0, 0xe8, 0xf0, 0xf8] },
  { name: "memsx-wide",          reason: "an 8-byte load has nothing to sign-extend",
    codes: [0x99] },
  { name: "ldx-mode",            reason: "class LDX has the modes MEM and MEMSX only",
    codes: [0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x41, 0x49, 0x51, 0x59, 0xa1, 0xa9, 0xb1, 0xb9, 0xc1, 0xc9, 0xd1, 0xd9, 0xe1, 0xe9, 0xf1, 0xf9] },
  { name: "st-mode",             reason: "class ST has the mode MEM only",
    codes: [0x02, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x42, 0x4a, 0x52, 0x5a, 0x82, 0x8a, 0x92, 0x9a, 0xa2, 0xaa, 0xb2, 0xba, 0xc2, 0xca, 0xd2, 0xda, 0xe2, 0xea, 0xf2, 0xfa] },
  { name: "stx-mode",            reason: "class STX has the modes MEM and ATOMIC only",
    codes: [0x03, 0x0b, 0x13, 0x1b, 0x23, 0x2b, 0x33, 0x3b, 0x43, 0x4b, 0x53, 0x5b, 0x83, 0x8b, 0x93, 0x9b, 0xa3, 0xab, 0xb3, 0xbb, 0xe3, 0xeb, 0xf3, 0xfb] },
  { name: "neg-register",        reason: "negation takes no source register",
    codes: [0x8c, 0x8f] },
  { name: "bswap-register",      reason: "class ALU64 has one byte swap, 0xd7",
    codes: [0xdf] },
  { name: "alu-operation",       reason: "there is no ALU operation 0xe or 0xf",
    codes: [0xe4, 0xec, 0xf4, 0xfc, 0xe7, 0xef, 0xf7, 0xff] },
  { name: "jump-register",       reason: "the indirect jump (gotox, Linux 6.19) is not supported",
    codes: [0x0d] },
  { name: "jump32-register",     reason: "a jump with 32-bit offset takes no register",
    codes: [0x0e] },
  { name: "call-in-jmp32",       reason: "calls are of class JMP, not JMP32",
    codes: [0x86, 0x8e] },
  { name: "exit-register",       reason: "exit takes no register",
    codes: [0x9d] },
  { name: "exit-in-jmp32",       reason: "exit is of class JMP, not JMP32",
    codes: [0x96, 0x9e] },
  { name: "may-goto-register",   reason: "may_goto takes no register",
    codes: [0xed] },
  { name: "may-goto-in-jmp32",   reason: "may_goto is of class JMP, not JMP32",
    codes: [0xe6, 0xee] },
  { name: "jump-operation",      reason: "there is no jump operation 0xf",
    codes: [0xf5, 0xfd, 0xf6, 0xfe] },
] as const satisfies readonly Rejection[];
