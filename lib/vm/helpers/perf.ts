/** perf_event_output: an event, and bytes of the packet behind it where the hook has one. Source: bpf-helpers(7). */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { PerfEventArray } from "../maps/index.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** BPF_F_INDEX_MASK; BPF_F_CTXLEN_MASK: how many bytes of the packet. */
const INDEX = 0xffff_ffffn;
const LENGTH_SHIFT = 32n;
const LENGTH = 0xf_ffffn << LENGTH_SHIFT;

export const PERF_HELPERS = {
  perf_event_output: (host, _ctx, r2, flags, r4, r5) => {
    const map = host.mapOf(r2, PerfEventArray, "perf event array");
    const data = host.bytes(r4, u32(r5));
    const sends = host.run.context.kind === "__sk_buff" || host.run.context.kind === "xdp_md";
    if ((flags & ~(sends ? INDEX | LENGTH : INDEX)) !== 0n) return result(-ERRNO.EINVAL);
    const bytes = packetBytes(host, Number((flags & LENGTH) >> LENGTH_SHIFT));
    if (bytes === null) return result(-ERRNO.EFAULT);
    return result(map.output(host.run.cpu, flags & INDEX, Uint8Array.from([...data, ...bytes])));
  },
} satisfies Implementations;

function packetBytes(host: Host, length: number): Uint8Array | null {
  return length === 0 ? new Uint8Array(0) : host.packet("perf_event_output").read(0, length);
}
