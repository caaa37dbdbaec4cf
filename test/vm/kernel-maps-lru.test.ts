/**
 * LRU maps against the running kernel's, entry for entry: which entries are forgotten, when, and how many. The process is
 * pinned to one CPU for the time, for the kernel keeps lists for each. Skipped where programs cannot be loaded.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMachine } from "../../lib/vm/index.ts";
import type { VmMap } from "../../lib/vm/index.ts";
import { canLoad, load, possibleCpus } from "../../loader/index.ts";
import { valueBytes } from "../../loader/map.ts";
import { object, program } from "../kernel/specs.ts";
import { numberOf, u32 } from "./bytes.ts";
import { KernelMap, OPERATIONS, answerOf, operator, pin, requestPacket } from "./kernel-map.ts";
import { RECORDED, lruSpec, lruSteps } from "./lru-sequence.ts";
import type { LruCase, LruStep } from "./lru-sequence.ts";

const loadable = canLoad();
const pinned = pin("0");
const reason = !loadable.ok ? loadable.reason : !pinned ? "the main thread cannot be pinned to a CPU" : null;
if (reason !== null) process.stderr.write(`skipped: LRU maps against the kernel: ${reason}\n`);

beforeAll(() => void pin("0"));
afterAll(() => void pin(`0-${possibleCpus() - 1}`));

const first = Math.trunc(Math.random() * 2 ** 31) + 1;
process.stderr.write(`LRU maps against the kernel: seed ${first}\n`);

type Run = (data: Uint8Array) => Uint8Array | null;

function act(m: VmMap | KernelMap, run: Run, size: number, step: LruStep): unknown {
  const key = u32(step.key);
  const value = new Uint8Array(size).fill(step.value);
  const byProgram = (helper: number): unknown => {
    const packet = run(requestPacket({ helper, flags: BigInt(step.flags), key, value }));
    return packet === null ? null : answerOf(packet, 8);
  };
  const plain = (result: Uint8Array | number): unknown => (typeof result === "number" ? result : result.join());
  switch (step.what) {
    case "set":
      return m.updateElem(key, value, step.flags);
    case "setByProgram":
      return byProgram(OPERATIONS.update);
    case "look":
      return byProgram(OPERATIONS.lookup);
    case "lookByHost":
      return plain(m.lookupElem(key));
    case "delete":
      return m.deleteElem(key);
    case "deleteByProgram":
      return byProgram(OPERATIONS.remove);
    case "take":
      return plain(m.takeElem(key));
  }
}

const contents = (m: VmMap | KernelMap): string =>
  m
    .keys()
    .map((key) => numberOf(key))
    .sort((a, b) => Number(a) - Number(b))
    .join(" ");

describe.skipIf(reason !== null)("LRU maps forget what the kernel's forget", () => {
  const sizes = [1, 2, 3, 4, 5, 7, 8, 12, 16, 33, 100, 300, 700];
  // prettier-ignore
  const cases: LruCase[] = (["lru_hash", "lru_percpu_hash"] as const).flatMap((type) =>
    [false, true].flatMap((own) => sizes.map((maxEntries, i) => ({ type, own, maxEntries, seed: first + i }))));

  test.each(cases)("$type of $maxEntries, lists of its own: $own", async (one) => {
    const spec = lruSpec(one);
    const both = object([program("p", "xdp", operator(spec, ["lookup", "update", "remove"]))], [spec]);
    const loaded = await load(both);
    try {
      const machine = createMachine(both, { cpus: possibleCpus() });
      const [simulated, real] = [machine.map("m"), new KernelMap(loaded.map("m").fd, spec)];
      const size = simulated.valueLength;
      let i = 0;
      for (const step of lruSteps(one, Math.max(400, one.maxEntries * 4))) {
        const ours = act(simulated, (data) => machine.run("p", { packet: data }).packet, size, step);
        const theirs = act(real, (data) => loaded.program("p").testRun({ data }).data, size, step);
        expect({ i, step, result: ours }).toEqual({ i, step, result: theirs });
        // Walking is slow: after each step only while the map is small.
        if (i++ % Math.ceil(one.maxEntries / 16) === 0)
          expect({ i, step, keys: contents(simulated) }).toEqual({ i, step, keys: contents(real) });
      }
      expect(contents(simulated)).toEqual(contents(real));
    } finally {
      loaded.close();
    }
  });

  test.skipIf(possibleCpus() !== 2).each(RECORDED)("%o as it is recorded", async (one, keys) => {
    const spec = lruSpec(one);
    const loaded = await load(object([program("p", "xdp", operator(spec, ["lookup", "update", "remove"]))], [spec]));
    try {
      const real = new KernelMap(loaded.map("m").fd, spec);
      const size = valueBytes(spec);
      for (const step of lruSteps(one, 300))
        act(real, (data) => loaded.program("p").testRun({ data }).data, size, step);
      expect(contents(real)).toBe(keys);
    } finally {
      loaded.close();
    }
  });

  // Local lists of one CPU are robbed by the other. The host's operations happen on CPU 0: here only the program acts.
  test.skipIf(possibleCpus() < 2).each(cases.filter(({ maxEntries }) => maxEntries < 20))(
    "$type of $maxEntries, lists of its own: $own, on two CPUs",
    async (one) => {
      const spec = lruSpec(one);
      const both = object([program("p", "xdp", operator(spec, ["lookup", "update", "remove"]))], [spec]);
      const loaded = await load(both);
      try {
        const machine = createMachine(both, { cpus: possibleCpus() });
        const [simulated, real] = [machine.map("m"), new KernelMap(loaded.map("m").fd, spec)];
        const steps = [...lruSteps(one, 400)].filter((step) => step.what.endsWith("Program") || step.what === "look");
        for (const [i, step] of steps.entries()) {
          const cpu = Math.floor(i / 20) % 2;
          if (i % 20 === 0) pin(String(cpu));
          const ours = act(simulated, (data) => machine.run("p", { packet: data, cpu }).packet, 8, step);
          const theirs = act(real, (data) => loaded.program("p").testRun({ data }).data, 8, step);
          // Values of the CPUs differ in a per-CPU map, and both sides read this CPU's.
          expect({ i, step, result: ours }).toEqual({ i, step, result: theirs });
          expect({ i, step, keys: contents(simulated) }).toEqual({ i, step, keys: contents(real) });
        }
      } finally {
        loaded.close();
        pin("0");
      }
    },
  );
});
