import { XdpAction, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  return ctx.noSuchField == 3 ? XdpAction.Drop : XdpAction.Pass;
});
