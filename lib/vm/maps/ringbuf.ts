/**
 * ringbuf: events from programs to the host, in the order of their reservation.
 *
 * A reserved record has a region of its own while the program writes it. Room is accounted as the kernel does it: each
 * record takes its size plus an 8-byte header, rounded up to 8, until the host has drained it, and the buffer is full
 * when that would fill more than its size less one byte. Source: kernel/bpf/ringbuf.c (Linux 6.18).
 */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Region } from "../memory.ts";
import { VmMap } from "./map.ts";

type RingRecord = { state: "reserved" | "submitted" | "discarded"; readonly bytes: Uint8Array; region: Region | null };

const HEADER = 8;
const MAX_RECORD = 0x3fff_ffff; // RINGBUF_MAX_RECORD_SZ
// BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP: there is nobody to wake here.
const WAKEUP_FLAGS = 3n;

export class RingbufMap extends VmMap {
  private queue: RingRecord[] = [];
  private readonly reserved = new Map<number, RingRecord>();
  private used = 0;

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
  commit(address: number, submit: boolean): boolean {
    const record = this.reserved.get(address);
    if (record === undefined || record.region === null) return false;
    this.reserved.delete(address);
    record.bytes.set(record.region.bytes);
    this.memory.unmap(record.region);
    record.region = null;
    record.state = submit ? "submitted" : "discarded";
    return true;
  }

  /** Copies an event: 0 or a negative errno. */
  output(data: Uint8Array, flags: bigint): number {
    if ((flags & ~WAKEUP_FLAGS) !== 0n) return -ERRNO.EINVAL;
    const record = this.append(data.length);
    if (record === null) return -ERRNO.EAGAIN;
    record.bytes.set(data);
    record.state = "submitted";
    return 0;
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
    for (const record of done) this.used -= roomOf(record.bytes.length);
    return done.filter((record) => record.state === "submitted").map((record) => record.bytes);
  }

  override keys(): Uint8Array[] {
    return [];
  }
  protected override read(_key: Uint8Array): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override write(_key: Uint8Array, _value: Uint8Array, _flags: number): number {
    return -ERRNO.ENOTSUPP;
  }

  private append(size: number): RingRecord | null {
    const room = roomOf(size);
    if (this.used + room > this.spec.maxEntries - 1) return null;
    this.used += room;
    const record: RingRecord = { state: "reserved", bytes: new Uint8Array(size), region: null };
    this.queue.push(record);
    return record;
  }
}

function roomOf(size: number): number {
  return Math.ceil((size + HEADER) / 8) * 8;
}
