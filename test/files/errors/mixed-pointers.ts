import { Cell, Ethernet, HashMap, XdpAction, xdp } from "ebpf-ts/std";

const hits = new HashMap<u32, Cell<u64>>(1024);

export const filter = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  const n = hits.get(1);
  if (!eth || !n) return XdpAction.Pass;
  const either = ctx.ingressIfindex == 1 ? changetype<usize>(eth) : changetype<usize>(n);
  return load<u32>(either) == 0 ? XdpAction.Drop : XdpAction.Pass;
});
