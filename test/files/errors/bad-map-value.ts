import { HashMap, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Rate {
  perSecond: f64;
}

export const rates = new HashMap<u32, Rate>(1024);

export const filter = xdp((ctx) => {
  return rates.get(1) ? XdpAction.Drop : XdpAction.Pass;
});
