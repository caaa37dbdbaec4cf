// The maps that hold other things than keyed values, in programs on our engines and on the running kernel, where what a program
// leaves is what user space finds, and the other way round. The same object goes through ELF.
import { beforeAll, describe, expect, test } from "vitest";
import { readElf, writeElf } from "../../lib/elf/index.ts";
import { canonicalize } from "../../lib/object/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { attachXdp, load } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { compiled, kernelEngine, vmEngine } from "../differential/engines.ts";
import type { Engine } from "../differential/engines.ts";
import { ENGINE_NAMES } from "../../lib/vm/index.ts";
import { noKernel } from "./bed.ts";

const source = new URL("../files/language/more-maps.ts", import.meta.url).pathname;

const [ABORTED, DROP, PASS, TX, REDIRECT] = [0, 1, 2, 3, 4];

/** A packet of at least Ethernet's length that starts with two little-endian numbers. */
function packet(a: number, b: number): Uint8Array {
  const bytes = new Uint8Array(64);
  new DataView(bytes.buffer).setUint32(0, a, true);
  new DataView(bytes.buffer).setUint32(4, b, true);
  return bytes;
}

/** The verdict, and the first two numbers afterwards. */
function run(object: LoadedObject, name: string, a: number, b: number): number[] {
  const { returnValue, data } = object.program(name).testRun({ data: packet(a, b) });
  const view = new DataView(data.buffer, data.byteOffset);
  return [returnValue, view.getUint32(0, true), view.getUint32(4, true)];
}

let spec: ObjectSpec;
beforeAll(async () => {
  spec = await compiled(source);
});

test("the object survives ELF", () => {
  expect(readElf(writeElf(spec))).toEqual(canonicalize(spec));
});

/** Programs in the order in which they run, on empty maps: the packet's first two numbers, then the verdict and the two. */
// prettier-ignore
const SEQUENCE: readonly (readonly [program: string, a: number, b: number, ...after: number[]])[] = [
  ["order", 10, 0, PASS, 10, 10], ["order", 11, 0, PASS, 10, 11], ["order", 12, 1, PASS, 10, 12], ["order", 13, 2, PASS, 11, 13],
  ["order", 14, 0, PASS, 11, 14], ["order", 15, 0, DROP, 15, 0],
  ["once", 5, 0, PASS, 5, 0], ["once", 5, 0, DROP, 5, 0], ["once", 6, 0, PASS, 6, 0],
  ["count", 1, 9, DROP, 1, 9], ["total", 1, 0, DROP, 1, 0],
  ["forward", 0, 3, PASS, 0, 3], ["forward", 1, 3, DROP, 1, 3], ["forward", 2, 1, ABORTED, 2, 1], ["forward", 3, 0, PASS, 3, 0],
  ["forward", 4, 0, REDIRECT, 4, 0], ["forward", 5, 3, PASS, 5, 3],
];

describe("the same everywhere", () => {
  const expected = SEQUENCE.map(([, , , ...after]) => after);
  const play = (engine: Engine): number[][] =>
    SEQUENCE.map(([program, a, b]) => {
      const { verdict, packet: after } = engine.run(program, packet(a, b));
      const bytes = Uint8Array.from(Buffer.from(after, "hex"));
      const view = new DataView(bytes.buffer);
      return [verdict, view.getUint32(0, true), view.getUint32(4, true)];
    });

  test.each(ENGINE_NAMES)("%s", async (name) => {
    await using engine = vmEngine(spec, name);
    expect(play(engine)).toEqual(expected);
  });
  test.skipIf(noKernel)("kernel", async () => {
    await using engine = await kernelEngine(spec);
    expect(play(engine)).toEqual(expected);
  });
});

describe.skipIf(noKernel)("on the kernel", () => {
  test("queue and stack: oldest and newest; a full queue forgets, a full stack refuses", async () => {
    await using object = await load(spec, { programs: ["order"] });
    expect(run(object, "order", 10, 0)).toEqual([PASS, 10, 10]);
    expect(run(object, "order", 11, 0)).toEqual([PASS, 10, 11]);
    expect(run(object, "order", 12, 1)).toEqual([PASS, 10, 12]); // takes 10
    expect(run(object, "order", 13, 2)).toEqual([PASS, 11, 13]); // takes 13 from the stack
    expect(run(object, "order", 14, 0)).toEqual([PASS, 11, 14]);
    expect(run(object, "order", 15, 0)).toEqual([DROP, 15, 0]); // the queue has made room, the stack is full
    const queue = object.map<undefined, { a: number; b: number }>("queue");
    expect([1, 2, 3, 4, 5].map(() => queue.take()?.a)).toEqual([12, 13, 14, 15, undefined]);
    const stack = object.map<undefined, { value: number }>("stack");
    expect([1, 2, 3, 4, 5].map(() => stack.take()?.value)).toEqual([14, 12, 11, 10, undefined]);
    stack.push({ value: 7 });
    queue.push({ a: 1, b: 2 });
    expect(run(object, "order", 8, 0)).toEqual([PASS, 1, 8]);
    expect(() => [1, 2, 3, 4].forEach(() => stack.push({ value: 0 }))).toThrow(/E2BIG/);
  });

  test("bloom filter: from both sides", async () => {
    await using object = await load(spec, { programs: ["once"] });
    expect(["once", "once"].map((name) => run(object, name, 5, 0)[0])).toEqual([PASS, DROP]);
    const bloom = object.map<undefined, number>("bloom");
    bloom.push(6);
    expect(run(object, "once", 6, 0)[0]).toBe(DROP);
    expect([5, 6].map((value) => bloom.mayHave(value))).toEqual([true, true]);
  });

  test("maps of maps: the program counts in the map that user space put there", async () => {
    await using object = await load(spec, { programs: ["count", "total"] });
    expect(run(object, "count", 1, 9)[0]).toBe(DROP);
    const tenants = object.map<number, number>("tenants");
    const [one, two] = [1, 2].map((tenant) => {
      const inner = object.makeInner<number, { value: bigint }>("tenants");
      tenants.set(tenant, inner.fd);
      return inner;
    });
    const ring = object.makeInner<never, never>("rings");
    object.map<number, number>("rings").set(2, ring.fd);
    expect(
      [run(object, "count", 1, 9), run(object, "count", 1, 9), run(object, "count", 2, 9)].map(([v]) => v),
    ).toEqual([PASS, PASS, PASS]);
    expect([one, two].map((inner) => inner?.get(9)?.value)).toEqual([2n, 1n]);
    one?.set(30, { value: 5n });
    expect(run(object, "total", 1, 0)).toEqual([PASS, 7, 39]);
    expect(run(object, "count", 4, 9)[0]).toBe(DROP); // behind the end
    tenants.delete(1);
    expect(run(object, "count", 1, 9)[0]).toBe(DROP);
    expect(() => object.makeInner("queue")).toThrow(/L004.*holds no maps/);
    expect(ring.shape).toMatchObject({ type: "ringbuf", maxEntries: 4096 });
  });

  test("redirects: where the entry is missing, the flags decide", async () => {
    await using object = await load(spec, { programs: ["forward"] });
    const verdict = (a: number, b: number): number | undefined => run(object, "forward", a, b)[0];
    expect([verdict(0, 3), verdict(1, 3), verdict(2, 1), verdict(3, 0)]).toEqual([PASS, DROP, ABORTED, PASS]);
    expect(verdict(5, 3)).toBe(PASS);
    object.map<number, { ifindex: number; program: number }>("devices").set(3, { ifindex: 1, program: 0 });
    expect(verdict(0, 3)).toBe(4);
    expect(verdict(5, 3)).toBe(TX);
    expect([...object.map<number, unknown>("devices")]).toEqual([[3, { ifindex: 1, program: 0 }]]);
  });

  test("a program behind a device map's entry", async () => {
    await using object = await load(spec, { programs: ["behind"] });
    const behind = object.program("behind");
    const devices = object.map<number, { ifindex: number; program: number }>("devices");
    devices.set(2, { ifindex: 1, program: behind.fd });
    expect(devices.get(2)).toEqual({ ifindex: 1, program: behind.id });
    expect(() => attachXdp(behind, { interface: "lo" })).toThrow(/L004.*behind a devmap[^]*program\.fd/);
  });

  test("all of them load, storages too", async () => {
    await using object = await load(spec);
    expect(object.programs.size).toBe(11);
    expect(object.map("perf").shape.maxEntries).toBeGreaterThan(0);
    object.program("watch").testRun({ data: packet(1, 2), repeat: 3 });
    expect(object.map("sockets").shape).toMatchObject({ type: "sk_storage", maxEntries: 0 });
  });
});
