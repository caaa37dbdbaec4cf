// Instructions as they are in memory, for programs that need not be right: a list of slots {code, dst, src, off, imm}, with
// labels that become offsets when the list is finished. Any slot may be changed to anything afterwards.
//
// Numbers: RFC 9669 sections 3 to 5.

export const CLASS = { ld: 0, ldx: 1, st: 2, stx: 3, alu32: 4, jmp: 5, jmp32: 6, alu64: 7 };
export const SRC_REG = 0x08;
// prettier-ignore
export const ALU = {
  add: 0x00, sub: 0x10, mul: 0x20, div: 0x30, or: 0x40, and: 0x50, lsh: 0x60, rsh: 0x70, neg: 0x80, mod: 0x90, xor: 0xa0, mov: 0xb0,
  arsh: 0xc0, end: 0xd0,
};
// prettier-ignore
export const JUMP = {
  ja: 0x00, eq: 0x10, gt: 0x20, ge: 0x30, set: 0x40, ne: 0x50, sgt: 0x60, sge: 0x70, call: 0x80, exit: 0x90, lt: 0xa0, le: 0xb0,
  slt: 0xc0, sle: 0xd0, may_goto: 0xe0,
};
/** Size bits by bytes. */
export const SIZE = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };
export const MODE = { imm: 0x00, mem: 0x60, memsx: 0x80, atomic: 0xc0 };
export const ATOMIC = { add: 0x00, or: 0x40, and: 0x50, xor: 0xa0, fetch: 0x01, xchg: 0xe1, cmpxchg: 0xf1 };
/** `src` of a 64-bit immediate load, and of a call. */
export const PSEUDO = { map_fd: 1, map_value: 2, func: 4 };
export const CALL = { helper: 0, local: 1, kfunc: 2 };

const SLOT_SIZE = 8;

export class Code {
  slots = [];
  /** [{ slot, map, kind }] as in LoadRequest.mapReferences; `map` is an index of MAPS. */
  references = [];
  #labels = [];
  #pending = [];

  get length() {
    return this.slots.length;
  }

  emit(code, dst = 0, src = 0, off = 0, imm = 0) {
    this.slots.push({ code, dst, src, off, imm: imm | 0 });
  }

  // ---- arithmetic; `value` is {reg} or a number
  alu(op, dst, value, width = 64, off = 0) {
    const kind = (width === 64 ? CLASS.alu64 : CLASS.alu32) | ALU[op];
    if (typeof value === "number") this.emit(kind, dst, 0, off, value);
    else this.emit(kind | SRC_REG, dst, value.reg, off);
  }
  mov(dst, value, width = 64) {
    this.alu("mov", dst, value, width);
  }
  loadImm64(dst, low, high) {
    this.emit(CLASS.ld | MODE.imm | SIZE[8], dst, 0, 0, low);
    this.emit(0, 0, 0, 0, high);
  }

  // ---- memory
  load(size, dst, base, off, signed = false) {
    this.emit(CLASS.ldx | (signed ? MODE.memsx : MODE.mem) | SIZE[size], dst, base, off);
  }
  store(size, base, off, value) {
    if (typeof value === "number") this.emit(CLASS.st | MODE.mem | SIZE[size], base, 0, off, value);
    else this.emit(CLASS.stx | MODE.mem | SIZE[size], base, value.reg, off);
  }
  atomic(op, size, base, off, src) {
    this.emit(CLASS.stx | MODE.atomic | SIZE[size], base, src, off, op);
  }

  // ---- references
  map(dst, map) {
    this.references.push({ slot: this.length, map, kind: "map" });
    this.emit(CLASS.ld | MODE.imm | SIZE[8], dst, PSEUDO.map_fd);
    this.emit(0);
  }
  mapValue(dst, map, offset) {
    this.references.push({ slot: this.length, map, kind: "map_value" });
    this.emit(CLASS.ld | MODE.imm | SIZE[8], dst, PSEUDO.map_value);
    this.emit(0, 0, 0, 0, offset);
  }
  /** The address of the function at a label. */
  functionAddress(dst, label) {
    this.#pending.push({ slot: this.length, label, field: "imm" });
    this.emit(CLASS.ld | MODE.imm | SIZE[8], dst, PSEUDO.func);
    this.emit(0);
  }

  // ---- flow
  label() {
    return this.#labels.push(-1) - 1;
  }
  mark(label) {
    this.#labels[label] = this.length;
  }
  jump(label) {
    this.#pending.push({ slot: this.length, label, field: "off" });
    this.emit(CLASS.jmp | JUMP.ja);
  }
  /** By the immediate: 32 bits far. */
  jumpLong(label) {
    this.#pending.push({ slot: this.length, label, field: "imm" });
    this.emit(CLASS.jmp32 | JUMP.ja);
  }
  jumpIf(op, dst, value, label, width = 64) {
    this.#pending.push({ slot: this.length, label, field: "off" });
    const kind = (width === 64 ? CLASS.jmp : CLASS.jmp32) | JUMP[op];
    if (typeof value === "number") this.emit(kind, dst, 0, 0, value);
    else this.emit(kind | SRC_REG, dst, value.reg);
  }
  mayGoto(label) {
    this.#pending.push({ slot: this.length, label, field: "off" });
    this.emit(CLASS.jmp | JUMP.may_goto);
  }
  call(helper) {
    this.emit(CLASS.jmp | JUMP.call, 0, CALL.helper, 0, helper);
  }
  callLocal(label) {
    this.#pending.push({ slot: this.length, label, field: "imm" });
    this.emit(CLASS.jmp | JUMP.call, 0, CALL.local);
  }
  callKernel(id) {
    this.emit(CLASS.jmp | JUMP.call, 0, CALL.kfunc, 0, id);
  }
  exit() {
    this.emit(CLASS.jmp | JUMP.exit);
  }

  /** Puts distances to labels in place; nothing may be emitted afterwards. */
  finish() {
    for (const { slot, label, field } of this.#pending) this.slots[slot][field] = this.#labels[label] - slot - 1;
    this.#pending = [];
    return this;
  }

  /** The slot of a marked label. */
  slotOf(label) {
    return this.#labels[label];
  }
}

/** Eight bytes a slot, little-endian. */
export function bytesOf(slots) {
  const bytes = new Uint8Array(slots.length * SLOT_SIZE);
  const view = new DataView(bytes.buffer);
  slots.forEach(({ code, dst, src, off, imm }, i) => {
    bytes[i * SLOT_SIZE] = code;
    bytes[i * SLOT_SIZE + 1] = dst | (src << 4);
    view.setInt16(i * SLOT_SIZE + 2, off, true);
    view.setInt32(i * SLOT_SIZE + 4, imm, true);
  });
  return bytes;
}

/** The other way round. */
export function slotsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / SLOT_SIZE }, (_, i) => {
    const at = i * SLOT_SIZE;
    const registers = bytes[at + 1];
    return {
      code: bytes[at],
      dst: registers & 15,
      src: registers >> 4,
      off: view.getInt16(at + 2, true),
      imm: view.getInt32(at + 4, true),
    };
  });
}

/** The first slot of a 64-bit immediate load. */
export function isWide({ code }) {
  return code === (CLASS.ld | MODE.imm | SIZE[8]);
}
