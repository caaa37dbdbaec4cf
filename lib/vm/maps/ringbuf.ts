/**
 * ringbuf: events from programs to the host, in the order of their reservation; user_ringbuf: the other way round.
 *
 * Room is accounted as the kernel does it, by two positions that only grow: each record takes its size plus an 8-byte
 * header, rounded up to 8, from its reservation until the host has drained it, and a reservation fails that would fill
 * the whole size (a user ring may be filled to the last byte). The host reads up to the first record that is still being
 * written. A reserved record has a region of its own while the program writes it.
 *
 * The host is woken when a record is finished that it would read next, unless BPF_RB_NO_WAKEUP says no or BPF_RB_FORCE_WAKEUP
 * yes; `wakeups` counts. Sources: docs.kernel.org/bpf/ringbuf.html, bpf-helpers(7).
 */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Region } from "../memory.ts";
import { MapError, VmMap } from "./map.ts";

interface RingRecord {
  state: "reserved" | "submitted" | "discarded";
  /** Where its header is. */
  readonly position: number;
  readonly bytes: Uint8Array;
  region: Region | null;
}

const HEADER = 8;
const MAX_RECORD = 0x3fff_ffff; // RINGBUF_MAX_RECORD_SZ
const NO_WAKEUP = 1n; // BPF_RB_NO_WAKEUP
const FORCE_WAKEUP = 2n; // BPF_RB_FORCE_WAKEUP
/** What ringbuf_query answers, by its flags: BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, BPF_RB_CONS_POS, BPF_RB_PROD_POS. */
const QUERIES = ["available", "size", "consumer", "producer"] as const;

export class RingbufMap extends VmMap {
  /** How often the host would have been woken. */
  wakeups = 0;
  private queue: RingRecord[] = [];
  private readonly reserved = new Map<number, RingRecord>();
  private producer = 0;
  private consumer = 0;

  /** The address of `size` bytes to write an event to, or 0 when there is no room. Not zeroed in the kernel, zero here. */
  reserve(size: bigint, flags: bigint): number {
    if (flags !== 0n || size > BigInt(MAX_RECORD)) return 0;
    const record = this.append(Number(size));
    if (record === null) return 0;
    record.region = this.memory.map(`record of ring buffer ${this.name}`, record.bytes.length);
    this.reserved.set(record.region.start, record);
    return record.region.start;
  }

  /** Ends a reservation. False when `address` is not what `reserve` gave. */
  commit(address: number, submit: boolean, flags = 0n): boolean {
    const record = this.reserved.get(address);
    if (record === undefined || record.region === null) return false;
    this.reserved.delete(address);
    record.bytes.set(record.region.bytes);
    this.memory.unmap(record.region);
    record.region = null;
    this.finish(record, submit, flags);
    return true;
  }

  /** Copies an event: 0 or a negative errno. */
  output(data: Uint8Array, flags: bigint): number {
    if ((flags & ~(NO_WAKEUP | FORCE_WAKEUP)) !== 0n) return -ERRNO.EINVAL;
    if (data.length > MAX_RECORD) return -ERRNO.EAGAIN;
    const record = this.append(data.length);
    if (record === null) return -ERRNO.EAGAIN;
    record.bytes.set(data);
    this.finish(record, true, flags);
    return 0;
  }

  /** ringbuf_query: bytes that wait, the size, or a position; 0 for flags that ask for nothing. */
  query(flags: bigint): number {
    const { producer, consumer } = this;
    const answers = { available: producer - consumer, size: this.spec.maxEntries, consumer, producer };
    const asked = QUERIES[Number(flags)];
    return asked === undefined ? 0 : answers[asked];
  }

  /** Discards what a program that has ended left reserved; the trap that says so, or null when there was nothing. */
  checkReleased(): Trap | null {
    const leaked = this.reserved.size;
    for (const address of this.reserved.keys()) this.commit(address, false);
    if (leaked === 0) return null;
    return new Trap(
      "leak",
      `the program ended with ${leaked} record${leaked === 1 ? "" : "s"} of ring buffer ${this.name} neither submitted nor discarded`,
    );
  }

  /** The events submitted since the last call; makes their room free. Stops at a record that is still being written. */
  drain(): Uint8Array[] {
    const end = this.queue.findIndex((record) => record.state === "reserved");
    const done = this.queue.splice(0, end === -1 ? this.queue.length : end);
    for (const record of done) this.consumer += roomOf(record.bytes.length);
    return done.filter((record) => record.state === "submitted").map((record) => record.bytes);
  }

  override keys(): Uint8Array[] {
    return [];
  }
  override remove(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override next(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override read(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override write(): number {
    return -ERRNO.ENOTSUPP;
  }

  private append(size: number): RingRecord | null {
    const room = roomOf(size);
    if (this.producer + room - this.consumer > this.spec.maxEntries - 1) return null;
    const position = this.producer;
    this.producer += room;
    const record: RingRecord = { state: "reserved", position, bytes: new Uint8Array(size), region: null };
    this.queue.push(record);
    return record;
  }

  private finish(record: RingRecord, submit: boolean, flags: bigint): void {
    record.state = submit ? "submitted" : "discarded";
    const nextToRead = record.position === this.consumer;
    if ((flags & FORCE_WAKEUP) !== 0n || (nextToRead && (flags & NO_WAKEUP) === 0n)) this.wakeups++;
  }
}

/** Most samples that one call of user_ringbuf_drain takes. */
const MOST_SAMPLES = 128 * 1024;

export class UserRingbuf extends VmMap {
  private readonly samples: Uint8Array[] = [];
  private used = 0;
  private draining = false;

  /** Adds a sample. Throws MapError: ENOSPC when it does not fit now, E2BIG when it never will. */
  produce(sample: Uint8Array): void {
    const room = roomOf(sample.length);
    if (room > this.spec.maxEntries) throw new MapError(this.name, "add a sample", ERRNO.E2BIG);
    if (this.used + room > this.spec.maxEntries) throw new MapError(this.name, "add a sample", ERRNO.ENOSPC);
    this.used += room;
    this.samples.push(sample.slice());
  }

  /**
   * user_ringbuf_drain: calls `visit` with each sample until it gives false; the room of a sample is free after its call.
   * How many there were, or a negative errno.
   */
  drain(flags: bigint, visit: (sample: Uint8Array) => boolean): number {
    if ((flags & ~(NO_WAKEUP | FORCE_WAKEUP)) !== 0n) return -ERRNO.EINVAL;
    if (this.draining) return -ERRNO.EBUSY;
    this.draining = true;
    try {
      let count = 0;
      for (let more = true; more && count < MOST_SAMPLES; count++) {
        const [sample] = this.samples;
        if (sample === undefined) break;
        more = visit(sample);
        this.samples.shift();
        this.used -= roomOf(sample.length);
      }
      return count;
    } finally {
      this.draining = false;
    }
  }

  /** Samples that no program has seen yet. */
  get waiting(): number {
    return this.samples.length;
  }

  override keys(): Uint8Array[] {
    return [];
  }
  override remove(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override next(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override read(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override write(): number {
    return -ERRNO.ENOTSUPP;
  }
}

function roomOf(size: number): number {
  return Math.ceil((size + HEADER) / 8) * 8;
}
