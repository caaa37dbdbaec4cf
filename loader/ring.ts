/**
 * The shared memory of a BPF ring buffer, seen from the consumer (Documentation/bpf/ringbuf.rst; kernel/bpf/ringbuf.c).
 *
 *   consumer page (ours to write)   u64 consumer position
 *   producer page (read only)       u64 producer position
 *   data pages, mapped twice        records: u32 length | flags, u32 page offset, payload, padding to 8 bytes
 *
 * Positions only grow; `position % size` is the offset into the data. The data pages follow themselves in memory, so a
 * record that crosses the end is contiguous. The producer first advances its position over a record marked busy, then clears
 * the mark: so a record is ours when its position is below the producer's and its busy bit is clear. Both are read with
 * acquire order before the payload, and the consumer position is published with release order after it, because the
 * kernel reuses the bytes from then on. (Atomics are sequentially consistent, which is more than enough.)
 */

/** Bit 31 of the length: the producer has not finished. BPF_RINGBUF_BUSY_BIT, include/uapi/linux/bpf.h. */
const BUSY = 0x8000_0000;
/** Bit 30: reserved and given up; to be skipped. */
const DISCARDED = 0x4000_0000;
/** BPF_RINGBUF_HDR_SZ. */
const HEADER = 8;

export interface RingMemory {
  readonly consumer: ArrayBuffer;
  /** The producer page, then the data pages twice. Must not be written: the mapping is read-only. */
  readonly producer: ArrayBuffer;
  readonly pageSize: number;
  /** Bytes of data (once); a power of two. */
  readonly size: number;
}

export class Ring {
  private readonly consumerPosition: BigUint64Array;
  private readonly producerPosition: BigUint64Array;
  private readonly headers: Uint32Array;
  private readonly data: Uint8Array;
  private readonly size: number;

  constructor({ consumer, producer, pageSize, size }: RingMemory) {
    this.consumerPosition = new BigUint64Array(consumer, 0, 1);
    this.producerPosition = new BigUint64Array(producer, 0, 1);
    this.headers = new Uint32Array(producer, pageSize, (2 * size) / 4);
    this.data = new Uint8Array(producer, pageSize, 2 * size);
    this.size = size;
  }

  /** Up to where the producer has reserved, finished or not. */
  producedTo(): number {
    return Number(Atomics.load(this.producerPosition, 0));
  }

  /** Bytes that are reserved and not yet taken. */
  get pending(): number {
    return this.producedTo() - this.position;
  }

  // Kept in the shared page only, so several views of one ring never disagree.
  private get position(): number {
    return Number(Atomics.load(this.consumerPosition, 0));
  }

  /**
   * Takes the next finished record that starts before `limit`, or undefined when there is none. The bytes are handed to
   * `take` in place and are the kernel's again when it returns; a failure of `take` counts as taken.
   */
  next<T>(take: (payload: Uint8Array) => T, limit = Infinity): { readonly value: T } | undefined {
    const end = Math.min(this.producedTo(), limit);
    for (let position = this.position; position < end; position = this.position) {
      const at = position % this.size; // not `&`: positions outgrow 32 bits
      const header = Atomics.load(this.headers, at / 4);
      if ((header & BUSY) !== 0) return undefined;
      const length = header & ~(BUSY | DISCARDED);
      const after = position + HEADER + Math.ceil(length / 8) * 8;
      if ((header & DISCARDED) !== 0) {
        this.release(after);
        continue;
      }
      try {
        return { value: take(this.data.subarray(at + HEADER, at + HEADER + length)) };
      } finally {
        this.release(after);
      }
    }
    return undefined;
  }

  private release(position: number): void {
    Atomics.store(this.consumerPosition, 0, BigInt(position));
  }
}
