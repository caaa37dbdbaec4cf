/**
 * What each instruction does: RFC 9669 as a loop over decoded instructions (code.ts).
 *
 * `q` is the register file: r0 to r10, then the constants of the program, so that an immediate operand is a register too.
 * It is a BigInt64Array: a register holds its 64 bits as a signed number, storing wraps to 64 bits, and V8 computes on it
 * without making a bigint. Where a meaning is unsigned it says `asUintN`. `w` is the same file as 32-bit halves: the low
 * half of register i is w[2 * i]. A 32-bit operation leaves a zero-extended result.
 *
 * How it is written is what V8 (Node 20 to 26) was measured to be fast at: literal case labels (one indexed jump), sums,
 * products, signed quotients and comparisons of 64-bit numbers; not shifts, and not `===` or `<` of numbers that may be
 * above 2^63. docs/vm.md has the figures.
 */
import type { Cpu } from "./cpu.ts";
import { PAGE_ACCESS, PAGE_ENTRY } from "./memory.ts";
import { DONE } from "./code.ts";

// oxlint-disable-next-line typescript/unbound-method -- they use no `this`
const { asIntN, asUintN } = BigInt;

/** Turns the order of unsigned numbers into that of signed ones. */
const SIGN = -(1n << 63n);
/** POWER[n] is 2^n (the last one is negative as a 64-bit number, and as good a factor). */
const POWER = BigInt64Array.from({ length: 64 }, (_, n) => asIntN(64, 1n << BigInt(n)));

// Words of an entry of the page table.
const ENTRY_BITS = Math.log2(PAGE_ENTRY.size / 4);
const START = PAGE_ENTRY.start / 4;
const LENGTH = PAGE_ENTRY.length / 4;
const ACCESS = PAGE_ENTRY.access / 4;
const ELEMENT = PAGE_ENTRY.element / 4;

/** As `pause`: go on until the frame is left. */
export const NEVER = -1;

/**
 * Executes from the instruction at `first` until the frame that it began in is left, or for a while; gives the slot that comes
 * next, DONE when the frame was left. It stops when `cpu.count` has reached `pause`, and wherever what is held in local
 * variables here may have changed. What goes wrong is thrown by the methods of `cpu`, which are told slot and count
 * beforehand.
 */
export function execute(cpu: Cpu, first: number, pause: number): number {
  const { memory, code, file } = cpu;
  const { table, data } = memory;
  const { words } = code.decoded;
  const { q, w } = file;
  let { count } = cpu;
  let slot = first;
  while (count !== pause) {
    count++;
    const at = 4 * slot;
    const op = words[at]!;
    const dst = words[at + 1]!;
    const src = words[at + 2]!;
    const arg = words[at + 3]!;
    const a = q[dst]!;
    const b = q[src]!;
    let next = slot + 1;
    // prettier-ignore
    switch (op) {
      // Arithmetic, 64 bits (RFC 9669 section 4.1). Shift counts are masked to the width, for immediates too; the kernel
      // refuses to load those. Dividing by zero gives 0, the remainder by zero the dividend; the one quotient that
      // overflows, the smallest number by -1, wraps.
      case 0x00: q[dst] = a + b; break;                                                                              // add
      case 0x01: q[dst] = a - b; break;                                                                              // sub
      case 0x02: q[dst] = a * b; break;                                                                              // mul
      case 0x03: q[dst] = b === 0n ? 0n : asUintN(64, a) / asUintN(64, b); break;                                    // div
      case 0x04: q[dst] = b === 0n ? 0n : a / b; break;                                                              // sdiv
      case 0x05: q[dst] = b === 0n ? a : (a | b) >= 0n ? a % b : asUintN(64, a) % asUintN(64, b); break;             // mod
      case 0x06: q[dst] = b === 0n ? a : a % b; break;                                                               // smod
      case 0x07: q[dst] = a | b; break;                                                                              // or
      case 0x08: q[dst] = a & b; break;                                                                              // and
      case 0x09: q[dst] = a ^ b; break;                                                                              // xor
      case 0x0a: q[dst] = a * POWER[w[2 * src]! & 63]!; break;                                                       // lsh
      case 0x0b: shiftRight(w, 2 * dst, w[2 * src]! & 63, 0); break;                                                 // rsh
      case 0x0c: shiftRight(w, 2 * dst, w[2 * src]! & 63, w[2 * dst + 1]! >> 31); break;                             // arsh
      case 0x0d: q[dst] = b; break;                                                                                  // mov
      case 0x0e: q[dst] = -a; break;                                                                                 // neg

      // Arithmetic, 32 bits.
      case 0x10: q[dst] = asUintN(32, a + b); break;                                                                 // add
      case 0x11: q[dst] = asUintN(32, a - b); break;                                                                 // sub
      case 0x12: q[dst] = asUintN(32, a * b); break;                                                                 // mul
      case 0x13: q[dst] = asUintN(32, b) === 0n ? 0n : asUintN(32, a) / asUintN(32, b); break;                       // div
      case 0x14: q[dst] = asIntN(32, b) === 0n ? 0n : asUintN(32, asIntN(32, a) / asIntN(32, b)); break;             // sdiv
      case 0x15: q[dst] = asUintN(32, b) === 0n ? asUintN(32, a) : BigInt((w[2 * dst]! >>> 0) % (w[2 * src]! >>> 0) >>> 0); break; // mod
      case 0x16: q[dst] = asIntN(32, b) === 0n ? asUintN(32, a) : BigInt((w[2 * dst]! % w[2 * src]!) >>> 0); break;  // smod
      case 0x17: q[dst] = asUintN(32, a | b); break;                                                                 // or
      case 0x18: q[dst] = asUintN(32, a & b); break;                                                                 // and
      case 0x19: q[dst] = asUintN(32, a ^ b); break;                                                                 // xor
      case 0x1a: q[dst] = BigInt((w[2 * dst]! << w[2 * src]!) >>> 0); break;                                         // lsh
      case 0x1b: q[dst] = BigInt(w[2 * dst]! >>> w[2 * src]!); break;                                                // rsh
      case 0x1c: q[dst] = BigInt((w[2 * dst]! >> w[2 * src]!) >>> 0); break;                                         // arsh
      case 0x1d: q[dst] = asUintN(32, b); break;                                                                     // mov
      case 0x1e: q[dst] = asUintN(32, -a); break;                                                                    // neg

      // Comparisons (section 4.3), 64 bits: where they hold, the jump is taken.
      case 0x20: if (a === b) next = arg; break;                                                                     // eq
      case 0x21: if (a !== b) next = arg; break;                                                                     // ne
      case 0x22: if (asIntN(64, a ^ SIGN) > asIntN(64, b ^ SIGN)) next = arg; break;                                 // gt
      case 0x23: if (asIntN(64, a ^ SIGN) >= asIntN(64, b ^ SIGN)) next = arg; break;                                // ge
      case 0x24: if (asIntN(64, a ^ SIGN) < asIntN(64, b ^ SIGN)) next = arg; break;                                 // lt
      case 0x25: if (asIntN(64, a ^ SIGN) <= asIntN(64, b ^ SIGN)) next = arg; break;                                // le
      case 0x26: if ((a & b) !== 0n) next = arg; break;                                                              // set
      case 0x27: if (a > b) next = arg; break;                                                                       // sgt
      case 0x28: if (a >= b) next = arg; break;                                                                      // sge
      case 0x29: if (a < b) next = arg; break;                                                                       // slt
      case 0x2a: if (a <= b) next = arg; break;                                                                      // sle

      // Comparisons, 32 bits.
      case 0x30: if (asUintN(32, a) === asUintN(32, b)) next = arg; break;                                           // eq
      case 0x31: if (asUintN(32, a) !== asUintN(32, b)) next = arg; break;                                           // ne
      case 0x32: if (asUintN(32, a) > asUintN(32, b)) next = arg; break;                                             // gt
      case 0x33: if (asUintN(32, a) >= asUintN(32, b)) next = arg; break;                                            // ge
      case 0x34: if (asUintN(32, a) < asUintN(32, b)) next = arg; break;                                             // lt
      case 0x35: if (asUintN(32, a) <= asUintN(32, b)) next = arg; break;                                            // le
      case 0x36: if (asUintN(32, a & b) !== 0n) next = arg; break;                                                   // set
      case 0x37: if (asIntN(32, a) > asIntN(32, b)) next = arg; break;                                               // sgt
      case 0x38: if (asIntN(32, a) >= asIntN(32, b)) next = arg; break;                                              // sge
      case 0x39: if (asIntN(32, a) < asIntN(32, b)) next = arg; break;                                               // slt
      case 0x3a: if (asIntN(32, a) <= asIntN(32, b)) next = arg; break;                                              // sle

      // Loads (section 5): dst = *(base + arg), base in src; acquiring or not.
      case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: case 0x46: {
        const size = 1 << (op & 3);
        const address = (w[2 * src]! >>> 0) + arg;
        if (w[2 * src + 1] !== 0) cpu.check(slot, count, Number(asUintN(64, b)) + arg, size, false);
        const entry = (address >>> PAGE_ENTRY.bits) << ENTRY_BITS;
        const known = table[entry + ACCESS]! !== PAGE_ACCESS.none;
        if (!known || !fits(table, entry, address, size)) cpu.check(slot, count, address, size, false);
        switch (op) {
          case 0x40: q[dst] = BigInt(data.getUint8(address)); break;
          case 0x41: q[dst] = BigInt(data.getUint16(address, true)); break;
          case 0x42: q[dst] = BigInt(data.getUint32(address, true)); break;
          case 0x43:
            w[2 * dst] = data.getInt32(address, true);
            w[2 * dst + 1] = data.getInt32(address + 4, true);
            break;
          case 0x44: q[dst] = BigInt(data.getInt8(address)); break;
          case 0x45: q[dst] = BigInt(data.getInt16(address, true)); break;
          default: q[dst] = BigInt(data.getInt32(address, true)); break;
        }
        break;
      }

      // Stores: *(base + arg) = src, base in dst; releasing or not.
      case 0x48: case 0x49: case 0x4a: case 0x4b: {
        const size = 1 << (op & 3);
        const address = (w[2 * dst]! >>> 0) + arg;
        if (w[2 * dst + 1] !== 0) cpu.check(slot, count, Number(asUintN(64, a)) + arg, size, true);
        const entry = (address >>> PAGE_ENTRY.bits) << ENTRY_BITS;
        const open = table[entry + ACCESS]! === PAGE_ACCESS.readWrite;
        if (!open || !fits(table, entry, address, size)) cpu.check(slot, count, address, size, true);
        switch (op) {
          case 0x48: data.setInt8(address, w[2 * src]!); break;
          case 0x49: data.setInt16(address, w[2 * src]!, true); break;
          case 0x4a: data.setInt32(address, w[2 * src]!, true); break;
          default:
            data.setInt32(address, w[2 * src]!, true);
            data.setInt32(address + 4, w[2 * src + 1]!, true);
        }
        break;
      }
      case 0x4c: cpu.atomic(slot, count); break;

      // Sign-extending moves (section 4.1) and byte order (section 4.2; this machine is little-endian).
      case 0x50: q[dst] = asIntN(8, b); break;                                                                       // movsx 8
      case 0x51: q[dst] = asIntN(16, b); break;                                                                      // movsx 16
      case 0x52: q[dst] = asIntN(32, b); break;                                                                      // movsx 32
      case 0x53: q[dst] = asUintN(32, asIntN(8, b)); break;                                                          // movsx 8 to 32
      case 0x54: q[dst] = asUintN(32, asIntN(16, b)); break;                                                         // movsx 16 to 32
      case 0x55: q[dst] = asUintN(16, a); break;                                                                     // le16
      case 0x56: q[dst] = asUintN(32, a); break;                                                                     // le32
      case 0x57: ; break;                                                                                            // le64
      case 0x58: q[dst] = BigInt(swapBytes(w[2 * dst]!) >>> 16); break;                                              // be16, bswap16
      case 0x59: q[dst] = BigInt(swapBytes(w[2 * dst]!) >>> 0); break;                                               // be32, bswap32
      case 0x5a: { // be64, bswap64
        const low = w[2 * dst]!;
        w[2 * dst] = swapBytes(w[2 * dst + 1]!);
        w[2 * dst + 1] = swapBytes(low);
        break;
      }

      // Control (sections 4.3 and 5.4).
      case 0x60: q[dst] = b; next = slot + 2; break;                                                                 // 64-bit load
      case 0x61: next = arg; break;                                                                                  // jump
      case 0x62: if (!cpu.mayGoOn()) next = arg; break;                                                              // may_goto
      default: // calls, exit, packet loads, traps: what may change all that is held here
        slot = cpu.control(slot, count, op, arg);
        count = cpu.count;
        if (slot === DONE || cpu.code !== code || memory.data !== data || pause !== NEVER) return slot;
        continue;
    }
    if (next <= slot) cpu.lookBack(slot, next, count);
    slot = next;
  }
  cpu.count = count;
  return slot;
}

/** Whether bytes are within the region that an entry of the page table describes, and within an element where it has some. */
function fits(table: Uint32Array, entry: number, address: number, size: number): boolean {
  const offset = address - table[entry + START]!;
  if (offset < 0 || offset + size > table[entry + LENGTH]!) return false;
  const element = table[entry + ELEMENT]!;
  return element === 0 || (offset % ((element + 7) & ~7)) + size <= element;
}

/** Shifts the 64 bits at w[low], w[low + 1] right by 0 to 63; `fill` is what comes in from the left: 0 or -1. */
function shiftRight(w: Int32Array, low: number, bits: number, fill: number): void {
  const high = w[low + 1]!;
  if (bits >= 32) {
    w[low] = fill === 0 ? high >>> (bits - 32) : high >> (bits - 32);
    w[low + 1] = fill;
  } else if (bits > 0) {
    w[low] = (w[low]! >>> bits) | (high << (32 - bits));
    w[low + 1] = fill === 0 ? high >>> bits : high >> bits;
  }
}

/** The bytes of a 32-bit number reversed. */
function swapBytes(x: number): number {
  return (x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);
}
