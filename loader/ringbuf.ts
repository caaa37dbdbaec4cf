/**
 * Ring buffer events as an async iterator.
 *
 *   for await (const event of object.ringbuf("events", { signal })) ...
 *
 * Back-pressure: an event's space is given back to the kernel when the event is taken, not before; a consumer that is too
 * slow makes the program's bpf_ringbuf_reserve fail, and the program knows (it can count its drops). Nothing is lost in
 * between, and order is the order of reservation.
 */
import type { Codec } from "../lib/object/index.ts";
import { kernelError, loaderError } from "./errors.ts";
import type { BpfMap } from "./map.ts";
import { Ring } from "./ring.ts";
import { shim } from "./sys/shim.ts";
import { forgetFd, waitReadable } from "./sys/wait.ts";

export interface RingBufferOptions {
  /** Ends the iteration: what had been submitted by then is still yielded, then the loop ends without an error. */
  readonly signal?: AbortSignal;
}

/** Hands a record's bytes over in place; decode or copy them. */
export type Decode<E> = (payload: Uint8Array) => E;

/** Maps that an iteration is reading: a second one would take away its wake-ups. */
const beingRead = new WeakSet<object>();

export class RingBuffer<E = Uint8Array> implements AsyncIterable<E>, AsyncDisposable {
  private readonly fd: number;
  private readonly what: string;
  private readonly decode: Decode<E>;
  private readonly mappings: readonly ArrayBuffer[];
  private readonly ring: Ring;
  private readonly stopped = new AbortController();
  private readonly signal: AbortSignal;
  private readonly map: object;

  /** Maps the buffer of a `ringbuf` map, which must stay open until the ring buffer is closed. */
  constructor(map: BpfMap<never, never>, decode: Decode<E>, { signal }: RingBufferOptions = {}) {
    if (map.shape.type !== "ringbuf") {
      throw loaderError("L004", `${map.what} is not a ring buffer`, { expected: "ringbuf", found: map.shape.type });
    }
    this.map = map;
    this.fd = map.fd;
    this.what = map.what;
    this.decode = decode;
    const pageSize = shim().pageSize;
    const size = map.shape.maxEntries;
    const consumer = this.mmap(pageSize, 0, true);
    const producer = this.mmap(pageSize + 2 * size, pageSize, false);
    this.mappings = [consumer, producer];
    this.ring = new Ring({ consumer, producer, pageSize, size });
    this.signal = signal === undefined ? this.stopped.signal : AbortSignal.any([signal, this.stopped.signal]);
  }

  /** The next event if there is one; does not wait. */
  read(): E | undefined {
    return this.closed ? undefined : this.ring.next(this.decode)?.value;
  }

  /** Bytes that programs have reserved and nobody has taken yet. */
  get pending(): number {
    return this.closed ? 0 : this.ring.pending;
  }

  get closed(): boolean {
    return this.stopped.signal.aborted;
  }

  /** Events as they come, until `close` (at once) or the signal (after what is there). One iteration at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<E> {
    if (beingRead.has(this.map)) throw loaderError("L004", `${this.what} is being read already`);
    beingRead.add(this.map);
    try {
      yield* this.follow();
    } finally {
      beingRead.delete(this.map);
    }
  }

  private async *follow(): AsyncGenerator<E> {
    while (!this.signal.aborted) {
      yield* this.drain(Infinity);
      if (!this.signal.aborted) await waitReadable(this.fd, this.signal);
    }
    if (!this.closed) yield* this.drain(this.ring.producedTo());
  }

  // Looks at `closed` again after each event: the consumer may have closed us, and the memory is gone then.
  private *drain(limit: number): Generator<E> {
    while (!this.closed && !(limit === Infinity && this.signal.aborted)) {
      const event = this.ring.next(this.decode, limit);
      if (event === undefined) return;
      yield event.value;
    }
  }

  /** Ends the iteration and gives the mappings back. Idempotent. Untaken events stay in the map. */
  close(): void {
    if (this.closed) return;
    this.stopped.abort();
    forgetFd(this.fd);
    for (const mapping of this.mappings) shim().unmap(mapping);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  private mmap(length: number, offset: number, writable: boolean): ArrayBuffer {
    const mapping = shim().mmap(this.fd, length, offset, writable);
    if (typeof mapping === "number") throw kernelError(`map the memory of ${this.what}`, mapping);
    return mapping;
  }
}

/** Decodes with a codec; payloads longer than the type (programs may reserve more) keep only the type's part. */
export function decodeWith(codec: Codec): Decode<unknown> {
  return (payload) => codec.decode(payload);
}
