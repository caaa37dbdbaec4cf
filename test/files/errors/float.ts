import { XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  const share = <f64>ctx.ingressIfindex * 0.5;
  return share > 2.0 ? XdpAction.Drop : XdpAction.Pass;
});
