/**
 * Arrays whose entries are things that user space puts in by descriptor: programs, cgroups, perf events. There are no
 * descriptors here, so a write of bytes fails as one of a bad descriptor does; each type has a setter that takes the thing.
 */
import { ERRNO } from "../errno.ts";
import { indexOf, keyOf, nextIndex } from "./array.ts";
import { VmMap } from "./map.ts";

export abstract class IndexedMap<T> extends VmMap {
  private readonly things = new Map<number, T>();

  /** What stands at an index, or null. */
  at(index: number): T | null {
    return this.things.get(index) ?? null;
  }

  override remove(key: Uint8Array): number {
    const index = indexOf(key);
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    return this.things.delete(index) ? 0 : -ERRNO.ENOENT;
  }

  /** The indices that have something, though user space's walk visits each index. */
  override keys(): Uint8Array[] {
    return [...this.things.keys()].sort((a, b) => a - b).map(keyOf);
  }

  /** Puts a thing at an index, or nothing. Throws MapError (E2BIG). */
  protected put(index: number, thing: T | null): void {
    this.check("set an entry", index < this.spec.maxEntries ? 0 : -ERRNO.E2BIG);
    if (thing === null) this.things.delete(index);
    else this.things.set(index, thing);
  }

  protected override next(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.spec.maxEntries);
  }

  protected override read(_key: Uint8Array): Uint8Array | number {
    return -ERRNO.ENOTSUPP;
  }

  protected override write(key: Uint8Array, _value: Uint8Array, flags: number): number {
    if (flags !== 0) return -ERRNO.EINVAL;
    return indexOf(key) < this.spec.maxEntries ? -ERRNO.EBADF : -ERRNO.E2BIG;
  }
}
