/** Helpers on maps and ring buffers. Argument meaning: bpf-helpers(7). */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import { RingbufMap, SocketMap } from "../maps/index.ts";
import type { VmMap } from "../maps/index.ts";
import { takesMap } from "../../kernel/index.ts";
import type { MapHelperName } from "../../kernel/index.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const key = (host: Host, map: VmMap, register: bigint): Uint8Array => host.bytes(register, map.spec.keySize);

export const MAP_HELPERS = {
  map_lookup_elem: (host, r1, r2) => {
    const map = readable(host, r1, "map_lookup_elem");
    host.memory.check(Number(r2), map.spec.keySize, false);
    const address = map.lookupAt(Number(r2), host.run.cpu);
    // A socket that is found is acquired.
    if (address !== 0 && map instanceof SocketMap) host.run.references.acquire(address, `a socket of map ${map.name}`);
    return BigInt(address);
  },
  map_update_elem: (host, r1, r2, r3, r4) => {
    const map = writable(host, r1, "map_update_elem");
    host.memory.check(Number(r2), map.spec.keySize, false);
    if (map instanceof SocketMap) return result(putSocket(host, map, r2, r3, r4));
    host.memory.check(Number(r3), map.spec.valueSize, false);
    return result(map.updateAt(Number(r2), Number(r3), Number(r4), host.run.cpu));
  },
  map_delete_elem: (host, r1, r2) => {
    const map = writable(host, r1, "map_delete_elem");
    host.memory.check(Number(r2), map.spec.keySize, false);
    return result(map.removeAt(Number(r2), host.run.cpu));
  },
  map_lookup_percpu_elem: (host, r1, r2, r3) => {
    const cpu = u32(r3);
    const map = readable(host, r1, "map_lookup_percpu_elem");
    return cpu < host.environment.cpus ? BigInt(map.lookup(key(host, map, r2), cpu)) : 0n;
  },
  map_push_elem: (host, r1, r2, r3) => {
    const map = writable(host, r1, "map_push_elem");
    return result(map.push(host.bytes(r2, map.spec.valueSize), Number(r3)));
  },
  map_pop_elem: (host, r1, r2) => {
    const map = writable(host, r1, "map_pop_elem");
    return result(map.pop(host.bytes(r2, map.spec.valueSize, true)));
  },
  map_peek_elem: (host, r1, r2) => {
    const map = readable(host, r1, "map_peek_elem");
    return result(map.peek(host.bytes(r2, map.spec.valueSize, true)));
  },
  for_each_map_elem: (host, r1, callback, context, flags) => {
    if (flags !== 0n) return result(-ERRNO.EINVAL);
    const { engine, cpu } = host.run;
    const goesOn = (keyAt: number, valueAt: number): boolean =>
      engine.call(callback, r1, BigInt(keyAt), BigInt(valueAt), context, 0n) === 0n;
    return result(readable(host, r1, "for_each_map_elem").forEach(goesOn, cpu));
  },
  ringbuf_query: (host, r1, r2) => result(ring(host, r1).query(r2)),
  ringbuf_output: (host, r1, r2, r3, r4) => {
    return result(ring(host, r1).output(host.bytes(r2, u32(r3)), r4));
  },
  ringbuf_reserve: (host, r1, r2, r3) => BigInt(ring(host, r1).reserve(r2, r3)),
  ringbuf_submit: (host, r1, r2) => commit(host, r1, true, r2),
  ringbuf_discard: (host, r1, r2) => commit(host, r1, false, r2),
} satisfies Implementations;

/** The map that a register holds, of a type that the helper takes: the kernel's verifier refuses others. */
function mapFor(host: Host, register: bigint, helper: MapHelperName): VmMap {
  const map = host.map(register);
  const { type } = host.run;
  if (takesMap(helper, map.spec.type, type)) return map;
  throw new Trap(
    "argument",
    `helper ${helper} does not take map ${map.name} (${map.spec.type}) in a program of type ${type}`,
  );
}

function putSocket(host: Host, map: SocketMap, key: bigint, value: bigint, flags: bigint): number {
  const socket = host.socket(value);
  if (socket === null)
    throw new Trap("argument", `map_update_elem of map ${map.name} with a null pointer for a socket`);
  return map.put(host.bytes(key, map.spec.keySize), socket, Number(flags));
}

function readable(host: Host, register: bigint, helper: MapHelperName): VmMap {
  const map = mapFor(host, register, helper);
  if (map.programReads) return map;
  throw new Trap("argument", `map ${map.name} is write-only for programs (BPF_F_WRONLY_PROG)`);
}

function writable(host: Host, register: bigint, helper: MapHelperName): VmMap {
  const map = mapFor(host, register, helper);
  if (map.programWrites) return map;
  throw new Trap("read_only", `map ${map.name} is read-only for programs (BPF_F_RDONLY_PROG)`);
}

const ring = (host: Host, register: bigint): RingbufMap => host.mapOf(register, RingbufMap, "ring buffer");

function commit(host: Host, record: bigint, submit: boolean, flags: bigint): bigint {
  const done = host.ringBuffers.some((map) => map.commit(Number(record), submit, flags));
  if (!done) throw new Trap("argument", `0x${record.toString(16)} is not a reserved ring buffer record`);
  return 0n;
}
