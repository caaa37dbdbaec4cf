/** Reading and writing little-endian binary data. Shapes: all offsets and sizes in bytes. */

/** A bounds-checked reader over a byte range. Reading past the end throws `RangeError` with the offset; callers turn it into a diagnostic. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = offset;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  private take(size: number): number {
    const at = this.offset;
    if (at < 0 || size < 0 || at + size > this.bytes.length) {
      throw new RangeError(`${size} bytes wanted at offset ${at} of ${this.bytes.length}`);
    }
    this.offset = at + size;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }
  s16(): number {
    return this.view.getInt16(this.take(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  s32(): number {
    return this.view.getInt32(this.take(4), true);
  }
  u64(): bigint {
    return this.view.getBigUint64(this.take(8), true);
  }
  slice(size: number): Uint8Array {
    const at = this.take(size);
    return this.bytes.subarray(at, at + size);
  }
}

/** A growing little-endian buffer. */
export class Writer {
  private buffer = new Uint8Array(256);
  private view = new DataView(this.buffer.buffer);
  length = 0;

  // Replaces `buffer` and `view`: call it before reading them, not inside an expression that starts with one.
  private grow(size: number): number {
    const at = this.length;
    const need = at + size;
    if (need > this.buffer.length) {
      const next = new Uint8Array(Math.max(need, this.buffer.length * 2));
      next.set(this.buffer.subarray(0, at));
      this.buffer = next;
      this.view = new DataView(next.buffer);
    }
    this.length = need;
    return at;
  }

  u8(value: number): this {
    const at = this.grow(1);
    this.view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.grow(2);
    this.view.setUint16(at, value, true);
    return this;
  }
  u32(value: number): this {
    const at = this.grow(4);
    this.view.setUint32(at, value, true);
    return this;
  }
  u64(value: bigint): this {
    const at = this.grow(8);
    this.view.setBigUint64(at, value, true);
    return this;
  }
  put(bytes: Uint8Array): this {
    const at = this.grow(bytes.length);
    this.buffer.set(bytes, at);
    return this;
  }
  /** Zero bytes up to the next multiple of `size`. */
  align(size: number): this {
    const pad = (size - (this.length % size)) % size;
    this.grow(pad);
    return this;
  }
  /** Overwrite a u32 written earlier. */
  patchU32(at: number, value: number): this {
    this.view.setUint32(at, value, true);
    return this;
  }
  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}
