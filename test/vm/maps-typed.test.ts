/** What simulated maps offer beyond keys and values: queues, maps of maps, buffers, devices, sockets, storage. */
import { describe, expect, test } from "vitest";
import type { Btf } from "../../lib/btf/index.ts";
import type { MapType } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
// prettier-ignore
import {
  ArrayOfMaps, BloomFilter, CgroupArray, CgroupStorage, CpuMap, DeviceMap, HashOfMaps, Host, MapError, OwnedStorage, PerfEventArray,
  QueueMap, ReuseportArray, RingbufMap, StackTraceMap, UserRingbuf, createMachine,
} from "../../lib/vm/index.ts";
import type { Machine, VmMap } from "../../lib/vm/index.ts";
import { environment } from "../../lib/vm/environment.ts";
import { T, TYPES, map, object } from "../kernel/specs.ts";
import { numberOf, u32, u64 } from "./bytes.ts";

const machineOf = (spec: MapSpec, cpus = 2): Machine => createMachine(object([], [spec], TYPES), { cpus });
function make<M extends VmMap>(type: abstract new (...args: never[]) => M, spec: MapSpec): M {
  return machineOf(spec).mapOf(spec.name, type);
}
/** What an action gives, or its negative errno. */
const attempt = (action: () => unknown): unknown => {
  try {
    return action() ?? null;
  } catch (error) {
    if (error instanceof MapError) return -error.errno;
    throw error;
  }
};
const NOTHING = new Uint8Array(0);
// prettier-ignore
const [ENOENT, E2BIG, EAGAIN, EBUSY, EEXIST, ENODEV, EINVAL, ENOSPC, EOVERFLOW, EOPNOTSUPP, ENOTSUPP] = [-2, -7, -11, -16, -17, -19, -22, -28, -75, -95, -524];

describe("queue and stack", () => {
  // Of three pushed values with room for two.
  // prettier-ignore
  test.each<["queue" | "stack", flags: number, contents: bigint[], first: bigint]>([
    ["queue", 0, [1n, 2n], 1n], ["stack", 0, [2n, 1n], 2n],
    ["queue", 2, [2n, 3n], 2n], ["stack", 2, [3n, 2n], 3n],
  ])("%s, third push with flags %i", (type, flags, contents, first) => {
    const m = make(QueueMap, map("m", type, 0, 8, 2));
    const results = [1, 2].map((n) => m.updateElem(NOTHING, u64(n)));
    expect([...results, m.updateElem(NOTHING, u64(3), flags)]).toEqual([0, 0, flags === 0 ? E2BIG : 0]);
    expect(m.contents().map(numberOf)).toEqual(contents);
    expect(numberOf(m.get(NOTHING))).toBe(first);
    expect(numberOf(m.take())).toBe(first);
    expect([m.take(), m.take()].map((value) => numberOf(value))).toEqual([contents[1], null]);
  });

  test("a program that pops nothing sees zeros", () => {
    const m = make(QueueMap, map("m", "queue", 0, 8, 2));
    const into = new Uint8Array(8).fill(9);
    expect([m.pop(into), into.every((byte) => byte === 0)]).toEqual([ENOENT, true]);
  });
});

test("a bloom filter never denies what was added", () => {
  const m = make(BloomFilter, map("m", "bloom_filter", 0, 8, 100, { extra: 3 }));
  for (let n = 0; n < 100; n++) m.add(u64(n));
  const yes = Array.from({ length: 2000 }, (_, n) => m.mayHave(u64(n)));
  expect(yes.slice(0, 100)).not.toContain(false);
  expect(yes.slice(100).filter(Boolean).length).toBeLessThan(400);
});

describe("fields of values that the kernel keeps", () => {
  const types: Btf = {
    types: [
      ...TYPES.types,
      { kind: "struct", name: "bpf_spin_lock", size: 4, members: [{ name: "val", type: T.u32, bitOffset: 0 }] },
      { kind: "struct", name: "bpf_timer", size: 16, members: [] },
      {
        kind: "struct",
        name: "guarded",
        size: 32,
        members: [
          { name: "lock", type: TYPES.types.length, bitOffset: 0 },
          { name: "count", type: T.u32, bitOffset: 32 },
          { name: "timer", type: TYPES.types.length + 1, bitOffset: 64 },
          { name: "after", type: T.u64, bitOffset: 192 },
        ],
      },
    ],
  };
  const guarded = { keyType: T.u32, valueType: TYPES.types.length + 2 };
  // What the value of key 1 has where it was, byte by byte: the lock, the timer.
  // prettier-ignore
  test.each<[MapType, string, (m: VmMap) => unknown, lock: number, timer: number]>([
    ["hash",     "a replaced entry",          (m) => m.updateElem(u32(1), new Uint8Array(32).fill(1)),    7, 0],
    ["hash",     "a deleted entry",           (m) => m.deleteElem(u32(1)),                                7, 0],
    ["hash",     "written in place",          (m) => m.updateElem(u32(1), new Uint8Array(32).fill(1), 4), 7, 7],
    ["hash",     "another entry",             (m) => m.updateElem(u32(2), new Uint8Array(32).fill(1)),    7, 7],
    ["array",    "an entry of an array",      (m) => m.updateElem(u32(1), new Uint8Array(32).fill(1)),    7, 0],
  ])("%s, %s", (type, _, act, lock, timer) => {
    const host = new Host(environment({ cpus: 1 }));
    const m = host.createMap(map("m", type, 4, 32, 2, guarded), types);
    if (type !== "array") m.set(u32(1), new Uint8Array(32));
    const address = m.lookup(u32(1), 0);
    host.memory.bytes.fill(7, address, address + 32);
    expect([...(m.get(u32(1)) ?? [])].slice(0, 8)).toEqual([0, 0, 0, 0, 7, 7, 7, 7]);
    expect(act(m)).toBe(0);
    expect([host.memory.bytes[address], host.memory.bytes[address + 8]]).toEqual([lock, timer]);
  });

  test("not in every type of map", () => {
    const host = new Host(environment({ cpus: 1 }));
    expect(() => host.createMap(map("m", "queue", 0, 32, 2, { valueType: guarded.valueType }), types)).toThrow(
      "EOPNOTSUPP",
    );
  });
});

describe("maps of maps", () => {
  const inner = map("i", "hash", 4, 4, 10);
  // prettier-ignore
  const others: [string, MapSpec, unknown][] = [
    ["alike",            map("a", "hash", 4, 4, 10),               null],
    ["another size",     map("a", "hash", 4, 4, 99),               null],
    ["another key",      map("a", "hash", 8, 4, 10),               EINVAL],
    ["another type",     map("a", "lru_hash", 4, 4, 10),           EINVAL],
    ["other flags",      map("a", "hash", 4, 4, 10, { flags: 1 }), EINVAL],
  ];
  test.each(others)("%s", (_, spec, expected) => {
    for (const [type, of] of [
      ["array_of_maps", ArrayOfMaps],
      ["hash_of_maps", HashOfMaps],
    ] as const) {
      const machine = machineOf(map("m", type, 4, 4, 2, { inner }));
      const outer = machine.mapOf<ArrayOfMaps | HashOfMaps>("m", of);
      const one = machine.createMap(spec);
      expect(attempt(() => outer.setInner(u32(1), one))).toBe(expected);
      const there = expected === null;
      expect(outer.getInner(u32(1))).toBe(there ? one : null);
      expect(outer.lookup(u32(1), 0)).toBe(there ? one.handle.start : 0);
      expect(numberOf(outer.get(u32(1)))).toBe(there ? BigInt(one.id) : null);
      expect(outer.delete(u32(1))).toBe(there);
      expect(outer.lookup(u32(1), 0)).toBe(0);
    }
  });

  test("an array of arrays wants their size too, unless they have BPF_F_INNER_MAP", () => {
    for (const [flags, expected] of [
      [0, EINVAL],
      [1 << 12, null],
    ] as const) {
      const machine = machineOf(map("m", "array_of_maps", 4, 4, 2, { inner: map("i", "array", 4, 4, 1, { flags }) }));
      const longer = machine.createMap(map("a", "array", 4, 4, 9, { flags }));
      expect(attempt(() => machine.mapOf("m", ArrayOfMaps).setInner(u32(0), longer))).toBe(expected);
    }
  });

  test("a full or an absent entry", () => {
    const machine = machineOf(map("m", "hash_of_maps", 4, 4, 1, { inner }));
    const outer = machine.mapOf("m", HashOfMaps);
    const one = machine.createMap(inner);
    expect(attempt(() => outer.setInner(u32(1), one, "replace"))).toBe(ENOENT);
    expect(attempt(() => outer.setInner(u32(1), one))).toBe(null);
    expect(attempt(() => outer.setInner(u32(1), one, "create"))).toBe(EEXIST);
    expect(attempt(() => outer.setInner(u32(2), one))).toBe(E2BIG);
  });
});

describe("ring buffers", () => {
  test("positions, as records are reserved, finished and read", () => {
    const m = make(RingbufMap, map("m", "ringbuf", 0, 0, 4096));
    const state = (): number[] => [0n, 1n, 2n, 3n].map((flags) => m.query(flags));
    const [first, second] = [m.reserve(10n, 0n), m.reserve(16n, 0n)];
    expect(state()).toEqual([24 + 24, 4096, 0, 48]);
    m.commit(second, true);
    expect([m.drain(), m.wakeups]).toEqual([[], 0]); // the first is still being written
    m.commit(first, false);
    expect([m.drain().map((event) => event.length), m.wakeups]).toEqual([[16], 1]); // a discarded one wakes too
    expect(state()).toEqual([0, 4096, 48, 48]);
  });

  // prettier-ignore
  test.each<[string, sizes: number[], results: number[]]>([
    ["one that is too big",     [4081],                  [EAGAIN]],
    ["the biggest",             [4080, 0],               [0, EAGAIN]],
    ["eight bytes stay free",   [4072, 0, 0],            [0, 0, EAGAIN]],
    ["headers count",           [2040, 2032, 0],         [0, 0, EAGAIN]],
  ])("room: %s", (_, sizes, results) => {
    const m = make(RingbufMap, map("m", "ringbuf", 0, 0, 4096));
    expect(sizes.map((size) => m.output(new Uint8Array(size), 0n))).toEqual(results);
  });

  // prettier-ignore
  test.each<[string, flags: bigint[], wakeups: number]>([
    ["the reader keeps up only with the first", [0n, 0n, 0n], 1],
    ["no wake-up",                              [1n, 1n, 1n], 0],
    ["forced",                                  [1n, 2n, 2n], 2],
  ])("wake-ups: %s", (_, flags, wakeups) => {
    const m = make(RingbufMap, map("m", "ringbuf", 0, 0, 4096));
    expect(flags.map((flag) => m.output(u32(1), flag))).toEqual([0, 0, 0]);
    expect(m.wakeups).toBe(wakeups);
    expect(m.output(u32(1), 4n)).toBe(EINVAL);
  });

  test("from the host to a program", () => {
    const m = make(UserRingbuf, map("m", "user_ringbuf", 0, 0, 4096));
    for (let n = 0; n < 3; n++) m.produce(u32(n));
    expect(attempt(() => m.produce(new Uint8Array(4089)))).toBe(E2BIG);
    expect(attempt(() => m.produce(new Uint8Array(4088)))).toBe(ENOSPC);
    const seen: unknown[] = [];
    const visit = (sample: Uint8Array): boolean => seen.push(numberOf(sample)) < 2;
    expect([m.drain(4n, visit), m.drain(0n, () => m.drain(0n, visit) !== EBUSY)]).toEqual([EINVAL, 1]);
    expect([m.drain(0n, visit), m.drain(0n, visit), seen, m.waiting]).toEqual([2, 0, [1n, 2n], 0]);
  });
});

test("events per CPU", () => {
  const m = make(PerfEventArray, map("m", "perf_event_array", 4, 4, 2));
  const CURRENT = 0xffff_ffffn;
  expect(m.output(1, CURRENT, u32(1))).toBe(ENOENT);
  m.openAll(2, 1);
  // prettier-ignore
  expect([m.output(1, CURRENT, u32(1)), m.output(0, 1n, u32(2)), m.output(0, 2n, u32(3)), m.output(0, 1n << 60n, u32(3))])
    .toEqual([0, EOPNOTSUPP, E2BIG, EINVAL]);
  expect([m.output(0, CURRENT, new Uint8Array(4000)), m.output(0, CURRENT, new Uint8Array(4000))]).toEqual([0, ENOSPC]);
  expect(m.drain(1).events.map(numberOf)).toEqual([1n]);
  expect([m.drain(0).lost, m.drain(0).lost]).toEqual([1, 0]);
  expect(m.output(0, CURRENT, new Uint8Array(4000))).toBe(0);
});

describe("devices and CPUs", () => {
  test("a device has a program where values have room for it", () => {
    const withPrograms = make(DeviceMap, map("m", "devmap", 4, 8, 2));
    withPrograms.setDevice(1, { ifindex: 7, program: "out" });
    expect(withPrograms.getDevice(1)).toMatchObject({ ifindex: 7, program: "out" });
    expect([...(withPrograms.get(u32(1)) ?? [])]).toEqual([7, 0, 0, 0, 2, 0, 0, 0]); // number 1 is the map's
    const without = make(DeviceMap, map("m", "devmap_hash", 4, 4, 2));
    expect(attempt(() => without.setDevice(99, { ifindex: 7, program: "out" }))).toBe(EINVAL);
    expect(attempt(() => without.setDevice(99, { ifindex: 7, program: null }))).toBe(null);
    expect([without.delete(u32(99)), without.delete(u32(99))]).toEqual([true, false]);
  });

  // prettier-ignore
  test.each<[string, cpu: number, size: number, unknown]>([
    ["there", 1, 64, null], ["not there", 2, 64, ENODEV], ["beyond the map", 4, 64, E2BIG], ["a long queue", 0, 16385, EOVERFLOW],
  ])("a CPU %s", (_, cpu, size, expected) => {
    const m = make(CpuMap, map("m", "cpumap", 4, 8, 4));
    expect(attempt(() => m.setCpu(cpu, { size, program: null }))).toBe(expected);
    expect(m.at(cpu)?.size ?? null).toBe(expected === null ? size : null);
  });
});

describe("sockets", () => {
  const [TCP, UDP, ICMP, LISTEN, SYN_SENT, ESTABLISHED] = [6, 17, 1, 10, 2, 1];
  // prettier-ignore
  const sockets: [string, object, sockmap: unknown, reuseport: unknown][] = [
    ["TCP, established", { protocol: TCP, state: ESTABLISHED },      null,       EINVAL],
    ["TCP, listening",   { protocol: TCP, state: LISTEN },           null,       null],
    ["TCP, connecting",  { protocol: TCP, state: SYN_SENT },         EOPNOTSUPP, EINVAL],
    ["UDP",              { protocol: UDP, type: 2, state: 7 },       null,       null],
    ["ICMP",             { protocol: ICMP, type: 2, state: 7 },      EOPNOTSUPP, ENOTSUPP],
    ["Unix stream",      { family: 1, protocol: 0, state: 7 },       EOPNOTSUPP, ENOTSUPP],
  ];
  test.each(sockets)("%s", (_, fields, inSockmap, inReuseport) => {
    for (const type of ["sockmap", "sockhash"] as const) {
      const machine = machineOf(map("m", type, 4, 8, 2));
      const socket = machine.createSocket(fields);
      expect(attempt(() => machine.socketMap("m").setSocket(u32(1), socket))).toBe(inSockmap);
      expect(numberOf(machine.map("m").get(u32(1)))).toBe(inSockmap === null ? socket.cookie : null);
    }
    const machine = machineOf(map("m", "reuseport_sockarray", 4, 8, 2));
    const array = machine.mapOf("m", ReuseportArray);
    const socket = machine.createSocket(fields);
    expect(attempt(() => array.setSocket(1, socket))).toBe(inReuseport);
    if (inReuseport === null) expect(attempt(() => array.setSocket(0, socket))).toBe(EBUSY);
  });

  test("one that is closed leaves the maps it is in", () => {
    const machine = machineOf(map("m", "sockhash", 4, 8, 2));
    const [one, other] = [machine.createSocket(), machine.createSocket()];
    machine.socketMap("m").setSocket(u32(1), one);
    machine.socketMap("m").setSocket(u32(2), other);
    machine.map("m").dropObject(one);
    expect(machine.map("m").keys().map(numberOf)).toEqual([2n]);
  });

  test("user space needs 8 bytes to read a cookie", () => {
    const machine = machineOf(map("m", "sockmap", 4, 4, 2));
    expect(attempt(() => machine.map("m").get(u32(0)))).toBe(ENOSPC);
  });
});

describe("storage", () => {
  const typed = { flags: 1, keyType: T.u32, valueType: T.u64 };
  test.each<MapType>(["sk_storage", "task_storage", "inode_storage", "cgrp_storage"])(
    "%s goes with its owner",
    (type) => {
      const m = make(OwnedStorage, map("m", type, 4, 8, 0, typed));
      const [one, other] = [{}, {}];
      expect(m.storageOf(one, false)).toBe(0);
      const address = m.storageOf(one, true, u64(5));
      expect([m.storageOf(one, true) === address, numberOf(m.getFor(one)), m.getFor(other)]).toEqual([true, 5n, null]);
      expect(attempt(() => m.setFor(one, u64(6), "create"))).toBe(EEXIST);
      expect(attempt(() => m.setFor(other, u64(6), "replace"))).toBe(ENOENT);
      m.setFor(one, u64(7));
      expect([numberOf(m.getFor(one)), m.size]).toEqual([7n, 1]);
      m.dropObject(one);
      expect([m.getFor(one), m.removeFrom(one), m.size]).toEqual([null, ENOENT, 0]);
    },
  );

  test("a listener's goes to what it accepts, with BPF_F_CLONE", () => {
    for (const [flags, expected] of [
      [1, null],
      [1 | (1 << 9), 5n],
    ] as const) {
      const m = make(OwnedStorage, map("m", "sk_storage", 4, 8, 0, { ...typed, flags }));
      const [listener, child] = [{}, {}];
      m.setFor(listener, u64(5));
      m.cloneTo(listener, child);
      expect(numberOf(m.getFor(child))).toBe(expected);
    }
  });

  test("of cgroups, by the kind of attachment or shared", () => {
    const cgroup = { id: 77n };
    for (const [keySize, shared] of [
      [16, false],
      [8, true],
    ] as const) {
      const m = make(CgroupStorage, map("m", "cgroup_storage", keySize, 8, 0));
      expect(attempt(() => m.set(new Uint8Array(keySize), u64(1)))).toBe(ENOENT);
      const [ingress, egress] = [m.storageOf(cgroup, 0, 0), m.storageOf(cgroup, 1, 0)];
      expect(ingress === egress).toBe(shared);
      const [key] = m.keys();
      if (key === undefined) throw new Error("no key");
      expect(key[0]).toBe(77);
      expect(attempt(() => m.set(key, u64(9), "create"))).toBe(EINVAL);
      m.set(key, u64(9));
      expect(numberOf(m.get(key))).toBe(9n);
      m.dropObject(cgroup);
      expect(m.keys()).toEqual([]);
    }
  });

  test("cgroups by index", () => {
    const m = make(CgroupArray, map("m", "cgroup_array", 4, 4, 2));
    const cgroup = {};
    expect(attempt(() => m.setCgroup(2, cgroup))).toBe(E2BIG);
    m.setCgroup(1, cgroup);
    expect([m.at(0), m.at(1)]).toEqual([null, cgroup]);
    m.dropObject(cgroup);
    expect(m.at(1)).toBe(null);
  });
});

test("stacks are kept once", () => {
  const m = make(StackTraceMap, map("m", "stack_trace", 4, 16, 1));
  const id = m.store([1n, 2n, 3n], false);
  expect([m.store([1n, 2n], false), m.store([9n], false), m.store([9n], true)]).toEqual([id, EEXIST, id]);
  expect(numberOf(m.get(u32(id)))).toBe(9n);
  expect([m.delete(u32(id)), m.delete(u32(id))]).toEqual([true, false]);
});
