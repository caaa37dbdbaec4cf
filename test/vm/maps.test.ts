/** Simulated maps: what each operation gives as tables, and random operations against plain JavaScript models. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MapType } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import { LpmTrie, MapError, createMachine } from "../../lib/vm/index.ts";
import type { SetMode, VmMap } from "../../lib/vm/index.ts";
import { map, object } from "../kernel/specs.ts";
import { numberOf, u32, u64 } from "./bytes.ts";
import { RECORDED, lruSpec, lruSteps } from "./lru-sequence.ts";

/** The only map of a machine. */
function make(spec: MapSpec, cpus = 1): VmMap {
  return createMachine(object([], [spec]), { cpus }).map(spec.name);
}
const attempt = (action: () => unknown): unknown => {
  try {
    return action() ?? null;
  } catch (error) {
    return error instanceof MapError ? -error.errno : error;
  }
};
const setTo = (m: VmMap, key: number, value: number, mode: SetMode = "any"): unknown =>
  attempt(() => m.set(u32(key), u64(value), mode));

const [EPERM, ENOENT, E2BIG, EEXIST, EINVAL, ENOSPC] = [-1, -2, -7, -17, -22, -28];

describe("results", () => {
  // Maps of two entries, 1 and 2 (arrays: 0 and 1) already set.
  // prettier-ignore
  test.each<[MapType, string, (m: VmMap) => unknown, unknown]>([
    ["hash",     "a third entry",          (m) => setTo(m, 3, 9),                E2BIG],
    ["hash",     "create what is there",   (m) => setTo(m, 1, 9, "create"),      EEXIST],
    ["hash",     "replace what is not",    (m) => setTo(m, 3, 9, "replace"),     ENOENT],
    ["hash",     "replace when full",      (m) => setTo(m, 1, 9, "replace"),     null],
    ["hash",     "get",                    (m) => numberOf(m.get(u32(2))),       20n],
    ["hash",     "get what is not there",  (m) => m.get(u32(3)),                 null],
    ["hash",     "delete",                 (m) => [m.delete(u32(1)), m.delete(u32(1)), setTo(m, 3, 9)], [true, false, null]],
    ["lru_hash", "a third entry",          (m) => [setTo(m, 3, 9), m.get(u32(1)), numberOf(m.get(u32(2)))], [null, null, 20n]],
    ["lru_hash", "reading is not use",     (m) => [m.get(u32(1))?.length, setTo(m, 3, 9), m.get(u32(1))], [8, null, null]],
    ["lru_hash", "writing is use",         (m) => [setTo(m, 1, 7), setTo(m, 3, 9), numberOf(m.get(u32(1))), m.get(u32(2))], [null, null, 7n, null]],
    ["array",    "index too high",         (m) => setTo(m, 2, 9),                E2BIG],
    ["array",    "create",                 (m) => setTo(m, 0, 9, "create"),      EEXIST],
    ["array",    "replace",                (m) => setTo(m, 0, 9, "replace"),     null],
    ["array",    "delete",                 (m) => attempt(() => m.delete(u32(0))), EINVAL],
    ["array",    "get too high",           (m) => m.get(u32(2)),                 null],
    ["array",    "entries",                (m) => [...m.entries()].map(([k, v]) => [numberOf(k), numberOf(v)]), [[0n, 0n], [1n, 10n]]],
  ])("%s: %s", (type, _, act, expected) => {
    const m = make(map("m", type, 4, 8, 2));
    setTo(m, 1, 10);
    if (type !== "array") setTo(m, 2, 20);
    expect(act(m)).toEqual(expected);
  });

  test("an entry deleted while iterating does not disturb the others", () => {
    const m = make(map("m", "hash", 4, 8, 10));
    for (let i = 0; i < 10; i++) setTo(m, i, i);
    const seen: unknown[] = [];
    for (const [key] of m.entries()) {
      seen.push(numberOf(key));
      m.delete(key);
    }
    expect(seen).toHaveLength(10);
    expect([...m.entries()]).toEqual([]);
  });

  test("a value of a per-CPU map is that of each CPU in turn, rounded up to 8 bytes", () => {
    for (const type of ["percpu_array", "percpu_hash", "lru_percpu_hash"] as const) {
      const m = make(map("m", type, 4, 4, 2), 3);
      const value = Uint8Array.from([...u64(1), ...u64(2), ...u64(3)]);
      m.set(u32(1), value);
      expect(m.get(u32(1))).toEqual(value);
      expect(() => m.set(u32(1), u32(1))).toThrow("a value of map m is 24 bytes");
      expect(() => m.set(u64(1), value)).toThrow("a key of map m is 4 bytes");
    }
  });

  test("frozen data is read-only for the host, after its initial value", () => {
    const m = make(map(".rodata", "array", 4, 8, 1, { flags: 128, frozen: true, initial: u64(42) }));
    expect(numberOf(m.get(u32(0)))).toBe(42n);
    expect(setTo(m, 0, 1)).toBe(EPERM);
  });

  test("a ring buffer has neither keys nor values", () => {
    const m = make(map("m", "ringbuf", 0, 0, 4096));
    const nothing = new Uint8Array(0);
    expect(attempt(() => m.get(nothing))).toBe(-524);
    expect(attempt(() => m.set(nothing, nothing))).toBe(-524);
    expect([...m.entries()]).toEqual([]);
  });
});

describe("definitions that the kernel refuses", () => {
  // prettier-ignore
  test.each<[string, MapSpec, string]>([
    ["array with long keys",  map("m", "array", 8, 8, 1),                    "must have a key of 4 bytes: EINVAL"],
    ["hash without keys",     map("m", "hash", 0, 8, 1),                     "must have a key of 1 or more bytes: EINVAL"],
    ["hash without values",   map("m", "hash", 4, 0, 1),                     "must have a value of 1 or more bytes: EINVAL"],
    ["no entries",            map("m", "hash", 4, 4, 0),                     "must have room for at least one entry: EINVAL"],
    ["preallocated trie",     map("m", "lpm_trie", 8, 4, 1),                 "must have the flag BPF_F_NO_PREALLOC"],
    ["trie without data",     map("m", "lpm_trie", 4, 4, 1, { flags: 1 }),   "must have a key of 5 to 260 bytes"],
    ["ring of 6000 bytes",    map("m", "ringbuf", 0, 0, 6000),               "a power of two of at least 4096 bytes"],
    ["ring of 2048 bytes",    map("m", "ringbuf", 0, 0, 2048),               "a power of two of at least 4096 bytes"],
    ["ring with values",      map("m", "ringbuf", 0, 8, 4096),               "must have a value of 0 bytes"],
    ["not simulated",         map("m", "arena", 0, 0, 4, { flags: 1024 }), "map m has the type arena, which is not simulated"],
    ["too big",               map("m", "array", 4, 4096, 2 ** 20),           "map m would take 4294967296 bytes"],
  ])("%s", (_, spec, message) => {
    expect(() => make(spec)).toThrow(message);
  });
});

describe("LRU maps forget what the kernel forgot", () => {
  test.each(RECORDED)("%o", (one, keys) => {
    const m = make(lruSpec(one), 2);
    for (const { what, key, value, flags } of lruSteps(one, 300)) {
      if (what === "set" || what === "setByProgram")
        m.updateElem(u32(key), new Uint8Array(m.valueLength).fill(value), flags);
      else if (what === "look") m.lookup(u32(key), 0);
      else if (what === "lookByHost") m.lookupElem(u32(key));
      else m.deleteElem(u32(key));
    }
    const left = m.keys().map((key) => Number(numberOf(key)));
    expect(left.sort((a, b) => a - b).join(" ")).toBe(keys);
  });
});

describe("random operations against a model", () => {
  const step = fc.record({
    what: fc.constantFrom("set", "set", "delete"),
    key: fc.nat(7),
    value: fc.nat(1000),
    mode: fc.constantFrom<SetMode>("any", "create", "replace"),
  });
  const refused = (mode: SetMode, there: boolean): number | null =>
    there && mode === "create" ? EEXIST : !there && mode === "replace" ? ENOENT : null;

  test("hash", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (steps, room) => {
        const m = make(map("m", "hash", 4, 8, room));
        const model = new Map<number, number>();
        for (const { what, key, value, mode } of steps) {
          const there = model.has(key);
          if (what === "delete") {
            expect(m.delete(u32(key))).toBe(model.delete(key));
            continue;
          }
          const expected = refused(mode, there) ?? (!there && model.size >= room ? E2BIG : null);
          expect(setTo(m, key, value, mode)).toBe(expected);
          if (expected === null) model.set(key, value);
        }
        const entries = Array.from(m.entries(), ([k, v]) => [Number(numberOf(k)), Number(numberOf(v))] as const);
        expect(new Map(entries)).toEqual(model);
        expect(entries).toHaveLength(model.size);
      }),
    );
  });

  test("lpm_trie against trying every prefix", () => {
    const prefix = fc.tuple(
      fc.integer({ min: 0, max: 32 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }).map((b) => b.map((x) => x & 0xc1)),
    );
    const bits = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(2).padStart(8, "0")).join("");
    const keyOf = ([length, data]: [number, Uint8Array]): Uint8Array => Uint8Array.from([...u32(length), ...data]);
    // prettier-ignore
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), prefix), { maxLength: 40 }), fc.array(prefix, { maxLength: 20 }), (changes, lookups) => {
        const m = make(map("m", "lpm_trie", 8, 8, 12, { flags: 1 }));
        expect(m).toBeInstanceOf(LpmTrie);
        const model = new Map<string, number>();
        changes.forEach(([add, [length, data]], i) => {
          const name = bits(data).slice(0, length);
          if (!add) return expect(m.delete(keyOf([length, data]))).toBe(model.delete(name));
          const expected = !model.has(name) && model.size >= 12 ? ENOSPC : null;
          expect(attempt(() => m.set(keyOf([length, data]), u64(i)))).toBe(expected);
          if (expected === null) model.set(name, i);
        });
        for (const [length, data] of lookups) {
          const wanted = bits(data).slice(0, length);
          const best = [...model.keys()].filter((name) => wanted.startsWith(name)).sort((a, b) => b.length - a.length)[0];
          const value = best === undefined ? null : BigInt(model.get(best) ?? -1);
          expect(numberOf(m.get(keyOf([length, data])))).toBe(value);
        }
        expect([...m.entries()]).toHaveLength(model.size);
      }),
    );
  });
});
