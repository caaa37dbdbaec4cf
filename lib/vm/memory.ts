/**
 * The memory that programs see: named regions in a 64-bit address space, every access checked.
 *
 * Addresses are below 4 GiB, because contexts hold packet pointers in 32-bit fields. The space is cut into pages of
 * 64 KiB; a page belongs to at most one region, so the region of an address is one table look-up:
 *
 *   page   | null | region A        | guard | region B | guard | ...
 *   offset 0      0x10000 (start)            (start)
 *
 * A region starts at a page (a packet may be moved inside its buffer, see `setWindow`) and an unused page follows it, so
 * that running over an end never reaches a neighbour and the message can name the region that was meant.
 *
 * A region may be a table of elements (`stride` apart, `element` bytes accessible): the values of a map are one region,
 * but access across the end of a value is a fault, as the kernel's verifier sees it.
 */
import { truncate } from "./semantics.ts";
import type { Size } from "../isa/index.ts";
import { vmError } from "./diagnostics.ts";
import { Trap } from "./fault.ts";

const PAGE_BITS = 16;
const PAGE = 1 << PAGE_BITS;
const SPACE = 2 ** 32;
/** A fault within this distance of a region is told as being past its end or before its start. */
const NEAR = 1 << 20;

/** Where programs may write: everywhere, nowhere, or by offset and size. */
export type Writable = boolean | ((offset: number, size: number) => boolean);

export interface RegionOptions {
  /** Default true. Binds programs only: the host writes through `bytes`. */
  readonly writable?: Writable;
  /** Makes the region a table of elements: distance and accessible bytes of each. */
  readonly elements?: { readonly stride: number; readonly size: number };
  /** What to say when a program uses this address as memory at all. */
  readonly opaque?: string;
}

export class Region {
  readonly name: string;
  /** Address of the first byte of the buffer; fixed. */
  readonly base: number;
  /** Address of the first accessible byte. */
  start: number;
  length: number;
  /** The accessible bytes. */
  bytes: Uint8Array;
  view: DataView;
  readonly writable: Writable;
  /** 0: not a table. */
  readonly stride: number;
  readonly element: number;
  readonly opaque: string | null;
  private readonly buffer: Uint8Array;

  /** Made by `Memory.map`. */
  constructor(name: string, base: number, buffer: Uint8Array, options: RegionOptions) {
    this.name = name;
    this.base = base;
    this.start = base;
    this.buffer = buffer;
    this.length = buffer.length;
    this.bytes = buffer;
    this.view = viewOf(buffer);
    this.writable = options.writable ?? true;
    this.stride = options.elements?.stride ?? 0;
    this.element = options.elements?.size ?? 0;
    this.opaque = options.opaque ?? null;
  }

  /** Makes only `length` bytes from `offset` of the buffer accessible. */
  setWindow(offset: number, length: number): void {
    this.start = this.base + offset;
    this.length = length;
    this.bytes = this.buffer.subarray(offset, offset + length);
    this.view = viewOf(this.bytes);
  }

  /** The whole buffer, whatever the window. */
  get capacity(): number {
    return this.buffer.length;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class Memory {
  /** By page number. Page 0 stays free: a null pointer, and small offsets from it. */
  private readonly pages: (Region | undefined)[] = [undefined];
  private readonly regions = new Set<Region>();
  /** Runs of pages given back, by length in pages (guard page included). */
  private readonly freed = new Map<number, number[]>();

  /** A new region over `buffer`. Throws V010 when the address space is used up. */
  map(name: string, buffer: Uint8Array, options: RegionOptions = {}): Region {
    const pages = pagesOf(buffer.length);
    const first = this.takePages(pages);
    if (first === null) throw vmError("V010", `no room in simulated memory for ${name} (${buffer.length} bytes)`);
    const region = new Region(name, first * PAGE, buffer, options);
    this.pages.fill(region, first, first + pages - 1);
    this.regions.add(region);
    return region;
  }

  /** Gives the region's addresses back; later accesses to them are faults. */
  unmap(region: Region): void {
    const first = region.base / PAGE;
    const pages = pagesOf(region.capacity);
    this.pages.fill(undefined, first, first + pages - 1);
    this.regions.delete(region);
    const list = this.freed.get(pages);
    if (list === undefined) this.freed.set(pages, [first]);
    else list.push(first);
  }

  private takePages(pages: number): number | null {
    const reused = this.freed.get(pages)?.pop();
    if (reused !== undefined) return reused;
    const first = this.pages.length;
    if (first + pages > SPACE / PAGE) return null;
    for (let i = 0; i < pages; i++) this.pages.push(undefined);
    return first;
  }

  /** The region in which `size` bytes at `address` may be accessed; anything else is a trap. */
  private regionFor(address: number, size: number, write: boolean): Region {
    if (address >= 0 && address < SPACE) {
      const region = this.pages[address >>> PAGE_BITS];
      if (region !== undefined) {
        const offset = address - region.start;
        // prettier-ignore
        if (offset >= 0 && offset + size <= region.length && fitsElement(region, offset, size)) {
          if (!write || region.writable === true) return region;
          if (region.writable !== false && region.writable(offset, size)) return region;
          throw new Trap("read_only", `write of ${plural(size)} at offset ${offset} of ${region.name}, which is read-only there`);
        }
      }
    }
    throw this.outside(address, size, write);
  }

  /** Little-endian; unsigned. */
  read(address: number, size: Size): bigint {
    const region = this.regionFor(address, size, false);
    const offset = address - region.start;
    switch (size) {
      case 1:
        return BigInt(region.view.getUint8(offset));
      case 2:
        return BigInt(region.view.getUint16(offset, true));
      case 4:
        return BigInt(region.view.getUint32(offset, true));
      case 8:
        return region.view.getBigUint64(offset, true);
    }
  }

  /** Little-endian; stores the low bytes of `value`. */
  write(address: number, size: Size, value: bigint): void {
    const region = this.regionFor(address, size, true);
    const offset = address - region.start;
    switch (size) {
      case 1:
        return region.view.setUint8(offset, Number(value & 0xffn));
      case 2:
        return region.view.setUint16(offset, Number(value & 0xffffn), true);
      case 4:
        return region.view.setUint32(offset, Number(truncate(value, 32)), true);
      case 8:
        return region.view.setBigUint64(offset, value, true);
    }
  }

  /** `size` bytes at `address` in place, for a helper to read (or write, when `write`). No bytes at all are anywhere. */
  slice(address: number, size: number, write = false): Uint8Array {
    if (size === 0) return new Uint8Array(0);
    const region = this.regionFor(address, size, write);
    const offset = address - region.start;
    return region.bytes.subarray(offset, offset + size);
  }

  /** The region that an address is in, accessible or not. */
  regionAt(address: number): Region | null {
    return (address >= 0 && address < SPACE ? this.pages[address >>> PAGE_BITS] : undefined) ?? null;
  }

  private outside(address: number, size: number, write: boolean): Trap {
    const access = `${write ? "write" : "read"} of ${plural(size)}`;
    if (address > -PAGE && address < PAGE) {
      return new Trap("null", `${access} at address ${hex(address)}: a null pointer that was not checked`);
    }
    const region = this.nearest(address);
    if (region === null) return new Trap("memory", `${access} at address ${hex(address)}, where there is no memory`);
    if (region.opaque !== null) return new Trap("memory", `${access} of ${region.name}: ${region.opaque}`);
    return new Trap("memory", `${access}, ${describeMiss(region, address - region.start, size)}`);
  }

  private nearest(address: number): Region | null {
    let best: Region | null = null;
    let least = NEAR;
    for (const region of this.regions) {
      const before = region.start - address;
      const distance = Math.max(before, address - (region.start + region.length), 0);
      if (distance < least) [best, least] = [region, distance];
    }
    return best;
  }
}

function pagesOf(length: number): number {
  return Math.max(1, Math.ceil(length / PAGE)) + 1;
}

function fitsElement(region: Region, offset: number, size: number): boolean {
  return region.stride === 0 || (offset % region.stride) + size <= region.element;
}

function describeMiss(region: Region, offset: number, size: number): string {
  if (offset < 0) return `${plural(-offset)} before the start of ${region.name}`;
  const inTable = region.stride !== 0 && offset < region.length;
  const at = inTable ? offset % region.stride : offset;
  const length = inTable ? region.element : region.length;
  return `${plural(at + size - length)} past the end of ${region.name} (offset ${at} of ${plural(length)})`;
}

// Addresses arrive as doubles: exact wherever there is memory, rounded far beyond it.
function hex(address: number): string {
  return `0x${truncate(BigInt(address), 64).toString(16)}`;
}

function plural(bytes: number): string {
  return bytes === 1 ? "1 byte" : `${bytes} bytes`;
}
