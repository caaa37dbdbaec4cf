/**
 * The kernel's side of comparisons of maps: the commands of bpf(2) on a loaded map, with results as the simulated maps give
 * them (a value or a negative errno), and a program that performs map helpers told by its packet.
 */
import { spawnSync } from "node:child_process";
// prettier-ignore
import { alu64, call, exit, jmp, label, ldx, mov64, r0, r1, r10, r2, r3, r4, r6, r7, r8, r9, st } from "../../lib/asm/index.ts";
import type { Item } from "../../lib/asm/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import type { Batch } from "../../lib/vm/index.ts";
import { valueBytes } from "../../loader/map.ts";
import { bpf } from "../../loader/sys/calls.ts";
import { shim } from "../../loader/sys/shim.ts";
import { ldmap } from "../kernel/specs.ts";
import type { program } from "../kernel/specs.ts";

type Part = Parameters<typeof program>[2][number];

/** Ties the main thread, whose number is the process's, to CPUs (`0`, `0-1`); false where that is not possible. */
export function pin(cpus: string): boolean {
  return spawnSync("taskset", ["-cp", cpus, String(process.pid)]).status === 0;
}

export class KernelMap {
  private readonly fd: number;
  private readonly spec: MapSpec;

  constructor(fd: number, spec: MapSpec) {
    this.fd = fd;
    this.spec = spec;
  }

  lookupElem(key: Uint8Array, flags = 0): Uint8Array | number {
    const value = new Uint8Array(valueBytes(this.spec));
    const result = bpf("map_lookup_elem", { ...this.named(key), value, flags });
    return result < 0 ? result : value;
  }
  updateElem(key: Uint8Array, value: Uint8Array, flags = 0): number {
    return bpf("map_update_elem", { ...this.named(key), value, flags });
  }
  deleteElem(key: Uint8Array): number {
    return bpf("map_delete_elem", this.named(key));
  }
  nextKey(key: Uint8Array | null): Uint8Array | number {
    const value = new Uint8Array(Math.max(this.spec.keySize, 1));
    const result = bpf("map_get_next_key", { ...(key === null ? { map_fd: this.fd } : this.named(key)), value });
    return result < 0 ? result : value;
  }
  takeElem(key: Uint8Array, flags = 0): Uint8Array | number {
    const value = new Uint8Array(valueBytes(this.spec));
    const result = bpf("map_lookup_and_delete_elem", { ...this.named(key), value, flags });
    return result < 0 ? result : value;
  }
  freeze(): number {
    return bpf("map_freeze", { map_fd: this.fd });
  }

  lookupBatch(cursor: Uint8Array | null, count: number, flags = 0): Batch {
    return this.readBatch(COMMAND.lookup, cursor, count, flags);
  }
  takeBatch(cursor: Uint8Array | null, count: number, flags = 0): Batch {
    return this.readBatch(COMMAND.take, cursor, count, flags);
  }
  updateBatch(entries: readonly (readonly [Uint8Array, Uint8Array])[], flags = 0): { result: number; done: number } {
    const keys = joined(entries.map(([key]) => key));
    const values = joined(entries.map(([, value]) => value));
    return this.batch(COMMAND.update, { keys, values }, entries.length, flags);
  }
  deleteBatch(keys: readonly Uint8Array[], flags = 0): { result: number; done: number } {
    return this.batch(COMMAND.delete, { keys: joined(keys) }, keys.length, flags);
  }

  /** All keys by walking, in the kernel's order. */
  keys(): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (let key = this.nextKey(null); typeof key !== "number"; key = this.nextKey(key)) keys.push(key);
    return keys;
  }

  private named(key: Uint8Array): { map_fd: number; key?: Uint8Array } {
    return key.length === 0 ? { map_fd: this.fd } : { map_fd: this.fd, key };
  }

  private readBatch(command: number, cursor: Uint8Array | null, count: number, flags: number): Batch {
    const { keySize } = this.spec;
    const size = valueBytes(this.spec);
    const [keys, values] = [new Uint8Array(keySize * count), new Uint8Array(size * count)];
    const next = new Uint8Array(Math.max(keySize, 4));
    const buffers = { keys, values, next, ...(cursor === null ? {} : { cursor: padded(cursor) }) };
    const { result, done } = this.batch(command, buffers, count, flags);
    const entries = Array.from({ length: done }, (_, i) => {
      const key = keys.slice(i * keySize, (i + 1) * keySize);
      return [key, values.slice(i * size, (i + 1) * size)] as const;
    });
    return { result, entries, cursor: next };
  }

  /** `union bpf_attr`, member `batch`. */
  private batch(
    command: number,
    buffers: { keys: Uint8Array; values?: Uint8Array; cursor?: Uint8Array; next?: Uint8Array },
    count: number,
    flags: number,
  ): { result: number; done: number } {
    const attr = new Uint8Array(56);
    const view = new DataView(attr.buffer);
    view.setUint32(32, count, true);
    view.setUint32(36, this.fd, true);
    view.setBigUint64(40, BigInt(flags), true);
    const at = { cursor: 0, next: 8, keys: 16, values: 24 } as const;
    const pointers = Object.entries(buffers).flatMap(([name, bytes]) => [at[name as keyof typeof at], bytes]);
    const result = shim().bpf(command, attr, ...pointers);
    // What fails before it begins leaves the count as it was.
    const written = view.getUint32(32, true);
    return { result, done: result < 0 && written === count ? 0 : written };
  }
}

const COMMAND = { lookup: 24, take: 25, update: 26, delete: 27 } as const;

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
function padded(cursor: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.max(cursor.length, 4));
  out.set(cursor);
  return out;
}

// ---- a program that performs one helper on a map

/** What the program is told, and where its packet has it. The result comes back in `result`, a value read in `value`. */
export interface Request {
  readonly helper: number;
  readonly flags: bigint;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
const PACKET = { helper: 16, flags: 24, key: 32, value: 96, result: 160, size: 168 };

export function requestPacket({ helper, flags, key, value }: Request): Uint8Array {
  const packet = new Uint8Array(PACKET.size);
  const view = new DataView(packet.buffer);
  view.setUint32(PACKET.helper, helper, true);
  view.setBigUint64(PACKET.flags, BigInt.asUintN(64, flags), true);
  packet.set(key.subarray(0, 64), PACKET.key);
  packet.set(value.subarray(0, 64), PACKET.value);
  return packet;
}

/** The helper's result (a look-up: 1 or 0), and the value it found. */
export function answerOf(packet: Uint8Array, valueSize: number): { result: bigint; value: string } {
  const result = new DataView(packet.buffer, packet.byteOffset).getBigInt64(PACKET.result, true);
  return { result, value: packet.subarray(PACKET.value, PACKET.value + valueSize).join() };
}

/** Numbers of the operations in a `Request`, and the helpers they call. */
export const OPERATIONS = {
  lookup: 0,
  update: 1,
  remove: 2,
  push: 3,
  pop: 4,
  peek: 5,
} as const;
export type Operation = keyof typeof OPERATIONS;
/** Of maps without keys; numbers of the helpers. */
const HELPER = { push: 87, pop: 88, peek: 89 } as const;

/** The program for map "m" with those of the operations that its type allows. Sizes up to 64 bytes, a multiple of 4. */
// prettier-ignore
export function operator(spec: MapSpec, operations: readonly Operation[]): Part[] {
  const words = (size: number): number[] => Array.from({ length: size / 4 }, (_, i) => i * 4);
  const KEY = -64, VALUE = -128;
  const stack = (register: typeof r2, at: number): Item[] => [mov64(register, r10), alu64("add", register, at)];
  const done = [st(8, r7, PACKET.result, r0), mov64(r0, 2), exit()];
  const back = words(spec.valueSize).flatMap((at) => [ldx(4, r1, r10, VALUE + at), st(4, r7, PACKET.value + at, r1)]);
  const bodies: Record<Operation, Part[]> = {
    lookup: [
      ldmap(r1, "m"), ...stack(r2, KEY), call("map_lookup_elem"), jmp("eq", r0, 0, "absent"),
      ...words(spec.valueSize).flatMap((at) => [ldx(4, r1, r0, at), st(4, r7, PACKET.value + at, r1)]),
      mov64(r0, 1), label("absent"), ...done,
    ],
    update: [ldmap(r1, "m"), ...stack(r2, KEY), ...stack(r3, VALUE), mov64(r4, r9), call("map_update_elem"), ...done],
    remove: [ldmap(r1, "m"), ...stack(r2, KEY), call("map_delete_elem"), ...done],
    push: [ldmap(r1, "m"), ...stack(r2, VALUE), mov64(r3, r9), call(HELPER.push), ...done],
    pop: [ldmap(r1, "m"), ...stack(r2, VALUE), call(HELPER.pop), mov64(r6, r0), ...back, mov64(r0, r6), ...done],
    peek: [ldmap(r1, "m"), ...stack(r2, VALUE), call(HELPER.peek), mov64(r6, r0), ...back, mov64(r0, r6), ...done],
  };
  return [
    ldx(4, r7, r1, 0), ldx(4, r8, r1, 4), mov64(r0, 0), mov64(r2, r7), alu64("add", r2, PACKET.size), jmp("gt", r2, r8, "short"),
    ...words(64).flatMap((at) => [ldx(4, r1, r7, PACKET.key + at), st(4, r10, KEY + at, r1), ldx(4, r1, r7, PACKET.value + at), st(4, r10, VALUE + at, r1)]),
    ldx(8, r9, r7, PACKET.flags), ldx(4, r6, r7, PACKET.helper),
    ...operations.flatMap((one): Part[] => [jmp("ne", r6, OPERATIONS[one], `not-${one}`), ...bodies[one], label(`not-${one}`)]),
    label("short"), exit(),
  ];
}
