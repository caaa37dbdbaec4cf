/**
 * check_mtu: whether a packet, or one that much longer, fits through an interface.
 * Source: bpf-helpers(7), what Linux 6.18 answers (test/vm/helpers/packets.test.ts).
 */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import type { Interface } from "../world.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** BPF_MTU_CHK_SEGS, and what BPF_MTU_CHK_RET_* say. */
const SEGMENTS = 1n;
const FITS = 0;
const FRAGMENTATION_NEEDED = 1;
const SEGMENTS_TOO_BIG = 2;

export const MTU_HELPERS = {
  check_mtu: (host, _ctx, r2, r3, r4, r5) => {
    const mtu = host.bytes(r3, 4, true);
    const view = new DataView(mtu.buffer, mtu.byteOffset);
    const given = view.getUint32(0, true);
    const xdp = host.run.type === "xdp";
    if ((r5 & ~(xdp ? 0n : SEGMENTS)) !== 0n) return result(-ERRNO.EINVAL);
    if ((r5 & SEGMENTS) !== 0n && (s32(r4) !== 0 || given !== 0)) return result(-ERRNO.EINVAL);
    const device = interfaceOf(host, u32(r2));
    if (device === null) return result(-ERRNO.ENODEV);
    view.setUint32(0, device.mtu, true);
    // A given length counts from the network header, the packet's own from the link layer's. It is an int in the kernel.
    const packet = host.packet("check_mtu");
    const own = xdp ? packet.bytes.length : packet.length;
    const length = ((given === 0 ? own : given + device.headerLength) + s32(r4)) | 0;
    if (length <= device.mtu + device.headerLength) return result(FITS);
    const segment = host.run.context.number("gso_size");
    if (xdp || segment === 0) return result(FRAGMENTATION_NEEDED);
    return result((r5 & SEGMENTS) !== 0n && segment > device.mtu ? SEGMENTS_TOO_BIG : FITS);
  },
} satisfies Implementations;

/** 0 stands for the packet's own interface. */
function interfaceOf(host: Host, ifindex: number): Interface | null {
  const { context } = host.run;
  const own = context.kind === "xdp_md" ? "ingress_ifindex" : "ifindex";
  return host.world.network.interface(ifindex === 0 ? context.number(own) : ifindex);
}
