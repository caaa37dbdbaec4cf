import { Ethernet, XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  if (!eth) return XdpAction.Pass;
  if (ctx.adjustHead(-8) != 0) return XdpAction.Aborted;
  eth.type = 0x86dd;
  return XdpAction.Tx;
});
