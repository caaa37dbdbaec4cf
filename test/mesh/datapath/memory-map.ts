/** A map in memory that behaves as the kernel's does in bulk: for tests of the writers without a kernel. */
import type { RawMap } from "../../../mesh/datapath/maps.ts";

export class MemoryMap implements RawMap {
  readonly name: string;
  readonly shape: { readonly maxEntries: number; readonly keySize: number };
  readonly rows = new Map<string, Uint8Array>();
  private readonly log: string[];

  constructor(name: string, keySize: number, maxEntries: number, log: string[] = []) {
    this.name = name;
    this.shape = { keySize, maxEntries };
    this.log = log;
  }

  setAllRaw(keys: Uint8Array, values: Uint8Array): void {
    const count = keys.length / this.shape.keySize;
    const size = values.length / Math.max(count, 1);
    if (count > 0) this.log.push(`set ${this.name} ${count}`);
    for (let i = 0; i < count; i++) {
      this.rows.set(this.keyAt(keys, i), values.slice(i * size, (i + 1) * size));
      if (this.rows.size > this.shape.maxEntries) throw new Error(`E2BIG: ${this.name}`);
    }
  }

  deleteAllRaw(keys: Uint8Array): void {
    const count = keys.length / this.shape.keySize;
    if (count > 0) this.log.push(`delete ${this.name} ${count}`);
    for (let i = 0; i < count; i++) this.rows.delete(this.keyAt(keys, i));
  }

  *entriesRaw(): Generator<[Uint8Array, Uint8Array]> {
    for (const [key, value] of this.rows) yield [Uint8Array.from(Buffer.from(key, "hex")), value.slice()];
  }

  private keyAt(keys: Uint8Array, i: number): string {
    return Buffer.from(keys.slice(i * this.shape.keySize, (i + 1) * this.shape.keySize)).toString("hex");
  }
}
