import { Cell, HashMap, XdpAction, xdp } from "ebpf-ts/std";

let hits = new HashMap<u32, Cell<u64>>(1024);

export const filter = xdp((ctx) => {
  return hits.get(1) ? XdpAction.Drop : XdpAction.Pass;
});
