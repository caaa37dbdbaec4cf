/** Bytes that wait: of a head that is not whole yet, or of the request after the one that is under way. */
const EMPTY = Buffer.alloc(0);

export class HeldBytes {
  private buffer: Buffer = EMPTY;
  private from = 0;
  private to = 0;

  get length(): number {
    return this.to - this.from;
  }

  /** Appends a copy, and gives the whole as one piece, valid until the next call. */
  append(bytes: Buffer, length: number): Buffer {
    if (this.to + length > this.buffer.length) this.makeRoom(length);
    bytes.copy(this.buffer, this.to, 0, length);
    this.to += length;
    return this.whole;
  }

  get whole(): Buffer {
    return this.buffer.subarray(this.from, this.to);
  }

  /** Keeps what comes after the first `count` bytes. */
  drop(count: number): void {
    if (count >= this.length) this.clear();
    else this.from += count;
  }

  clear(): void {
    this.buffer = EMPTY;
    this.from = this.to = 0;
  }

  /** Doubles, so that bytes that come one by one are not copied each time. */
  private makeRoom(length: number): void {
    const kept = this.length;
    const room = Buffer.allocUnsafeSlow(Math.max(2 * kept, kept + length, 1024));
    this.buffer.copy(room, 0, this.from, this.to);
    this.buffer = room;
    this.from = 0;
    this.to = kept;
  }
}
