/**
 * The memory that programs see: named regions in a 64-bit address space, every access checked.
 *
 * All of it is one WebAssembly memory, so that compiled programs and the interpreter work on the same bytes: an address
 * is an offset in it. Addresses are below 4 GiB, because contexts hold packet pointers in 32-bit fields. The space is cut
 * into pages of 64 KiB; a page belongs to at most one region, so the region of an address is one table look-up:
 *
 *   page   | null | page table    | region A | guard | region B | guard | ...
 *   offset 0      0x10000         0x110000 (start)   (start)
 *
 * A region starts at a page (a packet may be moved inside its buffer, see `setWindow`) and an unused page follows it, so
 * that running over an end never reaches a neighbour and the message can name the region that was meant.
 *
 * A region may be a table of elements (`stride` apart, `element` bytes accessible): the values of a map are one region,
 * but access across the end of a value is a fault, as the kernel's verifier sees it.
 *
 * The page table says the same to compiled code: 16 bytes for each page of the space, `PAGE_ENTRY` tells their meaning.
 * The memory is a shared one, for only then do views of its bytes stay valid when it grows.
 */
import { truncate } from "./semantics.ts";
import type { Size } from "../isa/index.ts";
import { vmError } from "./diagnostics.ts";
import { SCRATCH } from "./engine.ts";
import { Trap } from "./fault.ts";
import { FUNCTION_BASE } from "./functions.ts";

const PAGE_BITS = 16;
const PAGE = 1 << PAGE_BITS;
const SPACE = 2 ** 32;
export const PAGES = SPACE / PAGE;
/** A fault within this distance of a region is told as being past its end or before its start. */
const NEAR = 1 << 20;

/**
 * The page table: where it starts, bytes of an entry, and offsets in an entry of its 32-bit little-endian fields. `access`
 * is one of `PAGE_ACCESS`: what compiled code may do without asking (`some`: load anywhere, store in some places).
 * `element`: for a table, the accessible bytes of each element; elements are that rounded up to 8 bytes apart.
 */
// prettier-ignore
export const PAGE_ENTRY = { table: PAGE, bits: PAGE_BITS, size: 16, start: 0, length: 4, access: 8, element: 12 } as const;
export const PAGE_ACCESS = { none: 0, readWrite: 1, readOnly: 2, some: 3 } as const;
const NO_ENTRY = { start: 0, length: 0, access: PAGE_ACCESS.none, element: 0 };
const FIRST_PAGE = 1 + (PAGES * PAGE_ENTRY.size) / PAGE;
/** Pages added at least when the memory grows. */
const GROWTH = 64;

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
  private readonly moved: (region: Region) => void;

  /** Made by `Memory.map`; `moved` is told when the window changes. */
  constructor(name: string, base: number, buffer: Uint8Array, options: RegionOptions, moved: (region: Region) => void) {
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
    this.moved = moved;
  }

  /** Makes only `length` bytes from `offset` of the buffer accessible. */
  setWindow(offset: number, length: number): void {
    this.start = this.base + offset;
    this.length = length;
    this.bytes = this.buffer.subarray(offset, offset + length);
    this.view = viewOf(this.bytes);
    this.moved(this);
  }

  /** Bytes of the whole buffer, whatever the window. */
  get capacity(): number {
    return this.buffer.length;
  }

  /** How compiled code may access the region without asking. */
  get access(): number {
    if (this.opaque !== null || this.stride !== Math.ceil(this.element / 8) * 8) return PAGE_ACCESS.none;
    if (typeof this.writable === "function") return PAGE_ACCESS.some;
    return this.writable ? PAGE_ACCESS.readWrite : PAGE_ACCESS.readOnly;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class Memory {
  /** What compiled programs import. */
  readonly wasm = new WebAssembly.Memory({ initial: FIRST_PAGE + GROWTH, maximum: PAGES, shared: true });
  /** By page number; those before FIRST_PAGE stay free: a null pointer, and small offsets from it. */
  private readonly pages: (Region | undefined)[] = Array.from({ length: FIRST_PAGE }, () => undefined);
  private readonly regions = new Set<Region>();
  /** Runs of pages given back, by length in pages (guard page included). */
  private readonly freed = new Map<number, number[]>();
  /** The page table as 32-bit words; the same object for good. */
  readonly table = new Uint32Array(this.wasm.buffer, PAGE_ENTRY.table, (PAGES * PAGE_ENTRY.size) / 4);
  /** Every byte by address, unchecked; another object after the memory has grown. */
  data = new DataView(this.wasm.buffer);
  /** As `data`, for copying. */
  bytes = new Uint8Array(this.wasm.buffer);

  /** A new region of `length` zero bytes. Throws V010 when the address space is used up. */
  map(name: string, length: number, options: RegionOptions = {}): Region {
    const pages = pagesOf(length);
    const first = this.takePages(pages);
    if (first === null) throw vmError("V010", `no room in simulated memory for ${name} (${length} bytes)`);
    const bytes = new Uint8Array(this.wasm.buffer, first * PAGE, length);
    const region = new Region(name, first * PAGE, bytes, options, (moved) => this.describe(moved));
    this.pages.fill(region, first, first + pages - 1);
    this.regions.add(region);
    this.describe(region);
    return region;
  }

  /** Gives the region's addresses back; later accesses to them are faults. */
  unmap(region: Region): void {
    const first = region.base / PAGE;
    const pages = pagesOf(region.capacity);
    new Uint8Array(this.wasm.buffer, region.base, region.capacity).fill(0);
    this.pages.fill(undefined, first, first + pages - 1);
    this.regions.delete(region);
    for (let page = first; page < first + pages - 1; page++) this.setEntry(page, NO_ENTRY);
    const list = this.freed.get(pages);
    if (list === undefined) this.freed.set(pages, [first]);
    else list.push(first);
  }

  private takePages(pages: number): number | null {
    const reused = this.freed.get(pages)?.pop();
    if (reused !== undefined) return reused;
    const first = this.pages.length;
    if (first + pages > PAGES || !this.reserve(first + pages)) return null;
    for (let i = 0; i < pages; i++) this.pages.push(undefined);
    return first;
  }

  /** Makes the WebAssembly memory at least that many pages long; false when the engine has no room. */
  private reserve(pages: number): boolean {
    const missing = pages - this.wasm.buffer.byteLength / PAGE;
    if (missing <= 0) return true;
    const spare = Math.min(PAGES - pages, Math.max(GROWTH, pages >> 1));
    try {
      this.wasm.grow(missing + spare);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.data = new DataView(this.wasm.buffer);
    this.bytes = new Uint8Array(this.wasm.buffer);
    return true;
  }

  /** Brings the page table up to date for a region. */
  private describe(region: Region): void {
    const first = region.base / PAGE;
    const last = first + pagesOf(region.capacity) - 1;
    for (let page = first; page < last; page++) this.setEntry(page, region);
  }

  private setEntry(page: number, entry: Pick<Region, "start" | "length" | "access" | "element">): void {
    const at = (page * PAGE_ENTRY.size) / 4;
    this.table[at + PAGE_ENTRY.start / 4] = entry.start;
    this.table[at + PAGE_ENTRY.length / 4] = entry.length;
    this.table[at + PAGE_ENTRY.access / 4] = entry.access;
    this.table[at + PAGE_ENTRY.element / 4] = entry.element;
  }

  /** Throws the Trap that an access deserves; returns when it is allowed. */
  check(address: number, size: number, write: boolean): void {
    this.regionFor(address, size, write);
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

  /** As `slice`, for looking on: null where nothing may be read. */
  peek(address: number, size: number): Uint8Array | null {
    const region = this.regionAt(address);
    const offset = address - (region?.start ?? 0);
    const there = region !== null && region.opaque === null && offset >= 0 && offset + size <= region.length;
    return there ? region.bytes.subarray(offset, offset + size) : null;
  }

  /** What a register's value points into: `packet+14`, `value of map flows+8`, `map flows`; null when it is no address. */
  whereIs(value: bigint): string | null {
    if (value === SCRATCH) return "nothing: a call has overwritten it";
    const address = Number(value);
    const region = this.regionAt(address);
    if (region === null) return null;
    if (region.opaque !== null) return region.name;
    const offset = address - region.start;
    const within = region.stride === 0 ? offset : offset % region.stride;
    return `${region.name}${within < 0 ? "-" : "+"}${Math.abs(within)}`;
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
    if (isNear(address, SCRATCH))
      return new Trap(
        "memory",
        `${access} through a register that a call has overwritten: r1 to r5 hold nothing after it`,
      );
    if (isNear(address, FUNCTION_BASE)) return new Trap("memory", `${access} of a function's code`);
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

function isNear(address: number, to: bigint): boolean {
  return Math.abs(address - Number(to)) < NEAR;
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
