import { Loop, XdpAction, loop, xdp } from "ebpf-ts/std";

@unmanaged @final
class Sum { total: u32; }

function again(i: u32, sum: Sum): Loop {
  sum.total += 1;
  if (i > 1) loop<Sum>(i, sum, again);
  return Loop.Continue;
}

export const filter = xdp((ctx) => {
  const sum = new Sum();
  loop<Sum>(4, sum, again);
  return sum.total == 4 ? XdpAction.Drop : XdpAction.Pass;
});
