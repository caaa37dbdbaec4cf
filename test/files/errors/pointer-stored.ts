import { Ethernet, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Holder {
  eth: usize;
}

export const filter = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  if (!eth) return XdpAction.Pass;
  const holder = new Holder();
  store<usize>(changetype<usize>(ctx), changetype<usize>(eth), 4);
  return XdpAction.Pass;
});
