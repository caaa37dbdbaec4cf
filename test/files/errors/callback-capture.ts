import { Loop, XdpAction, loop, xdp } from "ebpf-ts/std";

@unmanaged @final
class Sum { total: u32; }

export const filter = xdp((ctx) => {
  const sum = new Sum();
  const step: u32 = ctx.ingressIfindex;
  loop<Sum>(4, sum, (i, sum) => {
    sum.total += step;
    return Loop.Continue;
  });
  return sum.total == 4 ? XdpAction.Drop : XdpAction.Pass;
});
