/**
 * Simulated maps against the running kernel's: the same commands and the same helpers on both, every result compared, and
 * the contents at the end. Skipped, saying why, where programs cannot be loaded.
 */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { MAP_FLAGS } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import { createMachine } from "../../lib/vm/index.ts";
import type { Machine, VmMap } from "../../lib/vm/index.ts";
import { canLoad, load, possibleCpus } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { map, object, program } from "../kernel/specs.ts";
import { u32 } from "./bytes.ts";
import { KernelMap, OPERATIONS, answerOf, operator, requestPacket } from "./kernel-map.ts";
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
  const both = object([program("p", "xdp", operator(spec, operations))], [spec]);
  const loaded = await load(both);
  opened.push(loaded);
  const machine = createMachine(both, { cpus: possibleCpus() });
  return { machine, loaded, simulated: machine.map("m"), real: new KernelMap(loaded.map("m").fd, spec) };
}

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
}

const text = (result: Uint8Array | number): string => (typeof result === "number" ? String(result) : result.join());

/** What the step gives on one side. */
function act(shape: Shape, maps: VmMap | KernelMap, step: Step): string {
  const { spec, ordered } = shape;
  const key = shape.keys[step.key % shape.keys.length] ?? new Uint8Array(0);
  switch (step.what) {
    case "lookupElem":
      return text(maps.lookupElem(key, step.flags < 3 ? 0 : step.flags));
    case "updateElem":
      return text(maps.updateElem(key, bytes(hostLength(spec), step.value), step.flags));
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
    value: bytes(64, step.value),
  });
  const { packet, fault } = machine.run("p", { packet: data });
  expect(fault).toBeNull();
  const answer = (bytes: Uint8Array | null) => (bytes === null ? null : answerOf(bytes, shape.spec.valueSize));
  const theirs = answer(loaded.program("p").testRun({ data }).data);
  expect({ step, result: answer(packet) }).toEqual({ step, result: theirs });
}

const isPerCpu = (spec: MapSpec): boolean => spec.type.includes("percpu");
/** Per-CPU maps are looked at through the host only, by value; the CPU of a test run is not ours to choose. */
const hostLength = (spec: MapSpec): number =>
  isPerCpu(spec) ? Math.ceil(spec.valueSize / 8) * 8 * possibleCpus() : spec.valueSize;
/** Padding of a per-CPU value is zero on the way out, so it is on the way in. */
function bytes(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

function contents(maps: VmMap | KernelMap): string[] {
  return maps.keys().map((key) => `${key.join()}: ${text(maps.lookupElem(key))}`);
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

// prettier-ignore
const SHAPES: Readonly<Record<string, Shape>> = {
  "hash":                   { spec: map("m", "hash", 4, 12, 3), operations: HASH, keys: numbers(6, 4) },
  "hash, no_prealloc":      { spec: map("m", "hash", 4, 12, 3, { flags: MAP_FLAGS.no_prealloc }), operations: HASH, keys: numbers(6, 4) },
  "hash, keys of 20 bytes": { spec: map("m", "hash", 20, 4, 3), operations: HASH, keys: numbers(6, 20) },
  "percpu_hash":            { spec: map("m", "percpu_hash", 4, 8, 3), operations: [], keys: numbers(6, 4) },
  "percpu_hash, no_prealloc": { spec: map("m", "percpu_hash", 4, 8, 3, { flags: MAP_FLAGS.no_prealloc }), operations: [], keys: numbers(6, 4) },
  "array":                  { spec: map("m", "array", 4, 12, 3), operations: HASH, keys: numbers(6, 4), ordered: true },
  "percpu_array":           { spec: map("m", "percpu_array", 4, 8, 3), operations: [], keys: numbers(6, 4), ordered: true },
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
      { seed, numRuns: 40 },
    );
  });
});

describe.skipIf(!loadable.ok)("batches give the same", () => {
  const batch = (maps: VmMap | KernelMap, shape: Shape): unknown[] => {
    const size = hostLength(shape.spec);
    const entries = shape.keys.slice(0, 3).map((key, i) => [key, bytes(size, i + 1)] as const);
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
