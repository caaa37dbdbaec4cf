/**
 * Kernel functions on dynptrs (../dynptr.ts): of packets, slices of them, parts of dynptrs.
 * Source: docs.kernel.org/bpf/kfuncs.html, what Linux 6.18 answers (test/vm/helpers/dynptr.test.ts).
 */
import type { ProgramType } from "../../kernel/index.ts";
import { DYNPTR_SIZE, readDynptr, writeDynptr } from "../dynptr.ts";
import type { Dynptr, DynptrKind } from "../dynptr.ts";
import { ERRNO } from "../errno.ts";
import { bytesOf, fits, isMemory, writeBytes } from "../helpers/dynptr.ts";
import { u32 } from "../helpers/helper.ts";
import type { Implementation } from "../helpers/helper.ts";
import type { Host } from "../host.ts";
import { int } from "./table.ts";
import type { KernelFunctions } from "./table.ts";

/** Types whose programs may write to packets. */
const WRITERS: ReadonlySet<ProgramType> = new Set(["sched_cls", "sched_act", "xdp", "lwt_xmit", "sk_skb"]);

export const DYNPTR_FUNCTIONS = {
  bpf_dynptr_from_skb: ofPacket("skb"),
  bpf_dynptr_from_xdp: ofPacket("xdp"),
  bpf_dynptr_from_skb_meta: ofPacket("meta"),
  bpf_dynptr_slice: (host, r1, r2, r3, r4) => slice(host, readDynptr(host, r1), u32(r2), r3, u32(r4)),
  bpf_dynptr_slice_rdwr: (host, r1, r2, r3, r4) => {
    const dynptr = readDynptr(host, r1);
    return dynptr === null || dynptr.readOnly ? 0n : slice(host, dynptr, u32(r2), r3, u32(r4));
  },
  bpf_dynptr_adjust: (host, r1, r2, r3) => {
    const dynptr = readDynptr(host, r1);
    const [start, end] = [u32(r2), u32(r3)];
    if (dynptr === null || start > end) return int(-ERRNO.EINVAL);
    if (end > dynptr.size) return int(-ERRNO.ERANGE);
    put(host, r1, { ...dynptr, offset: dynptr.offset + start, size: end - start });
    return 0n;
  },
  bpf_dynptr_is_null: (host, r1) => (readDynptr(host, r1) === null ? 1n : 0n),
  bpf_dynptr_is_rdonly: (host, r1) => (readDynptr(host, r1)?.readOnly === true ? 1n : 0n),
  bpf_dynptr_size: (host, r1) => int(readDynptr(host, r1)?.size ?? -ERRNO.EINVAL),
  bpf_dynptr_clone: (host, r1, r2) => {
    const dynptr = readDynptr(host, r1);
    put(host, r2, dynptr);
    return int(dynptr === null ? -ERRNO.EINVAL : 0);
  },
  bpf_dynptr_copy: (host, to, toOffset, from, fromOffset, r5) => {
    const [target, source] = [readDynptr(host, to), readDynptr(host, from)];
    if (target === null || source === null || target.readOnly) return int(-ERRNO.EINVAL);
    if (!fits(target, u32(toOffset), u32(r5))) return int(-ERRNO.E2BIG);
    const bytes = bytesOf(host, source, u32(fromOffset), u32(r5));
    return int(typeof bytes === "number" ? bytes : writeBytes(host, target, u32(toOffset), bytes, 0n));
  },
  bpf_dynptr_memset: (host, r1, r2, r3, r4) => {
    const dynptr = readDynptr(host, r1);
    if (dynptr === null || dynptr.readOnly) return int(-ERRNO.EINVAL);
    if (!fits(dynptr, u32(r2), u32(r3))) return int(-ERRNO.E2BIG);
    return int(writeBytes(host, dynptr, u32(r2), new Uint8Array(u32(r3)).fill(Number(r4 & 0xffn)), 0n));
  },
} satisfies KernelFunctions;

function put(host: Host, register: bigint, dynptr: Dynptr | null): void {
  writeDynptr(host.bytes(register, DYNPTR_SIZE, true), dynptr);
}

/** context, flags, dynptr. */
function ofPacket(kind: DynptrKind): Implementation {
  return (host, _ctx, flags, at) => {
    const { type, context } = host.run;
    const packet = host.packet("bpf_dynptr_from_skb");
    const size = kind === "meta" ? packet.metadata.length : packet.length;
    const made: Dynptr = { kind, base: context.region.start, offset: 0, size, readOnly: !WRITERS.has(type) };
    put(host, at, flags === 0n ? made : null);
    return int(flags === 0n ? 0 : -ERRNO.EINVAL);
  };
}

/** The bytes where they are, if they lie together; else a copy in the program's buffer, if it gave one. */
function slice(host: Host, dynptr: Dynptr | null, offset: number, buffer: bigint, length: number): bigint {
  if (dynptr === null || !fits(dynptr, offset, length)) return 0n;
  const at = dynptr.offset + offset;
  if (isMemory(dynptr)) return BigInt(dynptr.base + at);
  const packet = host.packet("bpf_dynptr_slice");
  if (dynptr.kind === "meta") return BigInt(packet.metaAddress + at);
  if (at + length <= packet.bytes.length) return BigInt(packet.dataAddress + at);
  const bytes = buffer === 0n ? null : packet.read(at, length);
  if (bytes === null) return 0n;
  host.bytes(buffer, length, true).set(bytes);
  return buffer;
}
