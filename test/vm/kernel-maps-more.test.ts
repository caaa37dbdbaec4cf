/**
 * Simulated maps against the running kernel's where keys and values are not all: ring buffers, maps of maps, pointers that
 * outlive their entries, sockets of several kinds. Skipped, saying why, where programs cannot be loaded.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { connect, createServer } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
  r5,
  r6,
  r7,
  r8,
  r9,
  st,
} from "../../lib/asm/index.ts";
import type { Item, Register } from "../../lib/asm/index.ts";
import type { MapType } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import {
  ArrayOfMaps,
  HashOfMaps,
  OwnedStorage,
  ReuseportArray,
  MapError,
  UserRingbuf,
  createMachine,
} from "../../lib/vm/index.ts";
import type { Machine } from "../../lib/vm/index.ts";
import { canLoad, findCgroupRoot, load, possibleCpus } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { createMap } from "../../loader/create.ts";
import { shim } from "../../loader/sys/shim.ts";
import { T, ldfunc, ldmap, map, object, program } from "../kernel/specs.ts";
import { u32, u64 } from "./bytes.ts";
import { Both, arg } from "./helpers/both.ts";
import { KernelMap, pin } from "./kernel-map.ts";

type Part = Parameters<typeof program>[2][number];

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: more maps against the kernel: ${loadable.reason}\n`);
const seed = Math.trunc(Math.random() * 2 ** 31);
process.stderr.write(`more maps against the kernel: seed ${seed}\n`);

const pinned = pin("0");
beforeAll(() => void pin("0"));
afterAll(() => void pin(`0-${possibleCpus() - 1}`));

const opened: { close(): void }[] = [];
afterAll(() => {
  for (const one of opened) one.close();
});
async function onBoth(
  parts: readonly Part[],
  maps: readonly MapSpec[],
): Promise<{ machine: Machine; loaded: LoadedObject }> {
  const both = object([program("p", "xdp", parts)], maps);
  const loaded = await load(both);
  opened.push(loaded);
  return { machine: createMachine(both, { cpus: possibleCpus() }), loaded };
}

/** The descriptor that node keeps of a socket or server. */
const descriptorOf = (handle: unknown): number => (handle as { _handle: { fd: number } })._handle.fd;

/** r7 = packet, 64 bytes of it proven. */
// prettier-ignore
const PROLOG: Item[] = [
  ldx(4, r7, r1, 0), ldx(4, r8, r1, 4), mov64(r0, 0), mov64(r2, r7), alu64("add", r2, 64), jmp("gt", r2, r8, "out"),
];
/** The result of a helper goes back in the packet. */
const ANSWER: Item[] = [st(8, r7, 16, r0), mov64(r0, 2), exit()];
const EPILOG: Item[] = [label("out"), exit()];
const stack = (register: Register, at: number): Item[] => [mov64(register, r10), alu64("add", register, at)];
const answer = (packet: Uint8Array | null): bigint | null =>
  packet === null ? null : new DataView(packet.buffer, packet.byteOffset).getBigInt64(16, true);

describe.skipIf(!loadable.ok)("ring buffers", () => {
  const SIZES = [0, 1, 8, 20, 500, 1000, 2040, 4072, 4080, 4081];
  const EVENTS = map("events", "ringbuf", 0, 0, 4096);
  // The packet says which: 0 queries, 1 outputs, others reserve a size and submit or discard; flags beside.
  // prettier-ignore
  const reserve = (size: number, i: number): Part[] => (["submit", "discard"] as const).flatMap((end, j): Part[] => [
    jmp("ne", r6, 2 + i * 2 + j, `not-${i}-${j}`),
    ldmap(r1, "events"), mov64(r2, size), mov64(r3, 0), call("ringbuf_reserve"),
    mov64(r6, 0), jmp("eq", r0, 0, `none-${i}-${j}`),
    mov64(r1, r0), mov64(r2, r9), call(`ringbuf_${end}`), mov64(r6, 1),
    label(`none-${i}-${j}`), mov64(r0, r6), ...ANSWER,
    label(`not-${i}-${j}`),
  ]);
  // prettier-ignore
  const PROGRAM: Part[] = [
    ...PROLOG, ldx(4, r6, r7, 16), ldx(8, r9, r7, 24),
    jmp("ne", r6, 0, "no-query"), ldmap(r1, "events"), mov64(r2, r9), call(134), ...ANSWER, label("no-query"),
    jmp("ne", r6, 1, "no-output"), ...[0, 8, 16].flatMap((at) => [ldx(8, r1, r7, 32 + at), st(8, r10, at - 24, r1)]), ldmap(r1, "events"), ...stack(r2, -24), mov64(r3, 24), mov64(r4, r9), call("ringbuf_output"), ...ANSWER, label("no-output"),
    ...SIZES.flatMap(reserve),
    ...EPILOG,
  ];

  test("random reservations, outputs and queries between readings", async () => {
    const { machine } = await onBoth(PROGRAM, [EVENTS]);
    expect(machine.ringbuf("events").query(1n)).toBe(4096);
    const step = fc.record({
      what: fc.nat(2 + SIZES.length * 2),
      flags: fc.constantFrom(0, 1, 2, 3, 4, 9),
      read: fc.boolean(),
      fill: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const both = await onBoth(PROGRAM, [EVENTS]);
        const ring = both.loaded.ringbuf<Uint8Array>("events");
        try {
          for (const one of steps) {
            const data = new Uint8Array(64).fill(one.fill);
            data.set([...u32(one.what), 0, 0, 0, 0, ...u64(one.flags)], 16);
            const ours = answer(both.machine.run("p", { packet: data }).packet);
            const theirs = answer(both.loaded.program("p").testRun({ data }).data);
            expect({ one, result: ours }).toEqual({ one, result: theirs });
            if (!one.read) continue;
            const events: unknown[] = [];
            for (let event = ring.read(); event !== undefined; event = ring.read()) events.push(event.length);
            expect(
              both.machine
                .ringbuf("events")
                .drain()
                .map((event) => event.length),
            ).toEqual(events);
          }
        } finally {
          await ring[Symbol.asyncDispose]();
          both.loaded.close();
        }
      }),
      { seed, numRuns: 40 },
    );
  });
});

/**
 * The producer's side of a user ring buffer in the kernel: a page with the consumer's position, then one with the producer's,
 * then the data twice. Source: docs.kernel.org/bpf/ringbuf.html; header and positions as in loader/ring.ts.
 */
class Producer {
  private readonly consumer: BigUint64Array;
  private readonly producer: BigUint64Array;
  private readonly data: Uint8Array;
  private readonly size: number;
  private readonly mappings: ArrayBuffer[];

  constructor(fd: number, size: number) {
    const { pageSize } = shim();
    const consumer = shim().mmap(fd, pageSize, 0, false);
    const producer = shim().mmap(fd, pageSize + 2 * size, pageSize, true);
    if (typeof consumer === "number" || typeof producer === "number")
      throw new Error("the user ring buffer cannot be mapped");
    this.mappings = [consumer, producer];
    this.consumer = new BigUint64Array(consumer, 0, 1);
    this.producer = new BigUint64Array(producer, 0, 1);
    this.data = new Uint8Array(producer, pageSize);
    this.size = size;
  }

  /** Whether there was room. */
  produce(sample: Uint8Array): boolean {
    const room = Math.ceil((sample.length + 8) / 8) * 8;
    const position = Number(Atomics.load(this.producer, 0));
    if (position - Number(Atomics.load(this.consumer, 0)) + room > this.size) return false;
    const at = position % this.size;
    this.data.set(u32(sample.length), at);
    this.data.set(u32(0), at + 4);
    this.data.set(sample, at + 8);
    Atomics.store(this.producer, 0, BigInt(position + room));
    return true;
  }

  close(): void {
    for (const mapping of this.mappings) shim().unmap(mapping);
  }
}

/** Whether there was room in the machine's. */
function produced(machine: Machine, sample: Uint8Array): boolean {
  try {
    machine.mapOf("m", UserRingbuf).produce(sample);
    return true;
  } catch (error) {
    if (error instanceof MapError) return false;
    throw error;
  }
}

describe.skipIf(!loadable.ok)("user ring buffers", () => {
  const SIZE = 4096;
  // The callback's context: how many came, the sum of their first words, how many it wants, a word to read into.
  const [COUNT, SUM, WANTED, WORD] = [0, 8, 16, 24];
  // prettier-ignore
  const take: Part[] = [
    mov64(r6, r2), mov64(r3, r1), mov64(r1, r2), alu64("add", r1, WORD), mov64(r2, 4), mov64(r4, 0), mov64(r5, 0), call("dynptr_read"),
    ldx(8, r1, r6, COUNT), alu64("add", r1, 1), st(8, r6, COUNT, r1),
    ldx(4, r2, r6, WORD), ldx(8, r3, r6, SUM), alu64("add", r3, r2), st(8, r6, SUM, r3),
    ldx(8, r2, r6, WANTED), mov64(r0, 0), jmp("lt", r1, r2, 1), mov64(r0, 1), exit(),
  ];
  // prettier-ignore
  const drain: Part[] = [
    ...[COUNT, SUM, WORD].map((at) => st(8, r10, at - 32, 0)), arg(r1, 1), st(8, r10, WANTED - 32, r1),
    ldmap(r1, "m"), ldfunc(r2, "take"), ...stack(r3, -32), arg(r4, 0), call("user_ringbuf_drain"),
  ];
  const read = (at: number): Part[] => [ldx(8, r0, r10, at - 32)];

  test("random samples and drains", async () => {
    const maps = [map("m", "user_ringbuf", 0, 0, SIZE)];
    const step = fc.oneof(
      fc.record({ size: fc.constantFrom(0, 3, 4, 24, 500, 1016, 1017, 4088, 4089), fill: fc.nat(255) }),
      fc.record({ flags: fc.constantFrom(0, 1, 2, 4), wanted: fc.integer({ min: 1, max: 6 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        using both = await Both.of("xdp", [drain, read(COUNT), read(SUM)], { maps, functions: { take } });
        const fd = both.kernel?.map("m").fd ?? -1;
        const producer = new Producer(fd, SIZE);
        try {
          for (const one of steps) {
            if ("flags" in one) {
              const { machine, kernel } = both.run({ packet: new Uint8Array(64), args: [one.flags, one.wanted] });
              expect({ one, ...machine }).toEqual({ one, ...kernel });
              continue;
            }
            const sample = new Uint8Array(one.size).fill(one.fill);
            const fits = producer.produce(sample);
            for (const machine of both.machines)
              expect({ one, fits: produced(machine, sample) }).toEqual({ one, fits });
          }
        } finally {
          producer.close();
        }
      }),
      { seed, numRuns: 40 },
    );
  });
});

describe.skipIf(!loadable.ok)("maps of maps", () => {
  const inner = map("i", "hash", 4, 8, 4);
  // Looks up a map by the packet's first key, and in it a value by the second; adds one to it.
  // prettier-ignore
  const PROGRAM: Part[] = [
    ...PROLOG, ldx(4, r1, r7, 24), st(4, r10, -8, r1), ldx(4, r1, r7, 28), st(4, r10, -16, r1),
    ldmap(r1, "m"), ...stack(r2, -8), call("map_lookup_elem"), jmp("eq", r0, 0, "no-map"),
    mov64(r1, r0), ...stack(r2, -16), call("map_lookup_elem"), jmp("eq", r0, 0, "no-value"),
    ldx(8, r1, r0, 0), alu64("add", r1, 1), st(8, r0, 0, r1), mov64(r0, r1), ...ANSWER,
    label("no-map"), mov64(r0, -1), ...ANSWER,
    label("no-value"), mov64(r0, -2), ...ANSWER,
    ...EPILOG,
  ];
  test.each(["array_of_maps", "hash_of_maps"] as const)("%s", async (type) => {
    const { machine, loaded } = await onBoth(PROGRAM, [map("m", type, 4, 4, 3, { inner })]);
    const real = new KernelMap(loaded.map("m").fd, map("m", type, 4, 4, 3, { inner }));
    const simulated = machine.mapOf<ArrayOfMaps | HashOfMaps>("m", type === "array_of_maps" ? ArrayOfMaps : HashOfMaps);
    for (const [key, spec] of [
      [0, inner],
      [2, { ...inner, maxEntries: 9 }],
    ] as const) {
      const theirs = createMap(spec, { types: [{ kind: "void" }] }, null);
      opened.push(theirs);
      const ours = machine.createMap(spec);
      expect(real.updateElem(u32(key), u32(theirs.fd))).toBe(0);
      simulated.setInner(u32(key), ours);
      theirs.setRaw(u32(7), u64(40 + key));
      ours.set(u32(7), u64(40 + key));
    }
    for (const [key, second] of [
      [0, 7],
      [0, 7],
      [2, 7],
      [0, 8],
      [1, 7],
      [3, 7],
      [9, 7],
    ] as const) {
      const data = new Uint8Array(64);
      data.set([...u32(key), ...u32(second)], 24);
      const ours = answer(machine.run("p", { packet: data }).packet);
      expect({ key, second, ours }).toEqual({ key, second, ours: answer(loaded.program("p").testRun({ data }).data) });
    }
  });
});

describe.skipIf(!loadable.ok || !pinned)("what a pointer from before sees", () => {
  // prettier-ignore
  const SHAPES: Readonly<Record<string, MapSpec>> = {
    "hash":                   map("m", "hash", 4, 8, 3),
    "hash, no_prealloc":      map("m", "hash", 4, 8, 3, { flags: 1 }),
    "array":                  map("m", "array", 4, 8, 3),
    "percpu_hash":            map("m", "percpu_hash", 4, 8, 3),
    "percpu_array":           map("m", "percpu_array", 4, 8, 3),
    "lru_hash":               map("m", "lru_hash", 4, 8, 4),
    "lru_hash, own lists":    map("m", "lru_hash", 4, 8, 4, { flags: 2 }),
    "lru_percpu_hash":        map("m", "lru_percpu_hash", 4, 8, 4),
  };
  const HELPERS = ["map_update_elem", "map_delete_elem"] as const;
  // Looks up the first key, does one thing to the second and one to the third, and reads where the first one's value was.
  // The packet: results at 16 and 24, the value at 32; the keys at 40, the value to set at 56.
  // prettier-ignore
  const act = (helper: (typeof HELPERS)[number], key: number, result: number): Part[] => [
    ldx(4, r1, r7, key), st(4, r10, -8, r1),
    ldmap(r1, "m"), ...stack(r2, -8),
    ...(helper === "map_update_elem" ? [...stack(r3, -16), mov64(r4, 0)] : []),
    call(helper), st(8, r7, result, r0),
  ];
  // prettier-ignore
  const body = (first: (typeof HELPERS)[number], second: (typeof HELPERS)[number]): Part[] => [
    ...PROLOG, ldx(8, r1, r7, 56), st(8, r10, -16, r1), ldx(4, r1, r7, 40), st(4, r10, -8, r1),
    ldmap(r1, "m"), ...stack(r2, -8), call("map_lookup_elem"), mov64(r6, r0),
    ...act(first, 44, 16), ldx(8, r1, r10, -16), alu64("add", r1, 1), st(8, r10, -16, r1), ...act(second, 48, 24),
    jmp("eq", r6, 0, "absent"), ldx(8, r1, r6, 0), st(8, r7, 32, r1), label("absent"), mov64(r0, 2),
    ...EPILOG,
  ];
  const pairs = HELPERS.flatMap((first) => HELPERS.map((second) => [first, second] as const));
  const programs = pairs.map(([first, second], i) => program(`p${i}`, "xdp", body(first, second)));

  test.each(Object.entries(SHAPES))("%s", async (_, spec) => {
    const command = fc.record({
      which: fc.nat(3),
      keys: fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)),
      value: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
        const both = object(programs, [spec]);
        const loaded = await load(both);
        try {
          const machine = createMachine(both, { cpus: possibleCpus() });
          for (const one of commands) {
            const data = new Uint8Array(64);
            data.set([...one.keys.flatMap((key) => [...u32(key)])], 40);
            data.set(u64(one.value), 56);
            const { packet, fault } = machine.run(`p${one.which}`, { packet: data });
            const theirs = loaded.program(`p${one.which}`).testRun({ data }).data;
            expect({ one, fault, packet: packet?.join() }).toEqual({ one, fault: null, packet: theirs.join() });
          }
        } finally {
          loaded.close();
        }
      }),
      { seed, numRuns: 60 },
    );
  });
});

describe.skipIf(!loadable.ok)("sockets", () => {
  const [TCP, UDP, LISTEN, ESTABLISHED, CLOSED] = [6, 17, 10, 1, 7];

  test("which may be put in, and under which conditions", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as { port: number }).port, "127.0.0.1");
    await once(client, "connect");
    const udp = createSocket("udp4").bind(0, "127.0.0.1");
    await once(udp, "listening");
    const path = `\0ebpf-ts-maps-${process.pid}`;
    const unixServer = createServer().listen(path);
    await once(unixServer, "listening");
    const unixClient = connect(path);
    await once(unixClient, "connect");
    const udpFd = (udp as unknown as Record<symbol, { handle: { fd: number } }>)[stateSymbol(udp)]?.handle.fd ?? -1;
    try {
      // prettier-ignore
      const kinds: [string, fd: number, fields: Record<string, number>][] = [
        ["TCP, listening",   descriptorOf(server),     { protocol: TCP, state: LISTEN }],
        ["TCP, established", descriptorOf(client),     { protocol: TCP, state: ESTABLISHED }],
        ["UDP",              udpFd,                    { protocol: UDP, type: 2, state: CLOSED }],
        ["Unix, listening",  descriptorOf(unixServer), { family: 1, protocol: 0, state: LISTEN }],
        ["Unix, connected",  descriptorOf(unixClient), { family: 1, protocol: 0, state: ESTABLISHED }],
      ];
      for (const type of ["sockmap", "sockhash", "reuseport_sockarray"] as const) {
        for (const [name, fd, fields] of kinds) {
          // Node cannot make sockets with SO_REUSEPORT, without which the kernel takes none that could listen.
          const inGroups = fields["state"] === LISTEN || fields["protocol"] === UDP;
          const spec = map("m", type, 4, 8, 2);
          const { machine, loaded } = await onBoth([mov64(r0, 2), exit()], [spec]);
          const real = new KernelMap(loaded.map("m").fd, spec);
          const socket = machine.createSocket(fields);
          const put = (key: number, mode: "any" | "create" | "replace"): number => {
            try {
              if (type === "reuseport_sockarray") machine.mapOf("m", ReuseportArray).setSocket(key, socket, mode);
              else machine.socketMap("m").setSocket(u32(key), socket, mode);
              return 0;
            } catch (error) {
              return -(error as { errno: number }).errno;
            }
          };
          const steps =
            type === "reuseport_sockarray"
              ? [ABSENT, BEYOND, ...(inGroups ? [] : [PUT])]
              : [ABSENT, PUT, TWICE, PUT_AGAIN, OTHER, BEYOND];
          const ours = steps.map(([key, mode]) => put(key, mode));
          const theirs = steps.map(([key, , flags]) => real.updateElem(u32(key), u64(fd), flags));
          expect({ type, name, results: ours }).toEqual({ type, name, results: theirs });
          if (type !== "reuseport_sockarray") {
            const known = (m: { keys(): Uint8Array[]; lookupElem(key: Uint8Array): unknown }) =>
              [0, 1, 5, 6].map((key) => typeof m.lookupElem(u32(key)));
            expect({ type, name, known: known(machine.map("m")) }).toEqual({ type, name, known: known(real) });
          }
          loaded.close();
        }
      }
    } finally {
      client.destroy();
      server.close();
      udp.close();
      unixClient.destroy();
      unixServer.close();
    }
  });
});
describe.skipIf(!loadable.ok)("storage of user space's making", () => {
  // Inodes take any open file, cgroups their directory; a task's descriptor is not to be had here.
  const ofFile = (path: string | null) => async (): Promise<[fd: number, close: () => void] | null> => {
    if (path === null) return null;
    const fd = openSync(path, "r");
    return [fd, () => closeSync(fd)];
  };
  const ofSocket = async (): Promise<[fd: number, close: () => void]> => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return [descriptorOf(server), () => server.close()];
  };
  const typed = { flags: 1, keyType: T.u32, valueType: T.u64 };
  const cases: [MapType, open: () => Promise<[fd: number, close: () => void] | null>][] = [
    ["inode_storage", ofFile("/etc/hostname")],
    ["cgrp_storage", ofFile(findCgroupRoot())],
    ["sk_storage", ofSocket],
  ];
  test.each(cases)("%s", async (type, open) => {
    const found = await open();
    if (found === null) return;
    const [fd, close] = found;
    const spec = map("m", type, 4, 8, 0, typed);
    const { machine, loaded } = await onBoth([mov64(r0, 2), exit()], [spec]);
    const [simulated, real] = [machine.mapOf("m", OwnedStorage), new KernelMap(loaded.map("m").fd, spec)];
    const owner = {};
    try {
      const key = u32(fd);
      const read = (): [unknown, unknown] => {
        const theirs = real.lookupElem(key);
        return [simulated.getFor(owner)?.join() ?? ENOENT, typeof theirs === "number" ? theirs : theirs.join()];
      };
      const set = (value: number, mode: "any" | "create" | "replace", flags: number): [unknown, unknown] => {
        const attempt = (): number => {
          try {
            simulated.setFor(owner, u64(value), mode);
            return 0;
          } catch (error) {
            return -(error as { errno: number }).errno;
          }
        };
        return [attempt(), real.updateElem(key, u64(value), flags)];
      };
      const remove = (): [unknown, unknown] => [simulated.removeFrom(owner), real.deleteElem(key)];
      // prettier-ignore
      const steps = [
        read(), set(1, "replace", 2), set(2, "create", 1), read(), set(3, "create", 1), read(), set(4, "any", 0), read(),
        set(5, "replace", 2), read(), remove(), remove(), read(),
      ];
      expect(steps.map(([ours]) => ours)).toEqual(steps.map(([, theirs]) => theirs));
    } finally {
      close();
    }
  });
});
const ENOENT = -2;

type Step = readonly [key: number, mode: "any" | "create" | "replace", flags: number];
const ABSENT: Step = [1, "replace", 2];
const PUT: Step = [1, "any", 0];
const TWICE: Step = [1, "create", 1];
const PUT_AGAIN: Step = [1, "replace", 2];
const OTHER: Step = [0, "create", 1];
const BEYOND: Step = [5, "any", 0];

function stateSymbol(socket: object): symbol {
  const found = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === "state symbol");
  if (found === undefined) throw new Error("node keeps no state of a datagram socket where it used to");
  return found;
}
