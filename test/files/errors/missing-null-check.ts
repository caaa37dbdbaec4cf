import { Cell, HashMap, XdpAction, xdp } from "ebpf-ts/std";

const hits = new HashMap<u32, Cell<u64>>(1024);

export const filter = xdp((ctx) => {
  const n = hits.get(ctx.ingressIfindex);
  n.value += 1;
  return XdpAction.Pass;
});
