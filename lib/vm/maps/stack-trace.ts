/**
 * stack_trace: stacks of addresses by number, each kept once. get_stackid puts a stack in a bucket chosen by its hash and
 * gives the bucket's number; another stack in the same bucket is refused, or with BPF_F_REUSE_STACKID takes its place.
 * Source: bpf-helpers(7).
 */
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { indexOf, keyOf } from "./array.ts";
import { VmMap, same } from "./map.ts";
import type { MapHost } from "./map.ts";
import { hash } from "./table.ts";

export class StackTraceMap extends VmMap {
  private readonly buckets: (Uint8Array | null)[];

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.buckets = Array.from({ length: 2 ** Math.ceil(Math.log2(spec.maxEntries)) }, () => null);
  }

  /** The number of a stack, innermost address first, or -EEXIST. Addresses beyond the value's size are left out. */
  store(addresses: readonly bigint[], reuse: boolean): number {
    const stack = new Uint8Array(this.spec.valueSize);
    const view = new DataView(stack.buffer);
    const kept = addresses.slice(0, stack.length / 8);
    kept.forEach((address, i) => view.setBigUint64(i * 8, address, true));
    const number = hash(view, 0, kept.length * 8) & (this.buckets.length - 1);
    const known = this.buckets[number] ?? null;
    if (known !== null && !same(known, stack) && !reuse) return -ERRNO.EEXIST;
    this.buckets[number] = stack;
    return number;
  }

  override remove(key: Uint8Array): number {
    const number = indexOf(key);
    if (number >= this.buckets.length) return -ERRNO.E2BIG;
    if (this.buckets[number] === null) return -ERRNO.ENOENT;
    this.buckets[number] = null;
    return 0;
  }

  override keys(): Uint8Array[] {
    return this.buckets.flatMap((stack, number) => (stack === null ? [] : [keyOf(number)]));
  }
  protected override read(key: Uint8Array): Uint8Array | number {
    return this.buckets[indexOf(key)]?.slice() ?? -ERRNO.ENOENT;
  }
  protected override write(): number {
    return -ERRNO.EINVAL;
  }
  protected override extract(key: Uint8Array): Uint8Array | number {
    const stack = this.read(key);
    if (typeof stack !== "number") this.remove(key);
    return stack;
  }
}
