import { XdpAction, printk, xdp } from "ebpf-ts/std";

export const filter = xdp((ctx) => {
  printk("interface " + ctx.ingressIfindex.toString());
  return XdpAction.Pass;
});
