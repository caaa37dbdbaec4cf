import { XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  let limit: u32 = ctx.ingressIfindex;
  const above = (x: u32): bool => x > limit;
  return above(3) ? XdpAction.Drop : XdpAction.Pass;
});
