/**
 * The bytes of a packet or message, in a buffer with room on both sides:
 *
 *   | headroom            | metadata  | linear part       | tailroom  |     rest (fragments)
 *   buffer start          data_meta   data                data_end    buffer end
 *
 * Programs may access [data_meta, data_end). What does not lie there, the rest, is reached through helpers only: later
 * fragments of an XDP packet, the pages of a socket buffer. Sizes as in the kernel's BPF_PROG_TEST_RUN of XDP programs (Linux
 * 6.18): 256 bytes of headroom, of which the kernel keeps 40 for struct xdp_frame, and a buffer of a page less 320 bytes
 * for struct skb_shared_info. A longer packet that is all linear gets a buffer without tailroom.
 */
import { ERRNO } from "./errno.ts";
import type { Memory, Region } from "./memory.ts";

const HEADROOM = 256;
const XDP_FRAME = 40;
const BUFFER = 4096 - 320;
/** Bytes of an XDP packet that lie in its first buffer when it has several; of each later one, a page. */
export const XDP_LINEAR = BUFFER - HEADROOM;
const PAGE = 4096;
/** ETH_HLEN: an XDP program may not make a packet shorter. */
const ETHERNET = 14;
/** Largest metadata, and its granularity (xdp_metalen_invalid). */
const META_MAX = 252;
const EMPTY: Uint8Array = new Uint8Array(0);

export class Packet {
  private readonly memory: Memory;
  private readonly name: string;
  private region: Region;
  /** Offsets in the buffer. */
  private meta = HEADROOM;
  private data = HEADROOM;
  private end = HEADROOM;
  /** What follows the linear part. */
  private rest: Uint8Array = EMPTY;
  /** What comes before it; only messages have that (`expose`). */
  private front: Uint8Array = EMPTY;

  /** `name` is how faults call it. */
  constructor(memory: Memory, name: string) {
    this.memory = memory;
    this.name = name;
    this.region = memory.map(name, BUFFER);
  }

  /** Starts over with these bytes, of which the first `linear` are where programs can access them, behind metadata. */
  load(bytes: Uint8Array, linear = bytes.length, metadata = EMPTY): void {
    this.expose(bytes, 0, Math.min(linear, bytes.length), metadata);
  }

  /** As `load`; what programs can access is the bytes from `start` to `end`. */
  expose(bytes: Uint8Array, start: number, end: number, metadata = EMPTY): void {
    this.place(metadata, bytes.subarray(start, end));
    this.front = start === 0 ? EMPTY : bytes.slice(0, start);
    this.rest = end >= bytes.length ? EMPTY : bytes.slice(end);
  }

  /** All of it, the rest included. */
  get length(): number {
    return this.front.length + this.end - this.data + this.rest.length;
  }
  /** The linear part in place, without metadata. */
  get bytes(): Uint8Array {
    return this.region.bytes.subarray(this.data - this.meta);
  }
  /** A copy of all bytes, without metadata. */
  contents(): Uint8Array {
    if (this.rest.length === 0 && this.front.length === 0) return this.bytes.slice();
    return Uint8Array.from([...this.front, ...this.bytes, ...this.rest]);
  }
  /** A copy of the metadata in front. */
  get metadata(): Uint8Array {
    return this.region.bytes.slice(0, this.data - this.meta);
  }
  /** The headroom that a program may still use. */
  get headroom(): number {
    return this.meta - XDP_FRAME;
  }

  // Addresses, for the context.
  get metaAddress(): number {
    return this.region.base + this.meta;
  }
  get dataAddress(): number {
    return this.region.base + this.data;
  }
  get endAddress(): number {
    return this.region.base + this.end;
  }

  /** A copy of bytes anywhere in the packet, or null when they are not all there. */
  read(offset: number, size: number): Uint8Array | null {
    if (offset + size > this.length) return null;
    const linear = this.bytes;
    if (offset + size <= linear.length) return linear.slice(offset, offset + size);
    return this.contents().slice(offset, offset + size);
  }

  /** Overwrites bytes anywhere in the packet; false when they are not all there. */
  write(offset: number, bytes: Uint8Array): boolean {
    if (offset + bytes.length > this.length) return false;
    const linear = this.bytes;
    const first = Math.max(0, Math.min(bytes.length, linear.length - offset));
    linear.set(bytes.subarray(0, first), Math.min(offset, linear.length));
    this.rest.set(bytes.subarray(first), Math.max(0, offset - linear.length));
    return true;
  }

  /** Makes the first `size` bytes linear; false when there are not as many. */
  pull(size: number): boolean {
    if (size > this.length) return false;
    const missing = size - (this.end - this.data);
    if (missing <= 0) return true;
    const { rest } = this;
    this.place(this.metadata, Uint8Array.from([...this.bytes, ...rest.subarray(0, missing)]));
    this.rest = rest.slice(missing);
    return true;
  }

  /** Takes `remove` bytes out of the linear part at `offset` and puts `insert` zero bytes there. Metadata stays in front. */
  splice(offset: number, remove: number, insert: number): void {
    const old = this.bytes;
    const next = new Uint8Array(old.length - remove + insert);
    next.set(old.subarray(0, offset));
    next.set(old.subarray(offset + remove), offset + insert);
    this.place(this.metadata, next);
  }

  /** Makes the packet as long as that, all of it linear; new bytes are zero. */
  resize(length: number): void {
    const next = new Uint8Array(length);
    next.set(this.contents().subarray(0, length));
    this.place(this.metadata, next);
    this.rest = EMPTY;
  }

  /** bpf_xdp_adjust_head: moves the start, metadata with it; 0 or a negative errno, as all three. */
  adjustHead(delta: number): number {
    const data = this.data + delta;
    const meta = this.data - this.meta;
    if (data < XDP_FRAME + meta || data > this.end - ETHERNET) return -ERRNO.EINVAL;
    this.region.setWindow(0, this.region.capacity);
    this.region.bytes.copyWithin(data - meta, this.meta, this.data);
    this.data = data;
    this.meta = data - meta;
    this.show();
    return 0;
  }

  /** bpf_xdp_adjust_tail: moves the end, of the last fragment if there are any; new bytes are zero. */
  adjustTail(delta: number): number {
    if (this.rest.length > 0) return this.adjustRest(delta);
    const end = this.end + delta;
    if (end > this.region.capacity || end < this.data + ETHERNET) return -ERRNO.EINVAL;
    this.region.setWindow(0, this.region.capacity);
    if (delta > 0) this.region.bytes.fill(0, this.end, end);
    this.end = end;
    this.show();
    return 0;
  }

  /** Fragments are full pages but the last one, which may grow up to a page. */
  private adjustRest(delta: number): number {
    if (delta > 0) {
      const last = ((this.rest.length - 1) % PAGE) + 1;
      if (delta > PAGE - last) return -ERRNO.EINVAL;
      this.rest = Uint8Array.from([...this.rest, ...new Uint8Array(delta)]);
      return 0;
    }
    if (this.length + delta < ETHERNET) return -ERRNO.EINVAL;
    const fromRest = Math.min(-delta, this.rest.length);
    this.rest = this.rest.slice(0, this.rest.length - fromRest);
    this.end += delta + fromRest;
    this.show();
    return 0;
  }

  /** bpf_xdp_adjust_meta: moves the start of the metadata, a multiple of 4 bytes. */
  adjustMeta(delta: number): number {
    const meta = this.meta + delta;
    const length = this.data - meta;
    if (meta < XDP_FRAME || length < 0) return -ERRNO.EINVAL;
    if (length > META_MAX || length % 4 !== 0) return -ERRNO.EACCES;
    this.meta = meta;
    this.show();
    return 0;
  }

  /**
   * Puts the linear part, with metadata in front, behind the headroom; in another buffer when this one is too small.
   * Neither may be a view of the buffer.
   */
  private place(metadata: Uint8Array, linear: Uint8Array): void {
    this.meta = HEADROOM - metadata.length;
    this.data = HEADROOM;
    this.end = HEADROOM + linear.length;
    if (this.end > this.region.capacity) {
      this.memory.unmap(this.region);
      this.region = this.memory.map(this.name, this.end);
    }
    this.region.setWindow(0, this.region.capacity);
    this.region.bytes.fill(0);
    this.region.bytes.set(metadata, this.meta);
    this.region.bytes.set(linear, HEADROOM);
    this.show();
  }

  private show(): void {
    this.region.setWindow(this.meta, this.end - this.meta);
  }
}
