/**
 * Room for values of one size at addresses that do not change: the memory of a hash table's values.
 *
 * Slots are cut from regions of up to 64 KiB that are made when they are needed. A slot given back is the next one to be
 * given out, as in the kernel's preallocated maps: a program that still holds its address then sees the new value.
 */
import type { Memory } from "./memory.ts";

/** One value: where programs see it, and the same bytes for the host. */
export interface Slot {
  readonly address: number;
  readonly bytes: Uint8Array;
}

const CHUNK = 1 << 16;

export class Slab {
  private readonly memory: Memory;
  private readonly name: string;
  private readonly size: number;
  private readonly stride: number;
  private readonly chunk: number;
  private readonly writable: boolean;
  private readonly free: Slot[] = [];

  /** `name` is how faults call one slot, `most` how many will ever be taken at once. */
  constructor(memory: Memory, name: string, size: number, most: number, writable: boolean) {
    this.memory = memory;
    this.name = name;
    this.size = size;
    this.stride = roundUp8(size);
    this.chunk = Math.min(most, Math.max(1, Math.floor(CHUNK / this.stride)));
    this.writable = writable;
  }

  take(): Slot {
    if (this.free.length === 0) this.grow();
    const slot = this.free.pop();
    if (slot === undefined) throw new Error("a slab that grew has no free slot");
    return slot;
  }

  give(slot: Slot): void {
    this.free.push(slot);
  }

  private grow(): void {
    const count = this.chunk;
    const elements = { stride: this.stride, size: this.size };
    const region = this.memory.map(this.name, count * this.stride, {
      elements,
      writable: this.writable,
    });
    // Last first, so that they are given out in ascending order.
    for (let i = count - 1; i >= 0; i--) {
      const at = i * this.stride;
      this.free.push({ address: region.start + at, bytes: region.bytes.subarray(at, at + this.size) });
    }
  }
}

/** Values of maps take a multiple of 8 bytes. */
export function roundUp8(size: number): number {
  return Math.ceil(size / 8) * 8;
}
