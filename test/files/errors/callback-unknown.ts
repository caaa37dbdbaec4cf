import { Loop, XdpAction, loop, xdp } from "ebpf-ts/std";

@unmanaged @final
class Sum { total: u32; }

function one(i: u32, sum: Sum): Loop {
  sum.total += 1;
  return Loop.Continue;
}
function two(i: u32, sum: Sum): Loop {
  sum.total += 2;
  return Loop.Continue;
}

export const filter = xdp((ctx) => {
  const sum = new Sum();
  loop<Sum>(4, sum, ctx.ingressIfindex == 1 ? one : two);
  return sum.total == 4 ? XdpAction.Drop : XdpAction.Pass;
});
