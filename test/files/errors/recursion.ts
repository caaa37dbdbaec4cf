import { XdpAction, xdp } from "ebpf-ts/std";

function depth(n: u32): u32 {
  return n < 2 ? 1 : depth(n - 1) + 1;
}

export const filter = xdp((ctx) => {
  return depth(ctx.ingressIfindex) > 4 ? XdpAction.Drop : XdpAction.Pass;
});
