/**
 * One program on the machine, by both engines, and on the running kernel: a list of helper calls, and everything that they leave behind.
 *
 * Each step is some code that ends with a result in r0. r6 is the context, r9 a map value of `IO.size` bytes that both sides
 * are given and that is compared afterwards:
 *
 *   words 0..15: arguments of the run   |   words 16..47: result of each step   |   from byte 384: memory for helpers
 */
import { expect } from "vitest";
import { alu64, exit, ldx, mov64, r0, r1, r10, r6, r9, st } from "../../../lib/asm/index.ts";
import type { Register } from "../../../lib/asm/index.ts";
import type { Btf } from "../../../lib/btf/index.ts";
import type { HookName } from "../../../lib/kernel/index.ts";
import type { MapSpec, ObjectSpec } from "../../../lib/object/index.ts";
import { createMachine } from "../../../lib/vm/index.ts";
import type { Machine, MachineOptions, RunResult } from "../../../lib/vm/index.ts";
import { canLoad, load } from "../../../loader/index.ts";
import type { LoadedObject } from "../../../loader/index.ts";
import { T, TYPES, ldvalue, map, object, program, subprogram } from "../../kernel/specs.ts";
import { u64 } from "../bytes.ts";

export type Part = Parameters<typeof program>[2][number];

/** Types for values that the kernel keeps something in, and of functions that are called back. */
// prettier-ignore
const TYPES_MORE: Btf = {
  types: [
    ...TYPES.types,
    { kind: "func", name: "callback", type: 10, linkage: "static" },
    { kind: "array", element: 2, index: 1, count: 2 },
    { kind: "struct", name: "bpf_timer", size: 16, members: [{ name: "opaque", type: 18, bitOffset: 0 }] },
    { kind: "struct", name: "bpf_spin_lock", size: 4, members: [{ name: "val", type: 1, bitOffset: 0 }] },
    { kind: "struct", name: "timed", size: 24, members: [
      { name: "timer", type: 19, bitOffset: 0 }, { name: "count", type: 2, bitOffset: 128 } ] },
    { kind: "struct", name: "locked", size: 8, members: [
      { name: "lock", type: 20, bitOffset: 0 }, { name: "count", type: 1, bitOffset: 32 } ] },
  ],
};
/** Ids of these types. */
export const C = { callback: 17, timed: 21, locked: 22 } as const;

const ETHERNET = 14;

/** Where things are in the map value. */
export const IO = { size: 1024, results: 128, memory: 384 } as const;

/** Why there is no kernel to compare with, or null. */
export const noKernel = ((): string | null => {
  const loadable = canLoad();
  if (!loadable.ok) process.stderr.write(`skipped: helpers against the kernel: ${loadable.reason}\n`);
  return loadable.ok ? null : loadable.reason;
})();

/** reg = argument `n` of the run. */
export const arg = (reg: Register, n: number): Part => ldx(8, reg, r9, 8 * n);
/** reg = the address of byte `offset` of the memory for helpers. */
export const mem = (reg: Register, offset = 0): Part[] => [mov64(reg, r9), alu64("add", reg, IO.memory + offset)];
/** reg = an address on the stack. */
export const stack = (reg: Register, offset: number): Part[] => [mov64(reg, r10), alu64("add", reg, offset)];
/** r1 = the context. */
export const ctx: Part = mov64(r1, r6);

/** What can be seen of a run. */
export interface Seen {
  readonly results: readonly bigint[];
  /** Hexadecimal, which compares fast. */
  readonly memory: string;
  readonly packet: string | null;
  readonly verdict: number | null;
  readonly fault: string | null;
}

export interface Input {
  readonly args?: readonly (bigint | number)[];
  /** From the start of the memory for helpers. */
  readonly memory?: Uint8Array;
  readonly packet?: Uint8Array;
  /** Bytes of it that are linear; on the machine only. */
  readonly linear?: number;
  /** The kernel's context structure for its test run; the machine's, by field. */
  readonly ctx?: Uint8Array;
  readonly context?: Parameters<Machine["run"]>[1] extends infer I
    ? I extends { context?: infer C }
      ? C
      : never
    : never;
}

export interface More {
  readonly maps?: readonly MapSpec[];
  readonly verdict?: number;
  readonly options?: MachineOptions;
  readonly flags?: number;
  /** Functions to be called back, by name. */
  readonly functions?: Readonly<Record<string, readonly Part[]>>;
}

function specOf(hook: HookName, steps: readonly (readonly Part[])[], more: More): ObjectSpec {
  const { maps = [], verdict = 0, flags = 0 } = more;
  const main = program("p", hook, [
    mov64(r6, r1),
    ldvalue(r9, "io"),
    ...steps.flatMap((step, i) => [...step, st(8, r9, IO.results + 8 * i, r0)]),
    mov64(r0, verdict),
    exit(),
  ]);
  const functions = Object.entries(more.functions ?? {}).map(([name, parts]) => subprogram(name, parts, C.callback));
  return {
    ...object(
      [{ ...main, flags, btfId: functions.length === 0 ? 0 : T.func }],
      [map("io", "array", 4, IO.size, 1), ...maps],
      TYPES_MORE,
    ),
    subprograms: functions,
  };
}

export class Both implements Disposable {
  readonly machine: Machine;
  readonly kernel: LoadedObject | null;
  /** The same machine with the other engine. */
  private readonly compiled: Machine;
  private readonly steps: number;
  /** Its packets start at the network header. */
  private readonly fromNetwork: boolean;

  static async of(hook: HookName, steps: readonly (readonly Part[])[], more: More = {}): Promise<Both> {
    const spec = specOf(hook, steps, more);
    return new Both(spec, more, steps.length, noKernel === null ? await load(spec) : null);
  }

  /** The machine alone, for programs that the kernel refuses; its answers stand for the kernel's. */
  static async alone(hook: HookName, steps: readonly (readonly Part[])[], more: More = {}): Promise<Both> {
    return new Both(specOf(hook, steps, more), more, steps.length, null);
  }

  private constructor(spec: ObjectSpec, { options = {} }: More, steps: number, kernel: LoadedObject | null) {
    this.machine = createMachine(spec, options);
    this.compiled = createMachine(spec, { ...options, engine: "jit" });
    this.kernel = kernel;
    this.steps = steps;
    this.fromNetwork = spec.programs.some(({ type }) => type === "cgroup_skb" || type === "socket_filter");
  }

  /** The machine on each engine, for what a test does to their maps. */
  get machines(): readonly Machine[] {
    return [this.machine, this.compiled];
  }

  /** Runs all on an input; the machine's two engines must agree. */
  run(input: Input = {}): { readonly machine: Seen; readonly kernel: Seen; readonly result: RunResult } {
    const io = new Uint8Array(IO.size);
    (input.args ?? []).forEach((value, i) => io.set(u64(BigInt.asUintN(64, BigInt(value))), 8 * i));
    io.set(input.memory ?? [], IO.memory);
    const key = new Uint8Array(4);
    const { packet } = input;
    const header = this.fromNetwork ? ETHERNET : 0;
    const { seen: machine, result } = this.simulate(this.machine, io, input);
    expect(this.simulate(this.compiled, io, input).seen, "interpreter and compiled code").toEqual(machine);
    if (this.kernel === null) return { machine, kernel: machine, result };
    const real = this.kernel.map("io");
    real.setRaw(key, io);
    const run = this.kernel.program("p").testRun({
      ...(packet === undefined ? {} : { data: packet }),
      ...(input.ctx === undefined ? {} : { ctx: input.ctx }),
    });
    const kernel = this.seen(real.getRaw(key) ?? null, {
      packet: packet === undefined ? result.packet : run.data,
      returnValue: run.returnValue | 0,
      fault: null,
    });
    // The kernel's test run takes and gives a link-layer header that such programs do not see.
    return { machine, kernel: { ...kernel, packet: kernel.packet?.slice(2 * header) ?? null }, result };
  }

  // prettier-ignore
  private simulate(machine: Machine, io: Uint8Array, { packet, context, linear }: Input): { seen: Seen; result: RunResult } {
    const key = new Uint8Array(4);
    machine.map("io").set(key, io);
    const result = machine.run("p", {
      ...(packet === undefined ? {} : { packet: this.fromNetwork ? packet.subarray(ETHERNET) : packet }),
      ...(context === undefined ? {} : { context }),
      ...(linear === undefined ? {} : { linear }),
    });
    return { seen: this.seen(machine.map("io").get(key) ?? null, result), result };
  }

  private seen(io: Uint8Array | null, run: Pick<RunResult, "packet" | "returnValue" | "fault">): Seen {
    const bytes = io ?? new Uint8Array(IO.size);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return {
      results: Array.from({ length: this.steps }, (_, i) => view.getBigInt64(IO.results + 8 * i, true)),
      memory: hex(bytes.subarray(IO.memory)),
      packet: run.packet === null ? null : hex(run.packet),
      verdict: run.returnValue,
      fault: run.fault?.message ?? null,
    };
  }

  [Symbol.dispose](): void {
    this.kernel?.close();
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A seed for random input, said on stderr so that a failure can be repeated. */
export function seedFor(what: string): number {
  const seed = Number(process.env["SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
  process.stderr.write(`${what}: seed ${seed}\n`);
  return seed;
}
