/** Ring buffer events from real programs: in order, none lost, under load, and the ways to stop. */
import { readFileSync, readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  add64,
  alu64,
  atomic,
  call,
  exit,
  jmp,
  label,
  ldx,
  mov64,
  r0,
  r1,
  r2,
  r3,
  r4,
  r6,
  r7,
  r8,
  r10,
  st,
} from "../../lib/asm/index.ts";
import { attachXdp, load } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { Bed, noKernel } from "./bed.ts";
import { ldmap, ldvalue, map, object, program, T } from "./specs.ts";

const openFds = () => readdirSync("/proc/self/fd").length;
const packet = new Uint8Array(64);
const DATA = map(".data", "array", 4, 16, 1, { valueType: T.data, initial: new Uint8Array(16) });
const ring = (maxEntries: number, valueType = 0) => map("events", "ringbuf", 0, 0, maxEntries, { valueType });

/** Sends `total` (a u64 that counts the events) and 8 to 39 bytes more; counts what found no room in `limit`. */
// prettier-ignore
const varied = (hook: "xdp" | "tcx_ingress") => program("varied", hook, [
  ...[-8, -16, -24, -32, -40, -48].map((at) => st(8, r10, at, 0)),
  ldvalue(r6, ".data", 8),
  ldx(8, r7, r6, 0),
  st(8, r10, -48, r7),
  mov64(r3, r7),
  alu64("and", r3, 31),
  add64(r3, 16),
  ldmap(r1, "events"),
  mov64(r2, r10),
  add64(r2, -48),
  mov64(r4, 0),
  call("ringbuf_output"),
  jmp("ne", r0, 0, "full"),
  add64(r7, 1),
  st(8, r6, 0, r7),
  mov64(r0, 2),
  exit(),
  label("full"),
  mov64(r1, 1),
  atomic("add", 4, r6, -8, r1),
  mov64(r0, 2),
  exit(),
]);

/** Reserves a `stats`, keeps two of three. */
const TYPED = program("typed", "xdp", [
  ldvalue(r6, ".data", 8),
  ldx(8, r7, r6, 0),
  add64(r7, 1),
  st(8, r6, 0, r7),
  ldmap(r1, "events"),
  mov64(r2, 16),
  mov64(r3, 0),
  call("ringbuf_reserve"),
  jmp("eq", r0, 0, "out"),
  mov64(r1, r0),
  st(8, r1, 0, r7),
  mov64(r8, r7),
  alu64("mul", r8, 10),
  st(8, r1, 8, r8),
  mov64(r2, 0),
  alu64("mod", r7, 3),
  jmp("eq", r7, 0, "discard"),
  call("ringbuf_submit"),
  mov64(r0, 2),
  exit(),
  label("discard"),
  call("ringbuf_discard"),
  label("out"),
  mov64(r0, 2),
  exit(),
]);

const sequence = (event: Uint8Array) => Number(new DataView(event.buffer, event.byteOffset).getBigUint64(0, true));
const produce = (loaded: LoadedObject, name: string, repeat: number) =>
  loaded.program(name).testRun({ data: packet, repeat });

let before: number;
let bed: Bed;
beforeEach(() => {
  before = openFds();
  bed = new Bed();
});
afterEach(() => {
  bed.close();
});

describe.skipIf(noKernel)("ring buffer", () => {
  test("100,000 records of varied size through a small ring: in order, whole, none lost", async () => {
    // Not XDP: with repeat > 1 the kernel waits for an RCU grace period (16 ms) in each test run of an XDP program.
    await using loaded = await load(object([varied("tcx_ingress")], [ring(16384), DATA]));
    const total = 100_000;
    const events = loaded.ringbuf<Uint8Array>("events");
    let produced = 0;
    let expected = 0;
    produce(loaded, "varied", 100);
    for await (const event of events) {
      if (sequence(event) !== expected) expect(sequence(event)).toBe(expected); // expect() a hundred thousand times is slow
      if (event.length !== 16 + (expected & 31)) expect(event.length).toBe(16 + (expected & 31));
      expected++;
      if (expected === total) break;
      if (events.pending === 0) produced = produce(loaded, "varied", 1 + (produced % 200)).returnValue + expected;
    }
    expect(expected).toBe(total);
    expect(loaded.map(".data").get(0)).toMatchObject({ limit: 0 });
  });

  test("100,000 packets at once with a consumer beside them: consecutive, and every loss was counted by the program", async () => {
    const [from, to] = [bed.netns("a"), bed.netns("b")];
    bed.veth(from, "10.78.0.1/24", to, "10.78.0.2/24");
    await using loaded = await load(object([varied("xdp")], [ring(1 << 16), DATA]));
    await using _link = attachXdp(loaded.program("varied"), { interface: "veth0", netns: to });
    const stop = new AbortController();
    const sending = bed.start(
      `const s = require("dgram").createSocket("udp4"); let left = 100000; s.bind(0, () => {
         (function burst() { for (let i = 0; i < 100 && left > 0; i++, left--) s.send("x", 9, "10.78.0.2"); left > 0 ? setImmediate(burst) : setTimeout(() => console.log("sent"), 300); })(); });`,
      { netns: from },
    );
    let expected = 0;
    const reading = (async () => {
      for await (const event of loaded.ringbuf<Uint8Array>("events", { signal: stop.signal })) {
        if (sequence(event) !== expected) expect(sequence(event)).toBe(expected);
        expected++;
      }
    })();
    await sending;
    stop.abort();
    await reading;
    const { limit: lost, total } = loaded.map<number, { limit: number; total: bigint }>(".data").get(0) ?? {
      limit: 0,
      total: 0n,
    };
    expect(BigInt(expected)).toBe(total);
    expect(expected + lost).toBeGreaterThanOrEqual(100_000);
    expect(expected).toBeGreaterThan(10_000);
  });

  test("events have the type that the map says; discarded ones do not come", async () => {
    await using loaded = await load(object([TYPED], [ring(4096, T.stats), DATA]));
    produce(loaded, "typed", 6);
    const events = loaded.ringbuf<{ packets: bigint; bytes: bigint }>("events");
    const got = [events.read(), events.read(), events.read(), events.read(), events.read()];
    expect(got).toEqual([1n, 2n, 4n, 5n].map((n) => ({ packets: n, bytes: n * 10n })).concat([undefined as never]));
    expect(events.pending).toBe(0);
  });

  test("a consumer that waits is woken; aborting yields what is there and ends; closing ends at once", async () => {
    await using loaded = await load(object([TYPED], [ring(4096, T.stats), DATA]));
    const stop = new AbortController();
    const got: bigint[] = [];
    setTimeout(() => produce(loaded, "typed", 1), 20);
    for await (const { packets } of loaded.ringbuf<{ packets: bigint }>("events", { signal: stop.signal })) {
      got.push(packets);
      if (packets === 1n) {
        produce(loaded, "typed", 4);
        stop.abort();
        produce(loaded, "typed", 2); // after the abort: not ours any more, or ours, but never half of it
      }
    }
    expect(got.slice(0, 4)).toEqual([1n, 2n, 4n, 5n]);

    const events = loaded.ringbuf("events");
    setTimeout(() => events.close(), 20);
    for await (const _ of events) events.close();
    expect([events.closed, events.read(), events.pending]).toEqual([true, undefined, 0]);
    for await (const _ of loaded.ringbuf("events", { signal: AbortSignal.abort() })) expect.unreachable();
  });

  test("one reader at a time; only ring buffers; unread events stay", async () => {
    await using loaded = await load(object([TYPED], [ring(4096, T.stats), DATA]));
    produce(loaded, "typed", 2);
    const events = loaded.ringbuf("events");
    const first = events[Symbol.asyncIterator]();
    await first.next();
    await expect(events[Symbol.asyncIterator]().next()).rejects.toThrow(/being read already/);
    await expect(loaded.ringbuf("events")[Symbol.asyncIterator]().next()).rejects.toThrow(/being read already/);
    await first.return(undefined);
    events.close();
    expect(loaded.ringbuf("events").read()).toEqual({ packets: 2n, bytes: 20n });
    expect(() => loaded.ringbuf(".data")).toThrow(/not a ring buffer/);
  });

  test("nothing leaks: descriptors and mappings of closed ring buffers are gone", async () => {
    const mappings = () =>
      readFileSync("/proc/self/maps", "utf8")
        .split("\n")
        .filter((l) => l.includes("bpf-map")).length;
    for (let i = 0; i < 20; i++) {
      const loaded = await load(object([TYPED], [ring(4096, T.stats), DATA]));
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 1);
      for await (const _ of loaded.ringbuf("events", { signal: stop.signal })) expect.unreachable();
      loaded.close();
    }
    await expect.poll(mappings).toBe(0);
    expect(openFds()).toBe(before);
  });
});
