/**
 * Immutable sets of entries under a number: port tables, and policies.
 *
 * A set is written whole under a new number before anything names it, shared by all who use the same, and deleted after nobody
 * does; nothing is ever edited in place. Numbers are the kernel's alone and are not those of the policy engine, whose numbers
 * start afresh with the agent: an agent that starts finds the sets of the one before it by their contents, and what it writes
 * again is what has changed since.
 */
import { createHash } from "node:crypto";
import { readU32 } from "./layouts.ts";
import type { U32At } from "./layouts.ts";
import type { Gauge, RawMap } from "./maps.ts";

/** Entries of one map that belong to a set. */
export interface Block {
  readonly map: RawMap;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

export interface Kind<T> {
  /** The maps that hold the sets, and where a key has the number. */
  readonly maps: readonly { readonly map: RawMap; readonly owner: U32At }[];
  /** What makes two sources the same set. */
  identify(source: T): unknown;
  /** The entries of a set under this number: the same blocks for the same source, but for the number. */
  encode(source: T, number: number): readonly Block[];
}

interface Entry {
  readonly number: number;
  users: number;
}

export class NumberedSets<T> {
  private readonly kind: Kind<T>;
  /** By what `identify` says. */
  private readonly sets = new Map<unknown, Entry>();
  private readonly used = new Map<RawMap, number>();
  /** Sets of an earlier agent that nobody has asked for yet, by contents. */
  private readonly found = new Map<string, number[]>();
  private next = 1;

  constructor(kind: Kind<T>) {
    this.kind = kind;
    this.readFound();
  }

  /** The number of a set, written if it is not there yet. Null: there is no room. Each call wants one `release`. */
  acquire(source: T): number | null {
    const known = this.entryOf(source);
    if (known !== undefined) {
      known.users++;
      return known.number;
    }
    const number = this.adopt(source) ?? this.write(source);
    if (number !== null) this.sets.set(this.kind.identify(source), { number, users: 1 });
    return number;
  }

  /** The number of a set that somebody has acquired. */
  numberOf(source: T): number | undefined {
    return this.entryOf(source)?.number;
  }

  /** The last one takes the set out of the maps: nothing there may name it any more. */
  release(source: T): void {
    const entry = this.entryOf(source);
    if (entry === undefined || --entry.users > 0) return;
    this.sets.delete(this.kind.identify(source));
    this.remove(this.kind.encode(source, entry.number));
  }

  /** Deletes what an earlier agent left and this one has not asked for. */
  forgetFound(): void {
    const unwanted = new Set([...this.found.values()].flat());
    this.found.clear();
    if (unwanted.size === 0) return;
    for (const { map, owner } of this.kind.maps) {
      const keys = [...map.entriesRaw()].flatMap(([key]) => (unwanted.has(readU32(key, owner)) ? [key] : []));
      this.remove([{ map, keys: Buffer.concat(keys), values: new Uint8Array() }]);
    }
  }

  gauges(): readonly Gauge[] {
    return this.kind.maps.map(({ map }) => {
      return { map: map.name, entries: this.used.get(map) ?? 0, capacity: map.shape.maxEntries };
    });
  }

  private entryOf(source: T): Entry | undefined {
    return this.sets.get(this.kind.identify(source));
  }

  private adopt(source: T): number | undefined {
    if (this.found.size === 0) return undefined;
    const contents = digest(this.kind.encode(source, 0).map(({ keys, values, map }) => rowsOf(map, keys, values)));
    return this.found.get(contents)?.pop();
  }

  private write(source: T): number | null {
    const number = this.next;
    const blocks = this.kind.encode(source, number);
    if (!blocks.every((block) => this.fits(block))) return null;
    this.next++;
    for (const { map, keys, values } of blocks) {
      map.setAllRaw(keys, values);
      this.count(map, keys.length / map.shape.keySize);
    }
    return number;
  }

  private fits({ map, keys }: Block): boolean {
    return (this.used.get(map) ?? 0) + keys.length / map.shape.keySize <= map.shape.maxEntries;
  }

  private remove(blocks: readonly Block[]): void {
    for (const { map, keys } of blocks) {
      map.deleteAllRaw(keys);
      this.count(map, -keys.length / map.shape.keySize);
    }
  }

  private count(map: RawMap, more: number): void {
    this.used.set(map, (this.used.get(map) ?? 0) + more);
  }

  private readFound(): void {
    const rows = new Map<number, string[][]>();
    for (const [i, { map, owner }] of this.kind.maps.entries()) {
      let entries = 0;
      for (const [key, value] of map.entriesRaw()) {
        entries++;
        const number = readU32(key, owner);
        this.next = Math.max(this.next, number + 1);
        const parts = rows.get(number) ?? this.kind.maps.map(() => []);
        rows.set(number, parts);
        parts[i]?.push(rowOf(key.slice().fill(0, owner.at, owner.at + 4), value));
      }
      this.count(map, entries);
    }
    for (const [number, parts] of rows) {
      const contents = digest(parts);
      this.found.set(contents, [...(this.found.get(contents) ?? []), number]);
    }
  }
}

function rowsOf(map: RawMap, keys: Uint8Array, values: Uint8Array): string[] {
  const { keySize } = map.shape;
  const count = keys.length / keySize;
  const valueSize = values.length / Math.max(count, 1);
  return Array.from({ length: count }, (_, i) =>
    rowOf(keys.subarray(i * keySize, (i + 1) * keySize), values.subarray(i * valueSize, (i + 1) * valueSize)),
  );
}

const rowOf = (key: Uint8Array, value: Uint8Array): string =>
  `${Buffer.from(key).toString("base64")} ${Buffer.from(value).toString("base64")}`;

/** The same for the same rows in any order. */
function digest(parts: readonly (readonly string[])[]): string {
  const hash = createHash("sha256");
  for (const rows of parts) hash.update(`${rows.toSorted().join("\n")}\n\n`);
  return hash.digest("base64");
}
