/** Helpers that call back, timers, locks, storage, maps of devices: against the running kernel where it can be asked. */
import { describe, expect, test } from "vitest";
import {
  alu64,
  call,
  exit,
  jmp,
  label,
  ldx,
  mov64,
  r0,
  r1,
  r10,
  r2,
  r3,
  r4,
  r6,
  r7,
  r8,
  r9,
  st,
} from "../../../lib/asm/index.ts";
import { createMachine } from "../../../lib/vm/index.ts";
import type { Machine } from "../../../lib/vm/index.ts";
import { T, ldfunc, ldmap, ldvalue, map, object, program } from "../../kernel/specs.ts";
import { numberOf, u32 } from "../bytes.ts";
import { Both, C, arg, noKernel } from "./both.ts";
import type { Part } from "./both.ts";

const stack = (reg: typeof r1, at: number): Part[] => [mov64(reg, r10), alu64("add", reg, at)];

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  test("on loop", async () => {
    // The callback adds its index to the context's sum and stops at 5.
    const turn = [
      ldx(8, r3, r2, 0),
      alu64("add", r3, r1),
      st(8, r2, 0, r3),
      mov64(r0, 0),
      jmp("lt", r1, 5, 1),
      mov64(r0, 1),
      exit(),
    ];
    const loop: Part[] = [
      st(8, r10, -8, 0),
      arg(r1, 0),
      ldfunc(r2, "turn"),
      ...stack(r3, -8),
      arg(r4, 1),
      call("loop"),
      mov64(r7, r0),
    ];
    using both = await Both.of("tc", [[...loop, mov64(r0, r7)], [ldx(8, r0, r10, -8)]], { functions: { turn } });
    for (const args of [
      [0, 0],
      [1, 0],
      [5, 0],
      [6, 0],
      [100, 0],
      [8 << 20, 0],
      [(8 << 20) + 1, 0],
      [3, 1],
    ]) {
      const { machine, kernel } = both.run({ packet: new Uint8Array(64), args });
      expect({ args, ...machine }).toEqual({ args, ...kernel });
    }
  });

  test("on what timers answer", async () => {
    const timers = map("timers", "array", 4, 24, 2, { keyType: 1, valueType: C.timed });
    const fire = [mov64(r0, 0), exit()];
    // r7 = the value; each step works on its timer.
    const value: Part[] = [
      st(4, r10, -4, 0),
      ldmap(r1, "timers"),
      ...stack(r2, -4),
      call("map_lookup_elem"),
      jmp("ne", r0, 0, 2),
      mov64(r0, 0),
      exit(),
      mov64(r7, r0),
    ];
    const init = (clock: number): Part[] => [mov64(r1, r7), ldmap(r2, "timers"), mov64(r3, clock), call("timer_init")];
    const callback: Part[] = [mov64(r1, r7), ldfunc(r2, "fire"), call("timer_set_callback")];
    const start = (flags: number): Part[] => [
      mov64(r1, r7),
      mov64(r2, 0x7fff_ffff),
      mov64(r3, flags),
      call("timer_start"),
    ];
    const cancel: Part[] = [mov64(r1, r7), call("timer_cancel")];
    const steps = [
      value,
      cancel,
      start(0),
      callback,
      init(2),
      init(1),
      init(1),
      start(0),
      callback,
      start(8),
      start(0),
      cancel,
      cancel,
      start(0),
      callback,
      start(3),
      cancel,
    ];
    using both = await Both.of(
      "tc",
      steps.map((step, i) => (i === 0 ? [...step, mov64(r0, 0)] : step)),
      { maps: [timers], functions: { fire } },
    );
    const { machine, kernel } = both.run({ packet: new Uint8Array(64) });
    expect(machine).toEqual(kernel);
  });

  test("on redirect_map without a device", async () => {
    const maps = [
      map("devices", "devmap", 4, 4, 2),
      map("table", "devmap_hash", 4, 4, 2),
      map("cpus", "cpumap", 4, 4, 2),
      map("sockets", "xskmap", 4, 4, 2),
    ];
    const redirect = (name: string): Part[] => [ldmap(r1, name), arg(r2, 0), arg(r3, 1), call("redirect_map")];
    using both = await Both.of(
      "xdp",
      maps.map(({ name }) => redirect(name)),
      { maps, verdict: 2 },
    );
    for (const index of [0, 1, 2, 99]) {
      for (const flags of [0, 1, 2, 3, 4, 8, 9, 16, 24, 32]) {
        const { machine, kernel } = both.run({ packet: new Uint8Array(64), args: [index, flags] });
        expect({ index, flags, ...machine }).toEqual({ index, flags, ...kernel });
      }
    }
  });

  test("on locks and maps without keys", async () => {
    const maps = [
      map("locked", "array", 4, 8, 1, { keyType: 1, valueType: C.locked }),
      map("queue", "queue", 0, 8, 2),
      map("stack", "stack", 0, 8, 2),
    ];
    const push = (name: string, n: number, flags: number): Part[] => [
      st(8, r10, -8, n),
      ldmap(r1, name),
      ...stack(r2, -8),
      mov64(r3, flags),
      call("map_push_elem"),
    ];
    const take = (helper: "map_pop_elem" | "map_peek_elem", name: string): Part[] => [
      st(8, r10, -8, 9),
      ldmap(r1, name),
      ...stack(r2, -8),
      call(helper),
      mov64(r7, r0),
      ldx(8, r0, r10, -8),
      alu64("lsh", r0, 32),
      alu64("or", r0, r7),
    ];
    const lock: Part[] = [
      st(4, r10, -4, 0),
      ldmap(r1, "locked"),
      ...stack(r2, -4),
      call("map_lookup_elem"),
      jmp("ne", r0, 0, 2),
      mov64(r0, 0),
      exit(),
      mov64(r7, r0),
      mov64(r1, r7),
      call("spin_lock"),
      ldx(4, r8, r7, 4),
      alu64("add", r8, 1),
      st(4, r7, 4, r8),
      mov64(r1, r7),
      call("spin_unlock"),
      mov64(r0, r8),
    ];
    const both = await Both.of(
      "tc",
      [
        lock,
        lock,
        ...["queue", "stack"].flatMap((name) => [
          push(name, 1, 0),
          push(name, 2, 0),
          push(name, 3, 0),
          push(name, 4, 2),
          push(name, 4, 1),
          take("map_peek_elem", name),
          take("map_pop_elem", name),
          take("map_pop_elem", name),
          take("map_pop_elem", name),
          take("map_peek_elem", name),
        ]),
      ],
      { maps },
    );
    const { machine, kernel } = both.run({ packet: new Uint8Array(64) });
    expect(machine).toEqual(kernel);
    both.kernel?.close();
  });
});

describe("timers expire when the host says so", () => {
  /** Starts the timer of entry 0 at 1000 ns; the callback counts, and starts it again twice. */
  function timed(): Machine {
    const timers = map("timers", "hash", 4, 24, 2, { keyType: 1, valueType: C.timed });
    const parts: Part[] = [
      st(4, r10, -4, 0),
      ldmap(r1, "timers"),
      ...stack(r2, -4),
      call("map_lookup_elem"),
      mov64(r7, r0),
      mov64(r1, r7),
      ldmap(r2, "timers"),
      mov64(r3, 1),
      call("timer_init"),
      mov64(r1, r7),
      ldfunc(r2, "fire"),
      call("timer_set_callback"),
      mov64(r1, r7),
      mov64(r2, 1000),
      mov64(r3, 0),
      call("timer_start"),
      exit(),
    ];
    const fire: Part[] = [
      ldx(8, r1, r3, 16),
      alu64("add", r1, 1),
      st(8, r3, 16, r1),
      jmp("ge", r1, 3, "out"),
      mov64(r1, r3),
      mov64(r2, 500),
      mov64(r3, 0),
      call("timer_start"),
      label("out"),
      mov64(r0, 0),
      exit(),
    ];
    const { insns, relocations, lines, name } = program("fire", "tc", fire);
    const spec = object([program("p", "tc", parts)], [timers]);
    return createMachine(
      { ...spec, subprograms: [{ name, insns, relocations, lines, btfId: 0, linkage: "static" }] },
      { now: () => 0n },
    );
  }
  const count = (machine: Machine): bigint | null => numberOf(machine.map("timers").get(u32(0))?.subarray(16) ?? null);

  test("in the order of their moments, again and again", () => {
    const machine = timed();
    machine.map("timers").set(u32(0), new Uint8Array(24));
    expect(machine.run("p", { packet: new Uint8Array(64) })).toMatchObject({ fault: null, returnValue: 0 });
    expect(machine.expireTimers(999n)).toEqual([]);
    expect(count(machine)).toBe(0n);
    expect(machine.expireTimers(1000n)).toEqual([]);
    expect(count(machine)).toBe(3n); // the clock stands at 0, so 500 is over
    expect(machine.nextTimer).toBe(null);
  });

  test("not when their entry is gone", () => {
    const machine = timed();
    machine.map("timers").set(u32(0), new Uint8Array(24));
    machine.run("p", { packet: new Uint8Array(64) });
    machine.map("timers").delete(u32(0));
    expect(machine.expireTimers(5000n)).toEqual([]);
  });
});

describe("storage", () => {
  test("of sockets: made when asked for, deleted, of whole sockets only", () => {
    const storage = map("storage", "sk_storage", 4, 8, 0, { flags: 1, keyType: T.u32, valueType: T.u64 });
    const get = (flags: number): Part[] => [
      ldmap(r1, "storage"),
      ldx(8, r2, r6, 168),
      mov64(r3, 0),
      mov64(r4, flags),
      call("sk_storage_get"),
    ];
    const parts: Part[] = [
      mov64(r6, r1),
      ldvalue(r9, "out"),
      ...get(0),
      st(8, r9, 0, r0),
      ...get(1),
      st(8, r9, 8, r0),
      jmp("eq", r0, 0, "out"),
      st(8, r0, 0, 7),
      ...get(0),
      ldx(8, r1, r0, 0),
      st(8, r9, 16, r1),
      ldmap(r1, "storage"),
      ldx(8, r2, r6, 168),
      call("sk_storage_delete"),
      st(8, r9, 24, r0),
      ldmap(r1, "storage"),
      ldx(8, r2, r6, 168),
      call("sk_storage_delete"),
      st(8, r9, 32, r0),
      label("out"),
      mov64(r0, 0),
      exit(),
    ];
    const machine = createMachine(object([program("p", "tc", parts)], [storage, map("out", "array", 4, 40, 1)]));
    const seen = (state: number): (bigint | null)[] => {
      machine.map("out").set(u32(0), new Uint8Array(40));
      expect(machine.run("p", { packet: new Uint8Array(64), socket: machine.createSocket({ state }) }).fault).toBe(
        null,
      );
      const out = machine.map("out").get(u32(0)) ?? new Uint8Array(40);
      return [0, 8, 16, 24, 32].map((at) => BigInt.asIntN(64, numberOf(out.subarray(at, at + 8)) ?? 0n));
    };
    const [none, made, value, deleted, again] = seen(1);
    expect([none, made !== 0n, value, deleted, again]).toEqual([0n, true, 7n, 0n, -2n]);
    expect(seen(6)).toEqual([0n, 0n, 0n, 0n, 0n]);
  });

  test("of the current task", () => {
    const storage = map("storage", "task_storage", 4, 8, 0, { flags: 1, keyType: T.u32, valueType: T.u64 });
    const parts: Part[] = [
      call("get_current_task_btf"),
      mov64(r7, r0),
      ldmap(r1, "storage"),
      mov64(r2, r7),
      mov64(r3, 0),
      mov64(r4, 1),
      call("task_storage_get"),
      jmp("eq", r0, 0, "out"),
      ldx(8, r1, r0, 0),
      alu64("add", r1, 1),
      st(8, r0, 0, r1),
      mov64(r0, r1),
      label("out"),
      exit(),
    ];
    const machine = createMachine(object([program("p", "tc", parts)], [storage]));
    const run = (): unknown => machine.run("p", { packet: new Uint8Array(64) }).returnValue;
    expect([run(), run(), run()]).toEqual([1, 2, 3]);
  });
});

test("redirect_map records where to", () => {
  const maps = [map("devices", "devmap", 4, 4, 4)];
  const parts: Part[] = [ldmap(r1, "devices"), mov64(r2, 1), mov64(r3, 0), call("redirect_map"), exit()];
  const broadcast: Part[] = [ldmap(r1, "devices"), mov64(r2, 0), mov64(r3, 24), call("redirect_map"), exit()];
  const machine = createMachine(object([program("one", "xdp", parts), program("all", "xdp", broadcast)], maps));
  for (const [index, ifindex] of [
    [0, 1],
    [1, 5],
    [2, 6],
  ] as const)
    machine.map("devices").set(u32(index), u32(ifindex));
  const { returnValue, redirects } = machine.run("one", { packet: new Uint8Array(64) });
  expect({ returnValue, redirects }).toMatchObject({
    returnValue: 4,
    redirects: [{ kind: "devices", devices: [{ ifindex: 5 }] }],
  });
  const all = machine.run("all", { packet: new Uint8Array(64), context: { ingress_ifindex: 1 } });
  expect(all.redirects).toMatchObject([{ kind: "devices", devices: [{ ifindex: 5 }, { ifindex: 6 }] }]);
});
