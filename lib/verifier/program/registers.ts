/**
 * Live registers: which of r0 to r9 may be read before they are written, from each slot on. Backwards over each function
 * until nothing changes. States are compared in live registers only, so this must be what the kernel computes: from the opcode
 * alone, so that an instruction with a reserved field set counts as the one that it would be without.
 */
import type { Callee } from "./callees.ts";
import type { Flow } from "./program.ts";
import type { RawCode } from "./raw.ts";

const R0 = 1;
const CALLER_SAVED = 0b11_1111;
const ARGUMENTS = 0b11_1110;
/** What a load of the packet by offset counts as reading. */
const ALL = 0xffff;

/** Bits 0 to 2 of an opcode. Source: RFC 9669, section 3. */
const CLASS = { ld: 0, ldx: 1, st: 2, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const;
/** Bits 4 to 7 of an opcode of arithmetic or of a jump. */
const NEG = 0x80;
const MOV = 0xb0;
const END = 0xd0;
const GOTO = 0x00;
const CALL = 0x80;
const EXIT = 0x90;
const MAY_GOTO = 0xe0;
/** Bits 5 to 7 of the opcode of an atomic operation, and what its immediate says. */
const ATOMIC = 0xc0;
const FETCH = 0x01;
const CMPXCHG = 0xf1;
const LOAD_ACQUIRE = 0x100;

/** Bit r: register r is live before the slot. */
export function liveRegistersOf(raw: RawCode, callees: ReadonlyMap<number, Callee>, flow: Flow): Uint16Array {
  const live = new Uint16Array(raw.length);
  const used = new Uint16Array(raw.length);
  const defined = new Uint16Array(raw.length);
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    used[slot] = usedBy(raw, slot, callees.get(slot));
    defined[slot] = definedBy(raw, slot);
  }
  for (const order of flow.postorder) {
    let changed = true;
    while (changed) {
      changed = false;
      for (const slot of order) {
        const next = flow.next[slot] as number;
        const target = flow.target[slot] as number;
        const after = (next < 0 ? 0 : (live[next] as number)) | (target < 0 ? 0 : (live[target] as number));
        const before = (after & ~(defined[slot] as number)) | (used[slot] as number);
        if (before === live[slot]) continue;
        live[slot] = before;
        changed = true;
      }
    }
  }
  return live;
}

function usedBy(raw: RawCode, slot: number, callee: Callee | undefined): number {
  const code = raw.code(slot);
  const dst = 1 << raw.dst(slot);
  const src = 1 << raw.src(slot);
  const operand = (code & 0x08) === 0 ? 0 : src;
  const op = code & 0xf0;
  switch (code & 7) {
    case CLASS.ld:
      return raw.isPacketLoad(slot) ? ALL : 0;
    case CLASS.ldx:
      return src;
    case CLASS.st:
      return dst;
    case CLASS.stx:
      return atomicOf(raw, slot) === LOAD_ACQUIRE ? src : dst | src | (atomicOf(raw, slot) === CMPXCHG ? R0 : 0);
    case CLASS.alu:
    case CLASS.alu64:
      if (op === NEG || op === END) return dst;
      return op === MOV ? operand : dst | operand;
    default:
      break;
  }
  if (op === GOTO || op === MAY_GOTO) return 0;
  if (op === EXIT) return R0;
  if (op !== CALL) return dst | operand;
  return callee === undefined || callee.params === null ? ARGUMENTS : (2 << callee.params) - 2;
}

function definedBy(raw: RawCode, slot: number): number {
  const code = raw.code(slot);
  const dst = 1 << raw.dst(slot);
  switch (code & 7) {
    case CLASS.ld:
      return raw.isLoadImm64(slot) ? dst : 0;
    case CLASS.ldx:
    case CLASS.alu:
    case CLASS.alu64:
      return dst;
    case CLASS.stx: {
      const atomic = atomicOf(raw, slot);
      if (atomic === LOAD_ACQUIRE) return dst;
      if (atomic === CMPXCHG) return R0;
      return (atomic & FETCH) === 0 ? 0 : 1 << raw.src(slot);
    }
    case CLASS.jmp:
      return (code & 0xf0) === CALL ? CALLER_SAVED : 0;
    default:
      return 0;
  }
}

/** Which atomic operation; 0 (an addition that gives nothing back) for a plain store. */
function atomicOf(raw: RawCode, slot: number): number {
  return (raw.code(slot) & 0xe0) === ATOMIC ? raw.imm(slot) : 0;
}
