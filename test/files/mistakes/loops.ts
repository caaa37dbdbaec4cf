// Loops: with a bound, and by callback.
import {
  ArrayMap, Cell, Ethernet, HashMap, Loop, TcxAction, Verdict, XdpAction, connect4, loop, random, tcxIngress, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Sum {
  total: u64;
  rounds: u64;
}

export const limits = new ArrayMap<Cell<u32>>(4);
export const flows = new HashMap<u32, Cell<u64>>(64);

export const add = xdp((ctx) => {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < 16; i++) sum += random();
  return sum > 9 ? XdpAction.Pass : XdpAction.Drop;
});

export const search = tcxIngress((skb) => {
  let found: u32 = 0;
  let tries: u32 = 0;
  while (tries < 8) {
    if (random() == 5) found += 1;
    tries++;
  }
  return found > 0 ? TcxAction.Drop : TcxAction.Pass;
});

export const scan = connect4((ctx) => {
  let key: u32 = 0;
  for (let round: u32 = 0; round < 10; round++) {
    const limit = limits.get(round & 3);
    if (limit) key += limit.value;
  }
  return key > 100 ? Verdict.Deny : Verdict.Allow;
});

export const turns = xdp((ctx) => {
  const sum = new Sum();
  loop<Sum>(100, sum, (i, s) => {
    s.total += i;
    return s.total > 1000 ? Loop.Break : Loop.Continue;
  });
  return sum.total > 50 ? XdpAction.Pass : XdpAction.Drop;
});

export const each = tcxIngress((skb) => {
  const sum = new Sum();
  flows.forEach<Sum>(sum, (key, flow, s) => {
    s.total += flow.value;
    return Loop.Continue;
  });
  return sum.total > 50 ? TcxAction.Drop : TcxAction.Pass;
});

export const grid = xdp((ctx) => {
  let cells: u64 = 0;
  for (let x: u32 = 0; x < 6; x++) {
    for (let y: u32 = 0; y < 6; y++) {
      cells += random() & 1;
    }
  }
  return cells > 3 ? XdpAction.Drop : XdpAction.Pass;
});
