/**
 * Simulated maps against the running kernel's: the same commands and the same helpers on both, every result compared, and
 * the contents at the end. Skipped, saying why, where programs cannot be loaded.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Btf } from "../../lib/btf/index.ts";
import { MAP_FLAGS } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import { createMachine } from "../../lib/vm/index.ts";
import type { Machine, VmMap } from "../../lib/vm/index.ts";
import { canLoad, load, possibleCpus } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { T, TYPES, map, object, program } from "../kernel/specs.ts";
import { u32, u64 } from "./bytes.ts";
import { KernelMap, OPERATIONS, answerOf, operator, pin, requestPacket } from "./kernel-map.ts";
import type { Operation } from "./kernel-map.ts";

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: maps against the kernel: ${loadable.reason}\n`);
const seed = Math.trunc(Math.random() * 2 ** 31);
process.stderr.write(`maps against the kernel: seed ${seed}\n`);

/** A map on both sides, with a program that works on it. */
interface Both {
  readonly machine: Machine;
  readonly loaded: LoadedObject;
  readonly simulated: VmMap;
  readonly real: KernelMap;
}
const opened: LoadedObject[] = [];
afterAll(() => {
  for (const one of opened) one.close();
});

async function onBoth(spec: MapSpec, operations: readonly Operation[]): Promise<Both> {
  const both = object([program("p", "xdp", operator(spec, operations), T.func)], [spec], LOCK_TYPES);
  const loaded = await load(both);
  opened.push(loaded);
  const machine = createMachine(both, { cpus: possibleCpus(), world: { interfaces: [{ ifindex: LOOPBACK }] } });
  return { machine, loaded, simulated: machine.map("m"), real: new KernelMap(loaded.map("m").fd, spec) };
}

// Per-CPU values that a program sees are those of CPU 0, which the machine runs on too.
const pinned = pin("0");
beforeAll(() => void pin("0"));
afterAll(() => void pin(`0-${possibleCpus() - 1}`));

/** One operation on a map; numbers choose among keys and values. */
interface Step {
  readonly what: Command | Operation;
  readonly key: number;
  readonly value: number;
  readonly flags: number;
}
const COMMANDS = ["lookupElem", "updateElem", "deleteElem", "nextKey", "takeElem"] as const;
type Command = (typeof COMMANDS)[number];
const isCommand = (what: string): what is Command => (COMMANDS as readonly string[]).includes(what);

interface Shape {
  readonly spec: MapSpec;
  readonly operations: readonly Operation[];
  /** Keys by number; the last ones may be wrong. */
  readonly keys: readonly Uint8Array[];
  /** The order of keys is the same on both sides. */
  readonly ordered?: true;
  /** Values by number. Default: bytes all alike. */
  readonly values?: readonly Uint8Array[];
  /** Steps that once gave something else; tried before the random ones. */
  readonly found?: readonly Step[];
}

const text = (result: Uint8Array | number): string => (typeof result === "number" ? String(result) : result.join());

/** What the step gives on one side. */
function act(shape: Shape, maps: VmMap | KernelMap, step: Step): string {
  const { ordered } = shape;
  const key = shape.keys[step.key % shape.keys.length] ?? new Uint8Array(0);
  switch (step.what) {
    case "lookupElem":
      return text(maps.lookupElem(key, step.flags < 3 ? 0 : step.flags));
    case "updateElem":
      return text(maps.updateElem(key, valueOf(shape, step.value), step.flags));
    case "deleteElem":
      return text(maps.deleteElem(key));
    case "nextKey": {
      // Where the order differs, what can be compared is whether there is one at all.
      const next = maps.nextKey(ordered ? key : null);
      return ordered || typeof next === "number" ? text(next) : "a key";
    }
    default:
      return text(maps.takeElem(key, step.flags < 3 ? 0 : step.flags));
  }
}

function runStep(both: Both, shape: Shape, step: Step): void {
  const { simulated, real, machine, loaded } = both;
  if (isCommand(step.what)) {
    expect({ step, result: act(shape, simulated, step) }).toEqual({ step, result: act(shape, real, step) });
    return;
  }
  const data = requestPacket({
    helper: OPERATIONS[step.what],
    flags: BigInt(step.flags),
    key: shape.keys[step.key % shape.keys.length] ?? new Uint8Array(0),
    value: shape.values?.[step.value % shape.values.length] ?? bytes(64, step.value),
  });
  const { packet, fault } = machine.run("p", { packet: data });
  expect(fault).toBeNull();
  const answer = (bytes: Uint8Array | null) => (bytes === null ? null : answerOf(bytes, shape.spec.valueSize));
  const theirs = answer(loaded.program("p").testRun({ data }).data);
  expect({ step, result: answer(packet) }).toEqual({ step, result: theirs });
}

const isPerCpu = (spec: MapSpec): boolean => spec.type.includes("percpu");
const hostLength = (spec: MapSpec): number =>
  isPerCpu(spec) ? Math.ceil(spec.valueSize / 8) * 8 * possibleCpus() : spec.valueSize;
/** Padding of a per-CPU value is zero on the way out, so it is on the way in. */
function bytes(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

function valueOf({ spec, values }: Shape, number: number): Uint8Array {
  return values?.[number % values.length] ?? bytes(hostLength(spec), number);
}

/** Entries that can be read, in the order of the walk. */
function contents(maps: VmMap | KernelMap): string[] {
  const entries = maps.keys().map((key) => [key, maps.lookupElem(key)] as const);
  return entries.flatMap(([key, value]) => (typeof value === "number" ? [] : [`${key.join()}: ${value.join()}`]));
}

const numbers = (count: number, size: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => Uint8Array.from([...u32(i), ...new Uint8Array(size)]).subarray(0, size));
const prefix = (length: number, ...data: number[]): Uint8Array => {
  const key = new Uint8Array(8);
  key.set([...u32(length), ...data]);
  return key;
};
// Prefixes that contain each other, that differ behind the prefix, that part in the middle, and one too long.
// prettier-ignore
const PREFIXES = [
  prefix(0), prefix(8, 10), prefix(8, 10, 1), prefix(9, 10, 128), prefix(16, 10, 1), prefix(16, 10, 2), prefix(24, 10, 1, 7),
  prefix(32, 10, 1, 0, 2), prefix(32, 10, 1, 0, 3), prefix(7, 10), prefix(1, 255), prefix(3, 192), prefix(3, 224), prefix(33, 10),
];
const HASH: readonly Operation[] = ["lookup", "update", "remove"];
const PER_CPU: readonly Operation[] = pinned ? HASH : [];
const QUEUE: readonly Operation[] = ["push", "pop", "peek"];
const ZERO_SEED = { flags: MAP_FLAGS.zero_seed };
/** Descriptors that are not open, and 0 where it stands for nothing. */
const DESCRIPTORS = [u32(400), u32(900)];
const LOOPBACK = 1;
const devices = (...more: Uint8Array[]): Uint8Array[] =>
  [LOOPBACK, 0, 4000].map((ifindex) => Uint8Array.from([...u32(ifindex), ...more.flatMap((bytes) => [...bytes])]));
/** NOEXIST and no interface: the kernel complains of the latter. Found with seed 1217207666. */
const NOTHING_OVER_A_DEVICE: readonly Step[] = [
  { what: "updateElem", key: 11, value: 0, flags: 0 },
  { what: "updateElem", key: 11, value: 1, flags: 1 },
];
const NOTHING_BUT_A_PROGRAM: readonly Step[] = NOTHING_OVER_A_DEVICE.map((step) => ({
  ...step,
  value: step.value * 4,
}));
const storage = { flags: 1, keyType: T.u32, valueType: T.u64 };
/** Programs may not read a lock. */
const LOCKED: readonly Operation[] = ["update", "remove"];
/** Values of a lock, a number, and eight bytes. */
const locked = { keyType: T.u32, valueType: TYPES.types.length + 1 };
const LOCK_TYPES: Btf = {
  types: [
    ...TYPES.types,
    { kind: "struct", name: "bpf_spin_lock", size: 4, members: [{ name: "val", type: T.u32, bitOffset: 0 }] },
    {
      kind: "struct",
      name: "guarded",
      size: 16,
      members: [
        { name: "before", type: T.u32, bitOffset: 0 },
        { name: "lock", type: TYPES.types.length, bitOffset: 32 },
        { name: "after", type: T.u64, bitOffset: 64 },
      ],
    },
  ],
};
const inner = map("i", "hash", 4, 4, 1);

// prettier-ignore
const SHAPES: Readonly<Record<string, Shape>> = {
  "hash with locks":        { spec: map("m", "hash", 4, 16, 3, locked), operations: LOCKED, keys: numbers(6, 4) },
  "array with locks":       { spec: map("m", "array", 4, 16, 3, locked), operations: LOCKED, keys: numbers(6, 4), ordered: true },
  "hash":                   { spec: map("m", "hash", 4, 12, 3), operations: HASH, keys: numbers(6, 4) },
  "hash, no_prealloc":      { spec: map("m", "hash", 4, 12, 3, { flags: MAP_FLAGS.no_prealloc }), operations: HASH, keys: numbers(6, 4) },
  "hash, keys of 20 bytes": { spec: map("m", "hash", 20, 4, 3), operations: HASH, keys: numbers(6, 20) },
  "percpu_hash":            { spec: map("m", "percpu_hash", 4, 8, 3), operations: [], keys: numbers(6, 4) },
  "percpu_hash, no_prealloc": { spec: map("m", "percpu_hash", 4, 8, 3, { flags: MAP_FLAGS.no_prealloc }), operations: PER_CPU, keys: numbers(6, 4) },
  "array":                  { spec: map("m", "array", 4, 12, 3), operations: HASH, keys: numbers(6, 4), ordered: true },
  "percpu_array":           { spec: map("m", "percpu_array", 4, 8, 3), operations: [], keys: numbers(6, 4), ordered: true },
  "hash, host reads only":  { spec: map("m", "hash", 4, 12, 3, { flags: MAP_FLAGS.rdonly }), operations: HASH, keys: numbers(6, 4) },
  "hash, host writes only": { spec: map("m", "hash", 4, 12, 3, { flags: MAP_FLAGS.wronly }), operations: HASH, keys: numbers(6, 4) },
  "array, host reads only": { spec: map("m", "array", 4, 12, 3, { flags: MAP_FLAGS.rdonly }), operations: HASH, keys: numbers(6, 4), ordered: true },
  "hash, zero seed":        { spec: map("m", "hash", 4, 8, 9, ZERO_SEED), operations: HASH, keys: numbers(16, 4), ordered: true },
  "hash, zero seed, keys of 15 bytes": { spec: map("m", "hash", 15, 8, 7, ZERO_SEED), operations: HASH, keys: numbers(16, 15), ordered: true },
  "hash, zero seed, keys of 32 bytes": { spec: map("m", "hash", 32, 8, 7, ZERO_SEED), operations: HASH, keys: numbers(16, 32), ordered: true },
  "percpu_hash, zero seed": { spec: map("m", "percpu_hash", 10, 8, 9, ZERO_SEED), operations: PER_CPU, keys: numbers(16, 10), ordered: true },
  "queue":                  { spec: map("m", "queue", 0, 8, 3), operations: QUEUE, keys: [new Uint8Array(0)], ordered: true },
  "stack":                  { spec: map("m", "stack", 0, 12, 3), operations: QUEUE, keys: [new Uint8Array(0)], ordered: true },
  "bloom_filter":           { spec: map("m", "bloom_filter", 0, 8, 3), operations: ["push"], keys: [new Uint8Array(0)], ordered: true },
  "bloom_filter, zero seed": { spec: map("m", "bloom_filter", 0, 8, 10, { ...ZERO_SEED, extra: 2 }), operations: ["push", "peek"], keys: [new Uint8Array(0)], ordered: true },
  "bloom_filter, zero seed, odd values": { spec: map("m", "bloom_filter", 0, 4, 10, { ...ZERO_SEED, extra: 3 }), operations: ["push", "peek"], keys: [new Uint8Array(0)], ordered: true },
  "prog_array":             { spec: map("m", "prog_array", 4, 4, 3), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "perf_event_array":       { spec: map("m", "perf_event_array", 4, 4, 3), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "cgroup_array":           { spec: map("m", "cgroup_array", 4, 4, 3), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "array_of_maps":          { spec: map("m", "array_of_maps", 4, 4, 3, { inner }), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "hash_of_maps":           { spec: map("m", "hash_of_maps", 4, 4, 3, { inner }), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "xskmap":                 { spec: map("m", "xskmap", 4, 4, 3), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "reuseport_sockarray":    { spec: map("m", "reuseport_sockarray", 4, 8, 3), operations: [], keys: numbers(6, 4), values: [u64(400)], ordered: true },
  "reuseport_sockarray of descriptors": { spec: map("m", "reuseport_sockarray", 4, 4, 3), operations: [], keys: numbers(6, 4), values: DESCRIPTORS, ordered: true },
  "sockmap":                { spec: map("m", "sockmap", 4, 8, 3), operations: [], keys: numbers(6, 4), values: [u64(400)], ordered: true },
  "sockhash of descriptors": { spec: map("m", "sockhash", 8, 4, 3), operations: [], keys: numbers(6, 8), values: DESCRIPTORS, ordered: true },
  "devmap":                 { spec: map("m", "devmap", 4, 4, 3), operations: [], keys: numbers(6, 4), values: devices(), ordered: true },
  "devmap with programs":   { spec: map("m", "devmap", 4, 8, 3), operations: [], keys: numbers(6, 4), values: [...devices(u32(0)), ...devices(u32(400)), ...devices(u32(-1))], ordered: true },
  "devmap_hash":            { spec: map("m", "devmap_hash", 4, 4, 3), operations: [], keys: numbers(16, 4), values: devices(), ordered: true, found: NOTHING_OVER_A_DEVICE },
  "devmap_hash with programs": { spec: map("m", "devmap_hash", 4, 8, 5), operations: [], keys: numbers(16, 4), values: [...devices(u32(0)), ...devices(u32(400)), ...devices(u32(-1))], ordered: true, found: NOTHING_BUT_A_PROGRAM },
  "cpumap":                 { spec: map("m", "cpumap", 4, 4, 4), operations: [], keys: numbers(6, 4), values: [0, 64, 16384, 16385].map(u32), ordered: true },
  "stack_trace":            { spec: map("m", "stack_trace", 4, 16, 3), operations: [], keys: numbers(6, 4), ordered: true },
  "cgroup_storage":         { spec: map("m", "cgroup_storage", 8, 8, 0), operations: [], keys: numbers(6, 8), ordered: true },
  "percpu_cgroup_storage":  { spec: map("m", "percpu_cgroup_storage", 16, 8, 0), operations: [], keys: numbers(6, 16), ordered: true },
  "sk_storage":             { spec: map("m", "sk_storage", 4, 8, 0, storage), operations: [], keys: DESCRIPTORS, ordered: true },
  "task_storage":           { spec: map("m", "task_storage", 4, 8, 0, storage), operations: [], keys: DESCRIPTORS, ordered: true },
  "inode_storage":          { spec: map("m", "inode_storage", 4, 8, 0, storage), operations: [], keys: DESCRIPTORS, ordered: true },
  "cgrp_storage":           { spec: map("m", "cgrp_storage", 4, 8, 0, storage), operations: [], keys: DESCRIPTORS, ordered: true },
  "ringbuf":                { spec: map("m", "ringbuf", 0, 0, 4096), operations: [], keys: [new Uint8Array(0)], ordered: true },
  "user_ringbuf":           { spec: map("m", "user_ringbuf", 0, 0, 4096), operations: [], keys: [new Uint8Array(0)], ordered: true },
  "lpm_trie":               { spec: map("m", "lpm_trie", 8, 4, 6, { flags: MAP_FLAGS.no_prealloc }), operations: HASH, keys: PREFIXES, ordered: true },
};

describe.skipIf(!loadable.ok)("random operations give the same", () => {
  test.each(Object.entries(SHAPES))("%s", async (_, shape) => {
    const step: fc.Arbitrary<Step> = fc.record({
      what: fc.constantFrom<Command | Operation>(...COMMANDS, "updateElem", ...shape.operations, ...shape.operations),
      key: fc.nat(15),
      value: fc.nat(255),
      flags: fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 5, 8, 2 ** 32),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const both = await onBoth(shape.spec, shape.operations);
        for (const one of steps) runStep(both, shape, one);
        const [ours, theirs] = [contents(both.simulated), contents(both.real)];
        expect(shape.ordered ? ours : ours.sort()).toEqual(shape.ordered ? theirs : theirs.sort());
        both.loaded.close();
      }),
      { seed, numRuns: 40, examples: shape.found === undefined ? [] : [[[...shape.found]]] },
    );
  });
});

describe.skipIf(!loadable.ok)("batches give the same", () => {
  const batch = (maps: VmMap | KernelMap, shape: Shape): unknown[] => {
    const entries = shape.keys.slice(0, 3).map((key, i) => [key, valueOf(shape, i + 1)] as const);
    const plain = (given: ReturnType<VmMap["lookupBatch"]>) => ({
      result: given.result,
      entries: given.entries.map(([key, value]) => `${key.join()}: ${value.join()}`).sort(),
    });
    return [
      maps.updateBatch(entries),
      maps.updateBatch(entries, 1),
      maps.updateBatch([]),
      plain(maps.lookupBatch(null, 100)),
      plain(maps.lookupBatch(null, 0)),
      plain(maps.lookupBatch(null, 100, 4)),
      plain(maps.lookupBatch(null, 100, 2)),
      maps.deleteBatch(shape.keys.slice(0, 2)),
      maps.deleteBatch(shape.keys.slice(0, 4)),
      plain(maps.takeBatch(null, 100)),
      plain(maps.lookupBatch(null, 100)),
    ];
  };
  test.each(Object.entries(SHAPES))("%s", async (_, shape) => {
    const both = await onBoth(shape.spec, []);
    expect(batch(both.simulated, shape)).toEqual(batch(both.real, shape));
  });

  test("in steps, where the order is the same", async () => {
    for (const name of ["array", "lpm_trie"]) {
      const shape = SHAPES[name];
      if (shape === undefined) throw new Error(name);
      const { simulated, real } = await onBoth(shape.spec, []);
      for (const m of [simulated, real])
        shape.keys.slice(0, 6).forEach((key, i) => m.updateElem(key, bytes(hostLength(shape.spec), i)));
      let [ours, theirs] = [simulated.lookupBatch(null, 2), real.lookupBatch(null, 2)];
      for (let i = 0; i < 5; i++) {
        expect(ours).toMatchObject({ result: theirs.result, entries: theirs.entries });
        if (ours.result !== 0) break;
        [ours, theirs] = [simulated.lookupBatch(ours.cursor, 2), real.lookupBatch(theirs.cursor, 2)];
      }
    }
  });
});
