/**
 * lpm_trie: the value of the longest prefix that covers a key.
 *
 * A key is a prefix length in bits (u32, little-endian) and the data, matched from the first byte's highest bit on. In
 * place of a trie there is one table for each prefix length in use: a look-up tries them from the longest that the key
 * allows. At most 1 + 8 x data bytes tables, in practice a handful. Source: kernel/bpf/lpm_trie.c (Linux 6.18).
 */
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { Slab } from "../slab.ts";
import type { Slot } from "../slab.ts";
import { indexOf } from "./array.ts";
import { hashKey } from "./key.ts";
import type { HashKey } from "./key.ts";
import { VmMap, refusal } from "./map.ts";
import type { MapHost } from "./map.ts";

interface Entry {
  /** As given: bits after the prefix are kept, though they mean nothing. */
  key: Uint8Array;
  slot: Slot;
}

const LENGTH_BYTES = 4;

export class LpmTrie extends VmMap {
  /** By prefix length; no table is empty. */
  private readonly tables = new Map<number, Map<HashKey, Entry>>();
  /** Prefix lengths in use, descending. */
  private lengths: number[] = [];
  private size = 0;
  private readonly slab: Slab;
  private readonly maxPrefix: number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.maxPrefix = (spec.keySize - LENGTH_BYTES) * 8;
    this.slab = new Slab(
      host.memory,
      `value of map ${spec.name}`,
      spec.valueSize,
      spec.maxEntries + 1,
      this.programWrites,
    );
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.longest(key)?.slot.address ?? 0;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, _cpu: number): number {
    return this.write(key, value, flags);
  }

  override remove(key: Uint8Array): number {
    const prefix = indexOf(key);
    if (prefix > this.maxPrefix) return -ERRNO.EINVAL;
    const table = this.tables.get(prefix);
    const id = masked(key, prefix);
    const entry = table?.get(id);
    if (table === undefined || entry === undefined) return -ERRNO.ENOENT;
    table.delete(id);
    if (table.size === 0) this.setTable(prefix, null);
    this.slab.give(entry.slot);
    this.size--;
    return 0;
  }

  override keys(): Uint8Array[] {
    return this.lengths.flatMap((length) => [...(this.tables.get(length)?.values() ?? [])].map((e) => e.key.slice()));
  }

  /** The longest match, for the host as for programs. */
  protected override read(key: Uint8Array): Uint8Array | null {
    return this.longest(key)?.slot.bytes.slice() ?? null;
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    const prefix = indexOf(key);
    if (prefix > this.maxPrefix) return -ERRNO.EINVAL;
    const id = masked(key, prefix);
    const entry = this.tables.get(prefix)?.get(id);
    const refused = refusal(flags, entry !== undefined);
    if (refused !== 0) return refused;
    if (entry === undefined && this.size >= this.spec.maxEntries) return -ERRNO.ENOSPC;
    const slot = this.slab.take();
    slot.bytes.set(value);
    // A new node takes the old one's place: a program that holds the old value's address still sees the old value.
    if (entry !== undefined) this.slab.give(entry.slot);
    else this.size++;
    this.tableOf(prefix).set(id, { key: key.slice(), slot });
    return 0;
  }

  private longest(key: Uint8Array): Entry | null {
    const prefix = indexOf(key);
    if (prefix > this.maxPrefix) return null;
    for (const length of this.lengths) {
      if (length > prefix) continue;
      const entry = this.tables.get(length)?.get(masked(key, length));
      if (entry !== undefined) return entry;
    }
    return null;
  }

  private tableOf(prefix: number): Map<HashKey, Entry> {
    const table = this.tables.get(prefix) ?? new Map<HashKey, Entry>();
    if (table.size === 0) this.setTable(prefix, table);
    return table;
  }

  private setTable(prefix: number, table: Map<HashKey, Entry> | null): void {
    if (table === null) this.tables.delete(prefix);
    else this.tables.set(prefix, table);
    this.lengths = [...this.tables.keys()].sort((a, b) => b - a);
  }
}

/** The first `prefix` bits of the key's data. */
function masked(key: Uint8Array, prefix: number): HashKey {
  const whole = prefix >> 3;
  const rest = prefix & 7;
  if (rest === 0) return hashKey(key.subarray(LENGTH_BYTES, LENGTH_BYTES + whole));
  const data = key.slice(LENGTH_BYTES, LENGTH_BYTES + whole + 1);
  data[whole] = (data[whole] ?? 0) & (0xff << (8 - rest));
  return hashKey(data);
}
