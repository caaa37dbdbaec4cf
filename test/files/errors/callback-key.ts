import { Cell, HashMap, Loop, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Flow { port: u32; seen: u32; }
export const flows = new HashMap<Flow, Cell<u32>>(8);

export const filter = xdp((ctx) => {
  const none = new Flow();
  flows.forEach<Flow>(none, (flow, count, none) => {
    flow.seen = count.value;
    return Loop.Continue;
  });
  return XdpAction.Pass;
});
