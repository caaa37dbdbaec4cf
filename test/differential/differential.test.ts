// The same packets on every engine: WebAssembly (the source's meaning), interpreter, kernel. Without privilege the first
// two are compared and the third is skipped with the reason.
import { afterAll, describe, expect, test } from "vitest";
import { canLoad } from "../../loader/index.ts";
import { ENGINE_NAMES } from "../../lib/vm/engines.ts";
import { compiled, kernelEngine, vmEngine, wasmEngine, type Engine } from "./engines.ts";
import { chooseSeed, randomFrom, randomPacket, randomSkb } from "./packets.ts";

const seed = chooseSeed();
const loadable = canLoad();
const root = new URL("../../", import.meta.url).pathname;
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
/** An LPM key: prefix length, then the address in network order. */
const prefix = (length: number, ...address: number[]): Uint8Array => Uint8Array.of(length, 0, 0, 0, ...address);

interface Subject {
  readonly path: string;
  readonly program: string;
  /** Maps to compare, and ring buffers. */
  readonly maps: readonly string[];
  readonly events?: readonly string[];
  /** Bytes at the start of an event that hold a time. */
  readonly timeBytes?: number;
  setUp?(engine: Engine): void;
  readonly count: number;
  packet(random: () => number): Uint8Array;
  /** The maps hold the results of one run, so they are compared after each. */
  perRun?: true;
}

/** Eight to seventy random bytes: the language programs read numbers from them. */
const bytes = (random: () => number): Uint8Array => {
  // Small, big and edge values are likelier than uniform bytes would make them.
  const edges = [0, 1, 0x7f, 0x80, 0xff];
  return Uint8Array.from({ length: 24 + (random() % 40) }, () =>
    random() % 3 === 0 ? (edges[random() % 5] as number) : random() & 0xff,
  );
};

const SUBJECTS: Record<string, Subject> = {
  "xdp filter": {
    path: "programs/examples/xdp-filter.ts",
    program: "filter",
    packet: randomPacket,
    maps: ["flows", "verdicts"],
    events: ["drops"],
    timeBytes: 8,
    count: 1000,
    setUp(engine) {
      engine.set("blockedPrefixes", prefix(24, 10, 0, 3, 0), u32(7));
      engine.set("blockedPrefixes", prefix(32, 10, 0, 2, 5), u32(8));
      engine.set("blockedPorts", u32(23), u32(9));
    },
  },
  "tcx policy": {
    path: "programs/examples/tcx-policy.ts",
    program: "policy",
    packet: randomSkb,
    maps: ["rules", "verdicts"],
    events: ["denials"],
    timeBytes: 8,
    count: 1000,
    setUp(engine) {
      for (let i = 0; i < 8; i++) engine.set("identities", u32(0x0a000000 + i), u32(100 + (i & 1)));
      engine.set("rules", Uint8Array.of(100, 0, 0, 0, 80, 0, 6, 0), new Uint8Array(8));
      engine.set("rules", Uint8Array.of(101, 0, 0, 0, 0xbb, 1, 6, 0), new Uint8Array(8));
    },
  },
  "language: headers": {
    path: "test/files/language/headers.ts",
    program: "run",
    maps: ["results"],
    count: 500,
    packet: randomPacket,
    perRun: true,
  },
  "language: maps": {
    path: "test/files/language/maps.ts",
    program: "run",
    maps: ["hash", "lru", "perCpuHash", "lruPerCpu", "array", "perCpuArray"],
    events: ["events"],
    count: 500,
    packet: bytes,
  },
  "language: integers": {
    path: "test/files/language/integers.ts",
    program: "run",
    maps: ["results"],
    count: 500,
    packet: bytes,
    perRun: true,
  },
  "language: narrowing": {
    path: "test/files/language/narrowing.ts",
    program: "run",
    maps: ["results"],
    count: 200,
    packet: bytes,
    perRun: true,
  },
  "language: control": {
    path: "test/files/language/control.ts",
    program: "run",
    maps: ["results", "seen"],
    count: 500,
    packet: bytes,
    perRun: true,
  },
  "language: globals": {
    path: "test/files/language/globals.ts",
    program: "run",
    maps: ["results"],
    count: 500,
    packet: bytes,
    perRun: true,
  },
};

describe.each(Object.entries(SUBJECTS))("%s", (_, subject) => {
  const path = root + subject.path;
  const open: Engine[] = [];
  afterAll(async () => {
    for (const engine of open) await engine[Symbol.asyncDispose]();
  });

  async function compare(make: (path: string) => Promise<Engine>): Promise<void> {
    const object = await compiled(path);
    const reference = await wasmEngine(path, object);
    const other = await make(path);
    open.push(reference, other);
    for (const engine of [reference, other]) subject.setUp?.(engine);
    const random = randomFrom(seed);
    const verdicts = new Set<number>();
    for (let i = 0; i < subject.count; i++) {
      const packet = subject.packet(random);
      const at = `seed ${seed}, packet ${i}: ${Buffer.from(packet).toString("hex")}`;
      const expected = reference.run(subject.program, packet);
      const found = other.run(subject.program, packet);
      expect(found, at).toEqual(expected);
      verdicts.add(found.verdict);
      if (subject.perRun)
        for (const map of subject.maps) expect(other.entries(map), at).toEqual(reference.entries(map));
    }
    for (const map of subject.maps)
      expect(other.entries(map), `seed ${seed}, map ${map}`).toEqual(reference.entries(map));
    for (const ring of subject.events ?? []) {
      const text = (event: Uint8Array): string => Buffer.from(event.subarray(subject.timeBytes ?? 0)).toString("hex");
      const events = other.events(ring).map(text);
      expect(events, `seed ${seed}, events`).toEqual(reference.events(ring).map(text));
      expect(events.length, `seed ${seed}: packets that cause events`).toBeGreaterThan(0);
    }
    if (!subject.perRun && subject.setUp !== undefined)
      expect(verdicts.size, `seed ${seed}: different verdicts`).toBeGreaterThan(1);
  }

  test.each(ENGINE_NAMES)(`%s = wasm (seed ${seed})`, (name) =>
    compare(async () => vmEngine(await compiled(path), name)),
  );
  test.skipIf(!loadable.ok)(`kernel = wasm (seed ${seed})${loadable.ok ? "" : `: skipped, ${loadable.reason}`}`, () =>
    compare(async () => kernelEngine(await compiled(path))),
  );
});
