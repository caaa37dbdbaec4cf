/**
 * Helpers on dynptrs (dynptr.ts), and records of ring buffers held by one. A record that is reserved so must be submitted or
 * discarded even when there was no room for it. Source: bpf-helpers(7), what Linux 6.18 answers
 * (test/vm/helpers/dynptr.test.ts).
 */
import { DYNPTR_MOST, DYNPTR_SIZE, readDynptr, writeDynptr } from "../dynptr.ts";
import type { Dynptr } from "../dynptr.ts";
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { RingbufMap } from "../maps/index.ts";
import { storePacket } from "./packets.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

export const DYNPTR_HELPERS = {
  dynptr_from_mem: (host, data, r2, flags, at) => {
    const size = u32(r2);
    host.bytes(data, size, true);
    const refused = size > DYNPTR_MOST ? -ERRNO.E2BIG : flags !== 0n ? -ERRNO.EINVAL : 0;
    const made: Dynptr = { kind: "local", base: Number(data), offset: 0, size, readOnly: false };
    put(host, at, refused === 0 ? made : null);
    return result(refused);
  },
  dynptr_read: (host, r1, r2, at, r4, flags) => {
    const into = host.bytes(r1, u32(r2), true);
    const dynptr = readDynptr(host, at);
    if (dynptr === null || flags !== 0n) return result(-ERRNO.EINVAL);
    const bytes = bytesOf(host, dynptr, u32(r4), into.length);
    if (typeof bytes === "number") return result(bytes);
    into.set(bytes);
    return 0n;
  },
  dynptr_write: (host, at, r2, r3, r4, flags) => {
    const from = host.bytes(r3, u32(r4)).slice();
    const dynptr = readDynptr(host, at);
    return result(dynptr === null ? -ERRNO.EINVAL : writeBytes(host, dynptr, u32(r2), from, flags));
  },
  /** Only of memory that stays where it is. */
  dynptr_data: (host, at, r2, r3) => {
    const dynptr = readDynptr(host, at);
    if (dynptr === null || dynptr.readOnly || !fits(dynptr, u32(r2), u32(r3)) || !isMemory(dynptr)) return 0n;
    return BigInt(dynptr.base + dynptr.offset + u32(r2));
  },
  ringbuf_reserve_dynptr: (host, r1, r2, flags, at) => {
    const ring = host.mapOf(r1, RingbufMap, "ring buffer");
    const size = u32(r2);
    const refused = flags !== 0n ? -ERRNO.EINVAL : size > DYNPTR_MOST ? -ERRNO.E2BIG : 0;
    const base = refused === 0 ? ring.reserve(BigInt(size), 0n) : 0;
    put(host, at, base === 0 ? null : { kind: "ringbuf", base, offset: 0, size, readOnly: false });
    host.run.references.acquire(Number(at), `a dynptr of ring buffer ${ring.name}`);
    return result(refused === 0 && base === 0 ? -ERRNO.EINVAL : refused);
  },
  ringbuf_submit_dynptr: (host, at, flags) => finish(host, at, true, flags),
  ringbuf_discard_dynptr: (host, at, flags) => finish(host, at, false, flags),
} satisfies Implementations;

function put(host: Host, register: bigint, dynptr: Dynptr | null): void {
  writeDynptr(host.bytes(register, DYNPTR_SIZE, true), dynptr);
}

/** A null dynptr is given back without anything else happening. */
function finish(host: Host, at: bigint, submit: boolean, flags: bigint): bigint {
  const dynptr = readDynptr(host, at);
  host.run.references.release(Number(at), submit ? "ringbuf_submit_dynptr" : "ringbuf_discard_dynptr");
  if (dynptr !== null) host.ringBuffers.some((ring) => ring.commit(dynptr.base, submit, flags));
  put(host, at, null);
  return 0n;
}

export function isMemory({ kind }: Dynptr): boolean {
  return kind === "local" || kind === "ringbuf";
}

/** bpf_dynptr_check_off_len */
export function fits({ size }: Dynptr, offset: number, length: number): boolean {
  return offset + length <= size;
}

/** A copy of bytes, or a negative errno. */
export function bytesOf(host: Host, dynptr: Dynptr, offset: number, length: number): Uint8Array | number {
  if (!fits(dynptr, offset, length)) return -ERRNO.E2BIG;
  const at = dynptr.offset + offset;
  if (isMemory(dynptr)) return host.bytes(BigInt(dynptr.base + at), length).slice();
  const packet = host.packet("dynptr_read");
  if (dynptr.kind === "meta") return packet.metadata.slice(at, at + length);
  return packet.read(at, length) ?? (dynptr.kind === "skb" ? -ERRNO.EFAULT : -ERRNO.EINVAL);
}

/** 0 or a negative errno. */
export function writeBytes(host: Host, dynptr: Dynptr, offset: number, bytes: Uint8Array, flags: bigint): number {
  if (dynptr.readOnly) return -ERRNO.EINVAL;
  if (!fits(dynptr, offset, bytes.length)) return -ERRNO.E2BIG;
  const at = dynptr.offset + offset;
  if (dynptr.kind === "skb") return storePacket(host, at, bytes, flags);
  if (flags !== 0n) return -ERRNO.EINVAL;
  const packet = isMemory(dynptr) ? null : host.packet("dynptr_write");
  if (packet === null) host.bytes(BigInt(dynptr.base + at), bytes.length, true).set(bytes);
  else if (dynptr.kind === "meta") host.memory.slice(packet.metaAddress + at, bytes.length, true).set(bytes);
  else if (!packet.write(at, bytes)) return -ERRNO.EINVAL;
  return 0;
}
