import { Cell, HashMap, XdpAction, xdp } from "ebpf-ts/std";

const hits = new HashMap<u32, Cell<u64>>(1024);

export const filter = xdp((ctx) => {
  const n = hits.get(1);
  if (!n) return XdpAction.Pass;
  store<u64>(changetype<usize>(n), 1, 8);
  return XdpAction.Pass;
});
