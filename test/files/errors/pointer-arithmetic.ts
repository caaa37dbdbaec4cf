import { Ethernet, XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  if (!eth) return XdpAction.Pass;
  return (changetype<usize>(eth) & 7) == 0 ? XdpAction.Drop : XdpAction.Pass;
});
