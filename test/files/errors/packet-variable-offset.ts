import { Ipv4, XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  const ip = ctx.at<Ipv4>(14);
  if (!ip) return XdpAction.Pass;
  const port = load<u16>(changetype<usize>(ip) + ip.headerLength);
  return port == 0x5000 ? XdpAction.Drop : XdpAction.Pass;
});
