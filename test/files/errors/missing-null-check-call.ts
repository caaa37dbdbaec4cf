import { Cell, HashMap, XdpAction, noInline, xdp } from "ebpf-ts/std";

const hits = new HashMap<u32, Cell<u64>>(1024);

function count(n: Cell<u64>): void {
  noInline();
  n.value += 1;
}

export const filter = xdp((ctx) => {
  const tested = hits.get(1);
  if (tested) count(tested);
  count(changetype<Cell<u64>>(hits.get(ctx.ingressIfindex)));
  return XdpAction.Pass;
});
