import { XdpAction, xdp } from "ebpf-ts/std";

function one(x: u32): u32 {
  return x + 1;
}
function two(x: u32): u32 {
  return x + 2;
}

export const filter = xdp((ctx) => {
  const f = ctx.ingressIfindex == 1 ? one : two;
  return f(3) == 4 ? XdpAction.Drop : XdpAction.Pass;
});
