/** Helpers on maps and ring buffers. Argument meaning: bpf-helpers(7). */
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import { RingbufMap } from "../maps/index.ts";
import type { VmMap } from "../maps/index.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const key = (host: Host, map: VmMap, register: bigint): Uint8Array => host.bytes(register, map.spec.keySize);

export const MAP_HELPERS = {
  map_lookup_elem: (host, r1, r2) => {
    const map = host.map(r1);
    host.memory.check(Number(r2), map.spec.keySize, false);
    return BigInt(map.lookupAt(Number(r2), host.run.cpu));
  },
  map_update_elem: (host, r1, r2, r3, r4) => {
    const map = writable(host, r1);
    const value = host.bytes(r3, map.spec.valueSize);
    return result(map.update(key(host, map, r2), value, Number(r4), host.run.cpu));
  },
  map_delete_elem: (host, r1, r2) => {
    const map = writable(host, r1);
    return result(map.remove(key(host, map, r2), host.run.cpu));
  },
  ringbuf_output: (host, r1, r2, r3, r4) => {
    return result(ring(host, r1).output(host.bytes(r2, u32(r3)), r4));
  },
  ringbuf_reserve: (host, r1, r2, r3) => BigInt(ring(host, r1).reserve(r2, r3)),
  ringbuf_submit: (host, r1) => commit(host, r1, true),
  ringbuf_discard: (host, r1) => commit(host, r1, false),
} satisfies Implementations;

function writable(host: Host, register: bigint): VmMap {
  const map = host.map(register);
  if (map.programWrites) return map;
  throw new Trap("read_only", `map ${map.name} is read-only for programs (BPF_F_RDONLY_PROG)`);
}

const ring = (host: Host, register: bigint): RingbufMap => host.mapOf(register, RingbufMap, "ring buffer");

function commit(host: Host, record: bigint, submit: boolean): bigint {
  const done = host.ringBuffers.some((map) => map.commit(Number(record), submit));
  if (!done) throw new Trap("argument", `0x${record.toString(16)} is not a reserved ring buffer record`);
  return 0n;
}
