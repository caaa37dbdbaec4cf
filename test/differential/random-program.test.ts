// Random eBPF on all engines: what one does, all do. Programs that the kernel takes run in it too; of those changed by
// `mutate` nothing is known, so they are compared with the kernel's verdict left out: faults, counts and memory must agree.
// EBPF_TS_PROGRAMS sets how many, EBPF_TS_SEED repeats a run; `npm run fuzz:vm` sets both.
import { expect, test } from "vitest";
import { formatListing, disassemble } from "../../lib/asm/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { ENGINE_NAMES } from "../../lib/vm/engines.ts";
import { createMachine, formatFault } from "../../lib/vm/index.ts";
import type { EngineName, Machine } from "../../lib/vm/index.ts";
import { VerifierError, canLoad, load } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { u32 } from "../vm/bytes.ts";
import { chooseSeed, randomFrom } from "./packets.ts";
import { PACKET_BYTES, mutate, randomProgram } from "./random-program.ts";

const seed = chooseSeed();
const programs = Number(process.env["EBPF_TS_PROGRAMS"] ?? 2000);
const PACKETS = 3;
/** Of that many programs one is mutated. */
const MUTATED = 4;
/** Enough for what the generator makes; a mutant that runs away is ended. */
const LIMIT = 20_000;
const loadable = canLoad();

interface Seen {
  readonly verdict: number | null;
  readonly packet: string;
  readonly maps: readonly string[];
}
/** What engines must agree on beside. */
interface Inside {
  readonly fault: string | null;
  readonly instructions: number;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sorted = (entries: Iterable<[Uint8Array, Uint8Array]>): string[] =>
  [...entries].map(([key, value]) => `${hex(key)}=${hex(value)}`).toSorted();

const MAPS = ["array", "hash", "globals", "trie"];

function simulated(object: ObjectSpec, engine: EngineName): Machine {
  const machine = createMachine(object, { engine, instructionLimit: LIMIT });
  machine.progArray("next").setProgram(0, "other");
  return machine;
}

function onMachine(machine: Machine, packet: Uint8Array): Seen & Inside {
  const result = machine.run("main", { packet });
  return {
    verdict: result.returnValue,
    packet: hex(result.packet ?? new Uint8Array(0)),
    maps: [...MAPS.flatMap((name) => sorted(machine.map(name).entries())), ...machine.ringbuf("ring").drain().map(hex)],
    fault: result.fault === null ? null : `${result.fault.kind} at ${formatFault(result.fault)}`,
    instructions: result.instructions,
  };
}

/** Null when the verifier refuses. */
async function inKernel(object: ObjectSpec): Promise<LoadedObject | null> {
  try {
    const loaded = await load(object);
    loaded.map("next").setRaw(u32(0), u32(loaded.program("other").fd));
    return loaded;
  } catch (error) {
    if (error instanceof VerifierError) return null;
    throw error;
  }
}

function onKernel(kernel: LoadedObject, ring: { read(): Uint8Array | undefined }, packet: Uint8Array): Seen {
  const result = kernel.program("main").testRun({ data: packet });
  const events: string[] = [];
  for (let event = ring.read(); event !== undefined; event = ring.read()) events.push(hex(event));
  return {
    verdict: result.returnValue | 0,
    packet: hex(result.data),
    maps: [...MAPS.flatMap((name) => sorted(kernel.map(name).entriesRaw())), ...events],
  };
}

function randomBytes(random: () => number): Uint8Array {
  const packet = Uint8Array.from({ length: PACKET_BYTES + (random() % 60) }, () =>
    random() % 4 === 0 ? 0xff : random(),
  );
  // Not IP, for whose headers the test run of sched_cls looks.
  packet.set([0x88, 0xb5], 12);
  return packet;
}

test(
  `${programs} random programs (seed ${seed})${loadable.ok ? "" : `; without the kernel: ${loadable.reason}`}`,
  { timeout: 60_000 + programs * 100 },
  async () => {
    const count = { accepted: 0, refused: 0, mutated: 0, faults: 0, runs: 0 };
    for (let i = 0; i < programs; i++) {
      const random = randomFrom(seed + i);
      const made = randomProgram(random);
      const mutated = random() % MUTATED === 0;
      const object = mutated ? mutate(made, random) : made;
      const at = (): string =>
        `EBPF_TS_SEED=${seed + i} EBPF_TS_PROGRAMS=1\n${[...object.programs, ...object.subprograms]
          .map((f) => `${f.name}:\n${formatListing(disassemble(f.insns))}`)
          .join("\n")}`;
      const machines = ENGINE_NAMES.map((engine) => [engine, simulated(object, engine)] as const);
      const kernel = loadable.ok && !mutated ? await inKernel(object) : null;
      if (mutated) count.mutated++;
      else if (kernel !== null) count.accepted++;
      else if (loadable.ok) count.refused++;
      await using ring = kernel?.ringbuf<Uint8Array>("ring", { type: 0 });
      for (let n = 0; n < PACKETS; n++) {
        const packet = randomBytes(random);
        const where = (name: string): string => `${name}, packet ${n}: ${hex(packet)}\n${at()}`;
        const [[, first], ...others] = machines as [(typeof machines)[number], ...typeof machines];
        const expected = onMachine(first, packet);
        count.runs++;
        if (expected.fault !== null) count.faults++;
        for (const [name, machine] of others) {
          const found = onMachine(machine, packet);
          if (!same(found, expected)) expect(found, where(name)).toEqual(expected);
        }
        if (kernel === null || ring === undefined) continue;
        const { fault, instructions: _, ...seen } = expected;
        if (fault !== null) expect(fault, where("a program that the kernel accepts")).toBeNull();
        const real = onKernel(kernel, ring, packet);
        if (!same(real, seen)) expect(seen, where("kernel")).toEqual(real);
      }
      kernel?.close();
    }
    process.stderr.write(`random programs: ${JSON.stringify({ seed, engines: ENGINE_NAMES, ...count })}\n`);
    // The generator is of use only while the kernel takes nearly all it makes.
    expect(count.refused).toBeLessThanOrEqual((count.accepted + count.refused) / 20);
  },
);

/** Quicker than `toEqual`, which is asked only for the message. */
function same(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
