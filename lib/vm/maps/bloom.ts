/**
 * bloom_filter: remembers values so that asking for one that was pushed always says yes, and asking for another nearly
 * always says no.
 *
 * A value sets (and is looked for at) as many bits as there are hash functions: 5, or what the definition's `extra` says.
 * The bits are maxEntries x functions x 7 / 5, rounded up to a power of two. Hash number i of a value starts from i, as
 * in the kernel with BPF_F_ZERO_SEED; without the flag the kernel adds a random number, so which values are taken for
 * others by mistake differs there from map to map. Source: docs.kernel.org/bpf/map_bloom_filter.html.
 */
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { VmMap } from "./map.ts";
import type { MapHost } from "./map.ts";
import { hash } from "./table.ts";

const DEFAULT_FUNCTIONS = 5;
const MOST_BITS = 2 ** 32;

export class BloomFilter extends VmMap {
  private readonly functions: number;
  private readonly mask: number;
  private readonly bits: Uint8Array;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.functions = spec.extra === undefined || spec.extra === 0 ? DEFAULT_FUNCTIONS : spec.extra;
    const wanted = Math.floor((spec.maxEntries * this.functions * 7) / 5);
    const bits = Math.min(2 ** Math.ceil(Math.log2(Math.max(wanted, 64))), MOST_BITS);
    this.mask = bits - 1;
    this.bits = new Uint8Array(bits / 8);
  }

  override push(value: Uint8Array, flags: number): number {
    if (flags !== 0) return -ERRNO.EINVAL;
    for (const bit of this.places(value)) this.bits[bit >>> 3] = (this.bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
    return 0;
  }

  /** map_peek_elem: 0 when `value` may have been pushed, -ENOENT when it was not. Nothing is written to it. */
  override peek(value: Uint8Array): number {
    const all = this.places(value).every((bit) => ((this.bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0);
    return all ? 0 : -ERRNO.ENOENT;
  }

  /** Adds a value. */
  add(value: Uint8Array): void {
    this.checkLength("value", value, this.spec.valueSize);
    this.check("add a value", this.updateElem(new Uint8Array(0), value));
  }
  /** False: it was never added. True: it was, or is taken for one that was. */
  mayHave(value: Uint8Array): boolean {
    this.checkLength("value", value, this.spec.valueSize);
    return this.peek(value) === 0;
  }

  override keys(): Uint8Array[] {
    return [];
  }
  protected override next(): number {
    return -ERRNO.EOPNOTSUPP;
  }
  /** The command asks for the value in its buffer, which here is always one of zeros: see `mayHave`. */
  protected override read(): Uint8Array | number {
    const value = new Uint8Array(this.spec.valueSize);
    const result = this.peek(value);
    return result < 0 ? result : value;
  }
  protected override write(_key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.push(value, flags);
  }

  private places(value: Uint8Array): number[] {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const { valueSize } = this.spec;
    return Array.from({ length: this.functions }, (_, i) => (hash(view, 0, valueSize, i) & this.mask) >>> 0);
  }
}
