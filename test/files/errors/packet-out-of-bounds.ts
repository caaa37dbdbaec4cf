import { Ipv4, XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  const ip = ctx.at<Ipv4>(14);
  if (!ip) return XdpAction.Pass;
  // The destination port, read by hand: ip is only checked for its own 20 bytes.
  const port = load<u16>(changetype<usize>(ip), 22);
  return port == 0x5000 ? XdpAction.Drop : XdpAction.Pass;
});
