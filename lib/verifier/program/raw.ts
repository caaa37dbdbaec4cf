/**
 * Instructions as they stand in the code, undecoded: where control goes is asked of every slot, also of those whose other
 * fields make no instruction (the kernel complains about these only when a path gets there).
 */
export class RawCode {
  readonly length: number;
  readonly #view: DataView;

  constructor(code: Uint8Array) {
    this.length = code.length >> 3;
    this.#view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  }

  code(slot: number): number {
    return this.#view.getUint8(slot * 8);
  }
  dst(slot: number): number {
    return this.#view.getUint8(slot * 8 + 1) & 15;
  }
  src(slot: number): number {
    return this.#view.getUint8(slot * 8 + 1) >> 4;
  }
  off(slot: number): number {
    return this.#view.getInt16(slot * 8 + 2, true);
  }
  imm(slot: number): number {
    return this.#view.getInt32(slot * 8 + 4, true);
  }

  /** Whether a slot from `start` to before `end` is of a kind. */
  some(start: number, end: number, is: (slot: number) => boolean): boolean {
    for (let slot = start; slot < end; slot += 1) if (is(slot)) return true;
    return false;
  }

  /** The first slot of a 64-bit immediate load. */
  isLoadImm64(slot: number): boolean {
    return this.code(slot) === 0x18;
  }
  /** A call of a function of the program. */
  isLocalCall(slot: number): boolean {
    return this.code(slot) === CALL && this.src(slot) === 1;
  }
  /** A load of a function's address. */
  isFunctionLoad(slot: number): boolean {
    return this.isLoadImm64(slot) && this.src(slot) === 4;
  }
  isHelperCall(slot: number): boolean {
    return this.code(slot) === CALL && this.src(slot) === 0;
  }
  isKernelCall(slot: number): boolean {
    return this.code(slot) === CALL && this.src(slot) === 2;
  }
  /** Loads by absolute or indirect packet offset. */
  isPacketLoad(slot: number): boolean {
    const code = this.code(slot);
    return (code & 7) === 0 && ((code & 0xe0) === 0x20 || (code & 0xe0) === 0x40);
  }
  /** Class LDX. */
  isLoad(slot: number): boolean {
    return (this.code(slot) & 7) === 1;
  }
  /** Stores, atomics and calls that do not enter a function of the program. */
  mayWrite(slot: number): boolean {
    const kind = this.code(slot) & 7;
    return kind === 2 || kind === 3 || this.isHelperCall(slot) || this.isKernelCall(slot);
  }
  /** Class JMP or JMP32. */
  isJump(slot: number): boolean {
    const kind = this.code(slot) & 7;
    return kind === 5 || kind === 6;
  }
  isExit(slot: number): boolean {
    return this.isJump(slot) && (this.code(slot) & 0xf0) === 0x90;
  }
  isCall(slot: number): boolean {
    return this.isJump(slot) && (this.code(slot) & 0xf0) === 0x80;
  }
  isGoto(slot: number): boolean {
    return this.isJump(slot) && (this.code(slot) & 0xf0) === 0;
  }
  isMayGoto(slot: number): boolean {
    return this.code(slot) === 0xe5;
  }
  /** Where a goto, a conditional jump, or a call or load of a function leads. */
  targetOf(slot: number): number {
    const code = this.code(slot);
    const inImm = code === GOTO_LONG || code === CALL || code === 0x18;
    return slot + 1 + (inImm ? this.imm(slot) : this.off(slot));
  }
  /** The slot behind an instruction. */
  after(slot: number): number {
    return slot + (this.isLoadImm64(slot) ? 2 : 1);
  }
}

export const CALL = 0x85;
export const CALL_REGISTER = 0x8d;
export const EXIT = 0x95;
const GOTO_LONG = 0x06;
