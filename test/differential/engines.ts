/**
 * One program on several engines: its WebAssembly in the JavaScript engine (the source-level oracle), the compiled eBPF in
 * the interpreter and the JIT, and the same eBPF in the running kernel by BPF_PROG_TEST_RUN. A test plays the same packets on all and
 * compares verdicts, packets, maps and events.
 */
import { compileFile, type Cpu } from "../../codegen/index.ts";
import { formatDiagnostic } from "../../lib/diag/index.ts";
import { PER_CPU_MAPS } from "../../lib/kernel/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { createMachine } from "../../lib/vm/index.ts";
import type { EngineName } from "../../lib/vm/index.ts";
import { load } from "../../loader/index.ts";
import { createOracle } from "./wasm-oracle.ts";

export interface Outcome {
  /** Return value as u32. */
  readonly verdict: number;
  readonly packet: string;
}

export interface Engine extends AsyncDisposable {
  readonly name: "wasm" | EngineName | "kernel";
  run(program: string, packet: Uint8Array): Outcome;
  set(map: string, key: Uint8Array, value: Uint8Array): void;
  /** Hex key to hex value, ordered by key. Per-CPU values: the sum of their u64s, in decimal. */
  entries(map: string): [string, string][];
  /** Records of a ring buffer since the last call. */
  events(map: string): Uint8Array[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function sorted(entries: Iterable<[string, string]>): [string, string][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** A per-CPU counter. */
function sum(value: Uint8Array): string {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  let total = 0n;
  for (let at = 0; at + 8 <= value.length; at += 8) total += view.getBigUint64(at, true);
  return String(total);
}

/** Compiles the program, which must be without mistakes. */
export async function compiled(path: string, cpu: Cpu = "v3"): Promise<ObjectSpec> {
  const { object, diagnostics } = await compileFile(path, { check: true, cpu });
  if (object === null) throw new Error(diagnostics.map(formatDiagnostic).join("\n"));
  return object;
}

export async function wasmEngine(path: string, object: ObjectSpec): Promise<Engine> {
  const oracle = await createOracle(path);
  const perCpu = perCpuNames(object);
  return {
    name: "wasm",
    run: (program, packet) => {
      const { verdict, packet: after } = oracle.run(program, packet);
      return { verdict, packet: hex(after) };
    },
    set: (map, key, value) => oracle.set(map, key, value),
    entries: (map) => {
      const entries = [...oracle.entries(map)];
      return sorted(perCpu.has(map) ? entries.map(([k, v]) => [k, sum(Buffer.from(v, "hex"))]) : entries);
    },
    events: () => oracle.events.splice(0),
    [Symbol.asyncDispose]: async () => {},
  };
}

export function vmEngine(object: ObjectSpec, name: EngineName): Engine {
  const machine = createMachine(object, { engine: name });
  const perCpu = perCpuNames(object);
  return {
    name,
    run: (program, packet) => {
      const { returnValue, fault, packet: after } = machine.run(program, { packet });
      if (returnValue === null) throw new Error(`fault: ${JSON.stringify(fault)}`);
      return { verdict: returnValue >>> 0, packet: hex(after ?? new Uint8Array(0)) };
    },
    set: (map, key, value) => machine.map(map).set(key, value),
    entries: (map) =>
      sorted([...machine.map(map).entries()].map(([k, v]) => [hex(k), perCpu.has(map) ? sum(v) : hex(v)])),
    events: (map) => machine.ringbuf(map).drain(),
    [Symbol.asyncDispose]: async () => {},
  };
}

export async function kernelEngine(object: ObjectSpec): Promise<Engine> {
  const loaded = await load(object);
  const perCpu = perCpuNames(object);
  const rings = new Map(
    object.maps
      .filter((m) => m.type === "ringbuf")
      .map((m) => [m.name, loaded.ringbuf<Uint8Array>(m.name, { type: 0 })]),
  );
  return {
    name: "kernel",
    run: (program, packet) => {
      const result = loaded.program(program).testRun({ data: packet });
      return { verdict: result.returnValue >>> 0, packet: hex(result.data) };
    },
    set: (map, key, value) => loaded.map(map).setRaw(key, value),
    entries: (map) =>
      sorted([...loaded.map(map).entriesRaw()].map(([k, v]) => [hex(k), perCpu.has(map) ? sum(v) : hex(v)])),
    events: (map) => {
      const found: Uint8Array[] = [];
      for (let event = rings.get(map)?.read(); event !== undefined; event = rings.get(map)?.read()) found.push(event);
      return found;
    },
    [Symbol.asyncDispose]: async () => loaded.close(),
  };
}

function perCpuNames(object: ObjectSpec): ReadonlySet<string> {
  return new Set(object.maps.filter((m) => PER_CPU_MAPS.has(m.type)).map((m) => m.name));
}
