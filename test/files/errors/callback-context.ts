import { ArrayMap, Loop, XdpAction, loop, xdp } from "ebpf-ts/std";

@unmanaged @final
class Sum { total: u32; }
export const sums = new ArrayMap<Sum>(1);

export const filter = xdp((ctx) => {
  const sum = sums.get(0);
  if (!sum) return XdpAction.Aborted;
  loop<Sum>(4, sum, (i, sum) => {
    sum.total += i;
    return Loop.Continue;
  });
  return XdpAction.Pass;
});
