/**
 * The bytes of a packet or message, in a buffer with room on both sides:
 *
 *   | headroom            | metadata  | packet            | tailroom  |
 *   buffer start          data_meta   data                data_end    buffer end
 *
 * Programs may access [data_meta, data_end). Sizes as in the kernel's BPF_PROG_TEST_RUN of XDP programs (Linux 6.18,
 * net/bpf/test_run.c): 256 bytes of headroom, of which the kernel keeps 40 for struct xdp_frame, and a buffer of a page
 * less 320 bytes for struct skb_shared_info. A longer packet gets a buffer without tailroom.
 */
import { ERRNO } from "./errno.ts";
import type { Memory, Region } from "./memory.ts";

const HEADROOM = 256;
const XDP_FRAME = 40;
const BUFFER = 4096 - 320;
/** ETH_HLEN: an XDP program may not make a packet shorter. */
const ETHERNET = 14;
/** Largest metadata, and its granularity (xdp_metalen_invalid). */
const META_MAX = 252;

export class Packet {
  private readonly memory: Memory;
  private readonly name: string;
  private region: Region;
  /** Offsets in the buffer. */
  private meta = HEADROOM;
  private data = HEADROOM;
  private end = HEADROOM;

  /** `name` is how faults call it. */
  constructor(memory: Memory, name: string) {
    this.memory = memory;
    this.name = name;
    this.region = memory.map(name, BUFFER);
  }

  /** Starts over with these bytes. */
  load(bytes: Uint8Array): void {
    this.meta = this.data = HEADROOM;
    this.end = HEADROOM + bytes.length;
    if (this.end > this.region.capacity) {
      this.memory.unmap(this.region);
      this.region = this.memory.map(this.name, this.end);
    }
    this.region.setWindow(0, this.region.capacity);
    this.region.bytes.fill(0);
    this.region.bytes.set(bytes, HEADROOM);
    this.show();
  }

  get length(): number {
    return this.end - this.data;
  }
  /** The packet in place, without metadata. */
  get bytes(): Uint8Array {
    return this.region.bytes.subarray(this.data - this.meta);
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

  /** bpf_xdp_adjust_tail: moves the end; new bytes are zero. */
  adjustTail(delta: number): number {
    const end = this.end + delta;
    if (end > this.region.capacity || end < this.data + ETHERNET) return -ERRNO.EINVAL;
    this.region.setWindow(0, this.region.capacity);
    if (delta > 0) this.region.bytes.fill(0, this.end, end);
    this.end = end;
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

  private show(): void {
    this.region.setWindow(this.meta, this.end - this.meta);
  }
}
