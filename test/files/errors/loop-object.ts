import { Cell, HashMap, XdpAction, xdp } from "ebpf-ts/std";

const hits = new HashMap<Cell<u64>, Cell<u64>>(1024);

export const filter = xdp((ctx) => {
  let last: Cell<u64> | null = null;
  for (let i: u32 = 0; i < 4; i++) {
    const next = new Cell<u64>();
    next.value = i;
    if (last) hits.set(last, next);
    last = next;
  }
  return XdpAction.Pass;
});
