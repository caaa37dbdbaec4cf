/** Many events at once give what the same events give one by one, on both engines. */
import { describe, expect, test } from "vitest";
// prettier-ignore
import { alu64, call, exit, jmp, label, ldx, mov64, r0, r1, r10, r2, r3, r4, r6, r7, st } from "../../lib/asm/index.ts";
import { ENGINE_NAMES } from "../../lib/vm/engines.ts";
import { createMachine } from "../../lib/vm/index.ts";
import type { MachineOptions } from "../../lib/vm/index.ts";
import { ldmap, map, object, program } from "../kernel/specs.ts";

const COUNTERS = [map("counters", "array", 4, 8, 4)];

// Counts by the packet's first byte, which is read by a helper; more than three have no counter, and fault.
const COUNT = program("count", "tc", [
  mov64(r6, r1),
  st(4, r10, -4, 0),
  mov64(r2, 0),
  mov64(r3, r10),
  alu64("add", r3, -4),
  mov64(r4, 1),
  call("skb_load_bytes"),
  ldx(4, r7, r10, -4),
  ldmap(r1, "counters"),
  mov64(r2, r10),
  alu64("add", r2, -4),
  call("map_lookup_elem"),
  ldx(8, r1, r0, 0),
  alu64("add", r1, 1),
  st(8, r0, 0, r1),
  mov64(r0, r7),
  exit(),
]);
// Adds one to the packet's first byte and gives it back.
const BUMP = program("bump", "xdp", [
  ldx(4, r2, r1, 0),
  ldx(4, r3, r1, 4),
  mov64(r0, 0),
  mov64(r4, r2),
  alu64("add", r4, 1),
  jmp("gt", r4, r3, "end"),
  ldx(1, r0, r2, 0),
  alu64("add", r0, 1),
  st(1, r2, 0, r0),
  label("end"),
  exit(),
]);
// Forgets a record of a ring buffer.
const FORGET = program("forget", "xdp", [
  ldmap(r1, "events"),
  mov64(r2, 8),
  mov64(r3, 0),
  call("ringbuf_reserve"),
  mov64(r0, 2),
  exit(),
]);

const packets = Array.from({ length: 150 }, (_, i) => ({
  packet: Uint8Array.of(i % 5, i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0),
}));

describe.each(ENGINE_NAMES)("%s", (engine) => {
  const machine = (programs: Parameters<typeof object>[0], maps = COUNTERS, options: MachineOptions = {}) =>
    createMachine(object(programs, maps), { engine, ...options });

  test("each event has its packet, and a fault is the event's only", () => {
    const [together, apart] = [machine([COUNT]), machine([COUNT])];
    const batch = together.runBatch("count", packets);
    const results = packets.map((input) => apart.run("count", input));
    expect([...batch.returnValues]).toEqual(results.map(({ returnValue }) => returnValue ?? 0));
    expect(batch.faults).toEqual(results.flatMap(({ fault }, event) => (fault === null ? [] : [{ event, fault }])));
    expect(batch.faults).toHaveLength(30);
    expect(batch.instructions).toBe(results.reduce((sum, { instructions }) => sum + instructions, 0));
    expect([...together.map("counters").entries()]).toEqual([...apart.map("counters").entries()]);
  });

  test("repeated, an event is not set up anew", () => {
    const { returnValue, packet, instructions } = machine([BUMP]).repeat("bump", { packet: new Uint8Array(14) }, 100);
    expect({ returnValue, first: packet?.[0], instructions }).toEqual({
      returnValue: 100,
      first: 100,
      instructions: 1000,
    });
  });

  test("a fault ends it", () => {
    const { fault, instructions } = machine([COUNT]).repeat("count", { packet: new Uint8Array(14).fill(4) }, 100);
    expect({ kind: fault?.kind, instructions }).toEqual({ kind: "null", instructions: 13 });
  });

  test("records of a ring buffer are looked for after each event", () => {
    const { faults } = machine([FORGET], [map("events", "ringbuf", 0, 0, 4096)]).runBatch(
      "forget",
      packets.slice(0, 3),
    );
    expect(faults.map(({ event, fault }) => [event, fault.kind])).toEqual([0, 1, 2].map((event) => [event, "leak"]));
  });
});
