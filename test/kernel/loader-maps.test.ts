/** Every map type that programs can be written with: made, written and read through codecs, on the real kernel. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MAP_FLAGS } from "../../lib/kernel/index.ts";
import type { MapSpec, Value } from "../../lib/object/index.ts";
import { load, possibleCpus } from "../../loader/index.ts";
import type { BpfMap, LoadedObject } from "../../loader/index.ts";
import { noKernel } from "./bed.ts";
import { map, object, T } from "./specs.ts";

const FLOW = { keyType: T.flow, valueType: T.stats };
const flow = (port: number) => ({ address: new Uint8Array([10, 0, 0, 1]), port, proto: 6, mark: 7 });
const stats = (packets: bigint) => ({ packets, bytes: packets * 100n });
const perCpu = (value: (cpu: number) => Value): Value => Array.from({ length: possibleCpus() }, (_, cpu) => value(cpu));
const NO_PREALLOC = { flags: MAP_FLAGS.no_prealloc };
const prefix = (length: number, ...address: number[]) => ({ length, address: Uint8Array.from(address) });

// Each row: a map, and entries to write and read back.
// prettier-ignore
const ROUND_TRIPS: readonly (readonly [MapSpec, readonly (readonly [Value, Value])[]])[] = [
  [map("a", "array", 4, 8, 3, { keyType: T.u32, valueType: T.u64 }), [[0, 1n], [1, 2n ** 64n - 1n], [2, 0n]]],
  [map("h", "hash", 12, 16, 100, FLOW), [[flow(80), stats(1n)], [flow(443), stats(2n)]]],
  [map("lru", "lru_hash", 12, 16, 100, FLOW), [[flow(80), stats(1n)], [flow(443), stats(2n)]]],
  [map("pa", "percpu_array", 4, 8, 2, { keyType: T.u32, valueType: T.u64 }), [[0, perCpu((cpu) => BigInt(cpu))], [1, perCpu(() => 5n)]]],
  [map("pa4", "percpu_array", 4, 4, 1, { keyType: T.u32, valueType: T.u32 }), [[0, perCpu((cpu) => cpu + 1)]]],
  [map("ph", "percpu_hash", 12, 16, 10, FLOW), [[flow(1), perCpu((cpu) => stats(BigInt(cpu)))]]],
  [map("plru", "lru_percpu_hash", 12, 16, 10, FLOW), [[flow(1), perCpu((cpu) => stats(BigInt(cpu)))]]],
  [map("lpm", "lpm_trie", 8, 4, 10, { keyType: T.prefix, valueType: T.u32, ...NO_PREALLOC }), [[prefix(8, 10, 0, 0, 0), 1], [prefix(24, 10, 1, 2, 0), 2]]],
];

function sorted(entries: Iterable<readonly [Value, Value]>): string[] {
  return [...entries].map((entry) => show(entry)).toSorted();
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part));
}

describe.skipIf(noKernel)("maps", () => {
  test.each(ROUND_TRIPS)("$type keeps what is written", async (spec, entries) => {
    await using loaded = await load(object([], [spec]));
    const m = loaded.map(spec.name);
    for (const [key, value] of entries) m.set(key, value);
    for (const [key, value] of entries) expect(m.get(key)).toEqual(value);
    expect(sorted(m.entries())).toEqual(sorted(entries));
    expect(m.countEntries()).toBe([...m.keys()].length);
  });

  test.each(ROUND_TRIPS.filter(([{ type }]) => !type.startsWith("percpu") && type !== "lru_percpu_hash"))(
    "$type takes entries in bulk",
    async (spec, entries) => {
      await using loaded = await load(object([], [spec]));
      const m = loaded.map(spec.name);
      const keys = Buffer.concat(entries.map(([key]) => m.keyCodec.encode(key)));
      const values = Buffer.concat(entries.map(([, value]) => m.valueCodec.encode(value)));
      m.setAllRaw(keys, values);
      expect(sorted(m.entries())).toEqual(sorted(entries));
      expect(() => m.setAllRaw(keys, values.subarray(1))).toThrow(/need \d+ bytes of values/);
      expect(() => m.deleteAllRaw(keys.subarray(1))).toThrow(/no multiple/);
    },
  );

  test("deleting in bulk passes over what is not there", async () => {
    await using loaded = await load(object([], [map("h", "hash", 4, 4, 8, { keyType: T.u32, valueType: T.u32 })]));
    const m = loaded.map<number, number>("h");
    const keys = new Uint8Array(Uint32Array.of(1, 2, 3, 4, 5).buffer);
    for (const key of [2, 5, 7]) m.set(key, key);
    m.deleteAllRaw(keys);
    expect([...m.entries()]).toEqual([[7, 7]]);
  });

  test("entries that do not fit are refused, those before them stay", async () => {
    await using loaded = await load(object([], [map("h", "hash", 4, 4, 2, { keyType: T.u32, valueType: T.u32 })]));
    const words = new Uint8Array(Uint32Array.of(1, 2, 3).buffer);
    expect(() => loaded.map("h").setAllRaw(words, words)).toThrow(/E2BIG/);
    expect([...loaded.map("h").keys()].length).toBe(2);
  });

  test("an LPM trie answers with the longest prefix", async () => {
    await using loaded = await load(
      object([], [map("lpm", "lpm_trie", 8, 4, 10, { keyType: T.prefix, valueType: T.u32, ...NO_PREALLOC })]),
    );
    const m = loaded.map("lpm");
    m.set(prefix(8, 10, 0, 0, 0), 1);
    m.set(prefix(24, 10, 1, 2, 0), 2);
    expect([m.get(prefix(32, 10, 1, 2, 3)), m.get(prefix(32, 10, 9, 9, 9)), m.get(prefix(32, 11, 0, 0, 1))]).toEqual([
      2,
      1,
      undefined,
    ]);
  });

  test("create, replace, delete, take and has mean what they say", async () => {
    await using loaded = await load(object([], [map("h", "hash", 4, 8, 2, { keyType: T.u32, valueType: T.u64 })]));
    const m = loaded.map<number, bigint>("h");
    expect(() => m.set(1, 1n, "replace")).toThrow(/ENOENT/);
    m.set(1, 1n, "create");
    expect(() => m.set(1, 2n, "create")).toThrow(/EEXIST/);
    m.set(2, 2n);
    expect(() => m.set(3, 3n)).toThrow(/set an entry of map "h".*E2BIG[^]*max_entries/);
    expect([m.has(1), m.delete(1), m.delete(1), m.has(1)]).toEqual([true, true, false, false]);
    expect([m.take(2), m.take(2)]).toEqual([2n, undefined]);
  });

  test("queue and stack give back in their order", async () => {
    const value = { valueType: 0 };
    await using loaded = await load(object([], [map("q", "queue", 0, 1, 4, value), map("s", "stack", 0, 1, 4, value)]));
    // prettier-ignore
    for (const [name, order] of [["q", [1, 2]], ["s", [2, 1]]] as const) {
      const m = loaded.map<never, Uint8Array>(name);
      m.push(Uint8Array.of(1));
      m.push(Uint8Array.of(2));
      expect([m.take()?.[0], m.take()?.[0], m.take()]).toEqual([...order, undefined]);
    }
  });

  test("a value that does not fit its type names the member", async () => {
    await using loaded = await load(object([], [map("h", "hash", 12, 16, 2, FLOW)]));
    const m = loaded.map("h");
    expect(() => m.set(flow(70_000), stats(1n))).toThrow(/key\.port does not fit[^]*u16 \(0 to 65535\)[^]*70000/);
    expect(() => m.set({ port: 1 }, stats(1n))).toThrow(/key\.address/);
    expect(() => m.getRaw(new Uint8Array(3))).toThrow(/12 bytes, not 3/);
  });

  test("raw access and an allocation-free read", async () => {
    await using loaded = await load(object([], [map("h", "hash", 4, 8, 2, { keyType: T.u32, valueType: T.u64 })]));
    const m = loaded.map<number, bigint>("h");
    const [key, value] = [Uint8Array.of(1, 0, 0, 0), Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0)];
    m.setRaw(key, value);
    const into = new Uint8Array(8);
    expect([m.get(1), m.getRaw(key), m.getInto(key, into), into]).toEqual([2n, value, true, value]);
    expect(() => m.getInto(key, new Uint8Array(7))).toThrow(/takes 8 bytes/);
    expect([...m.entriesRaw()]).toEqual([[key, value]]);
  });

  test("100,000 entries come once each, in batches and while entries are deleted", async () => {
    const count = 100_000;
    await using loaded = await load(object([], [map("h", "hash", 4, 4, count, { keyType: T.u32, valueType: T.u32 })]));
    const m = loaded.map<number, number>("h");
    for (let i = 0; i < count; i++) m.set(i, i);
    expect(m.countEntries()).toBe(count);
    const seen = new Set<number>();
    for (const [key, value] of m) {
      expect(value).toBe(key);
      seen.add(key);
      m.delete(key);
    }
    expect(seen.size).toBe(count);
    expect([...m]).toEqual([]);
  });

  test("global data starts with its initial value; read-only data is frozen", async () => {
    const initial = Uint8Array.of(7, 0, 0, 0);
    const data = map(".data", "array", 4, 16, 1, { valueType: T.data, initial: new Uint8Array(16).fill(1) });
    const rodata = map(".rodata", "array", 4, 4, 1, {
      valueType: T.rodata,
      initial,
      frozen: true,
      flags: MAP_FLAGS.rdonly_prog,
    });
    await using loaded = await load(object([], [data, rodata]));
    expect(loaded.map(".data").get(0)).toEqual({ limit: 0x01010101, total: 0x0101010101010101n });
    loaded.map(".data").set(0, { limit: 1, total: 2n });
    expect(loaded.map(".rodata").get(0)).toEqual({ limit: 7 });
    expect(() => loaded.map(".rodata").set(0, { limit: 8 })).toThrow(/EPERM/);
  });
});

describe.skipIf(noKernel)("maps that cannot be", () => {
  // Each row: a map that cannot be made, and what the error says.
  test.each<[MapSpec, RegExp]>([
    [map("r", "ringbuf", 0, 0, 5000), /L005.*"r"[^]*power of two/],
    [map("u", "user_ringbuf", 0, 0, 8), /L005.*"u"[^]*power of two/],
    [map("ops", "struct_ops", 4, 8, 1), /L005.*"ops"[^]*struct_ops/],
    [map("h", "hash", 4, 8, 0), /L002.*create map "h".*EINVAL/],
    [map("h", "hash", 4, 4, 8, { keyType: T.u32, valueType: T.u64 }), /O006.*value of map "h" has 4 bytes, its type 8/],
    [map("h", "hash", 4, 4, 8, { keyType: 99, valueType: T.u32 }), /D001.*type 99/],
    [map("m", "hash_of_maps", 4, 4, 8), /L005.*holds maps/],
    [map("d", "array", 4, 4, 1, { initial: new Uint8Array(5) }), /L005.*"d"[^]*4 bytes[^]*5 bytes/],
  ])("%o", async (spec, message) => {
    const before = readdirSync("/proc/self/fd").length;
    await expect(load(object([], [map("first", "array", 4, 4, 1), spec]))).rejects.toThrow(message);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  test("a closed object is an error, closing again is not", async () => {
    const loaded: LoadedObject = await load(object([], [map("h", "hash", 4, 4, 8)]));
    const m: BpfMap<Uint8Array, Uint8Array> = loaded.map("h");
    loaded.close();
    loaded.close();
    expect(() => m.get(new Uint8Array(4))).toThrow(/map "h" is closed/);
    expect(() => loaded.map("nope")).toThrow(/no map "nope"[^]*expected: h/);
  });
});
