import { XdpAction, xdp } from "ebpf-ts/std";

class Flow {
  port: u16;
}

export const filter = xdp((ctx) => {
  const flow = new Flow();
  flow.port = <u16>ctx.ingressIfindex;
  return flow.port == 3 ? XdpAction.Drop : XdpAction.Pass;
});
