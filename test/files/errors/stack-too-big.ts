import { HashMap, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Quarter {
  a: u64; b: u64; c: u64; d: u64; e: u64; f: u64; g: u64; h: u64;
  i: u64; j: u64; k: u64; l: u64; m: u64; n: u64; o: u64; p: u64;
}

const table = new HashMap<u32, Quarter>(16);

export const filter = xdp((ctx) => {
  const one = new Quarter();
  const two = new Quarter();
  const three = new Quarter();
  const four = new Quarter();
  const five = new Quarter();
  one.a = ctx.ingressIfindex;
  table.set(1, one);
  table.set(2, two);
  table.set(3, three);
  table.set(4, four);
  table.set(5, five);
  return XdpAction.Pass;
});
