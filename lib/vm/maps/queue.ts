/**
 * queue (first in, first out) and stack (last in, first out): values without keys. A push with BPF_EXIST into a full map
 * throws the oldest value away: of a stack that is the one at the bottom.
 *
 * Positions are those of a ring in the kernel: pushing goes to `head`, and a queue is read at its other end.
 */
import { UPDATE_FLAGS } from "../../kernel/index.ts";
import { ERRNO } from "../errno.ts";
import { VmMap } from "./map.ts";

export class QueueMap extends VmMap {
  private readonly values: Uint8Array[] = [];

  override push(value: Uint8Array, flags: number): number {
    if (flags !== UPDATE_FLAGS.any && flags !== UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    if (this.values.length >= this.spec.maxEntries) {
      if (flags !== UPDATE_FLAGS.exist) return -ERRNO.E2BIG;
      this.values.shift();
    }
    this.values.push(value.slice(0, this.spec.valueSize));
    return 0;
  }

  override pop(into: Uint8Array): number {
    return give(this.isStack ? this.values.pop() : this.values.shift(), into);
  }

  override peek(into: Uint8Array): number {
    return give(this.isStack ? this.values.at(-1) : this.values[0], into);
  }

  /** There are no keys; `contents` tells what is inside. */
  override keys(): Uint8Array[] {
    return [];
  }

  /** Copies of all values, the next one to come out first. The kernel has no such operation. */
  contents(): Uint8Array[] {
    const copies = this.values.map((value) => value.slice());
    return this.isStack ? copies.reverse() : copies;
  }

  override remove(): number {
    return -ERRNO.EINVAL;
  }
  protected override next(): number {
    return -ERRNO.EINVAL;
  }
  protected override read(): Uint8Array | number {
    return this.output((into) => this.peek(into));
  }
  protected override write(_key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.push(value, flags);
  }
  protected override extract(): Uint8Array | number {
    return this.output((into) => this.pop(into));
  }

  private output(fill: (into: Uint8Array) => number): Uint8Array | number {
    const value = new Uint8Array(this.spec.valueSize);
    const result = fill(value);
    return result < 0 ? result : value;
  }

  private get isStack(): boolean {
    return this.spec.type === "stack";
  }
}

/** An empty queue's answer to a program is zeros and an error. */
function give(value: Uint8Array | undefined, into: Uint8Array): number {
  if (value === undefined) {
    into.fill(0);
    return -ERRNO.ENOENT;
  }
  into.set(value);
  return 0;
}
