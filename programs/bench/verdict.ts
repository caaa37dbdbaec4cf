// What scripts/bench-mesh/verdict.mjs times: the functions of programs/mesh without what is around them.
import { ArrayMap, Cell, TcxAction, tcxEgress } from "ebpf-ts/std";
import { bswap32 } from "ebpf-ts/std/bpf";
import { identify, judge } from "../mesh/judge";
import { mapped, workKeys, workPackets } from "../mesh/packet";
import { police } from "../mesh/pod";
import { Direction, endpoints } from "../mesh/tables";

export * from "../mesh/tables";
export * from "../mesh/pod";

/** How the next packet is chosen: of `count` remote addresses from `first` on, `step` further each time. */
@unmanaged
@final
class Walk {
  first: u32;
  count: u32;
  step: u32;
  at: u32;
  port: u32;
  policy: u32;
}
export const walks = new ArrayMap<Walk>(1);
/** So that nothing is optimised away. */
export const sums = new ArrayMap<Cell<u64>>(1);

/** Chooses the address; with `asks`, judges it. */
function step(asks: bool): TcxAction {
  const walk = walks.get(0);
  const key = workKeys.get(0);
  const packet = workPackets.get(0);
  const sum = sums.get(0);
  if (!walk || !key || !packet || !sum) return TcxAction.Drop;
  walk.at += walk.step;
  if (walk.at >= walk.count) walk.at -= walk.count;
  key.remoteHi = 0;
  key.remoteLo = mapped(bswap32(walk.first + walk.at));
  if (asks) {
    identify(packet, key);
    judge(packet, walk.policy, Direction.Ingress, 6, walk.port);
  }
  sum.value += packet.rule + key.remoteLo;
  return TcxAction.Pass;
}

export const bare = tcxEgress(() => step(false));
export const verdict = tcxEgress(() => step(true));
export const nothing = tcxEgress(() => TcxAction.Pass);

/** The whole program, with a flow that has to be judged again each time. */
export const again = tcxEgress((skb) => {
  const endpoint = endpoints.get(skb.ifindex);
  if (endpoint) endpoint.generation += 1;
  return police(skb, Direction.Ingress);
});
