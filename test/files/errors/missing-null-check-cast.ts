import { Ethernet, XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  // The cast hides the null from the type checker, not from the compiler.
  const eth = changetype<Ethernet>(changetype<usize>(ctx.at<Ethernet>(0)));
  return eth.type == 0x0800 ? XdpAction.Pass : XdpAction.Drop;
});
