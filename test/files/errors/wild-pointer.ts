import { XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  return load<u32>(ctx.ingressIfindex) == 0 ? XdpAction.Drop : XdpAction.Pass;
});
