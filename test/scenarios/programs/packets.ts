// Programs on the way of packets (tcx, XDP, cgroup_skb, sk_lookup): they do what a rule says and tell what they saw, of IPv4
// UDP and of those TCP segments that open, end or reset a connection or carry data. A rule's index is the program's number.
import {
  ArrayMap, CgroupAction, EtherType, Ethernet, IpProtocol, Ipv4, RingBuffer, SkAction, SkBuff, SockMap, Tcp, Udp, XdpAction,
  XdpContext, cgroupSkbEgress, cgroupSkbIngress, skLookup, tcxEgress, tcxIngress, xdp,
} from "ebpf-ts/std";
import { redirect, redirect_neigh, redirect_peer, sk_assign } from "ebpf-ts/std/bpf";

namespace Action {
  export const Redirect: u32 = 1;
  export const Peer: u32 = 2;
  export const Neighbour: u32 = 4;
  export const Clone: u32 = 8;
  /** Sets the packet's mark. */
  export const Mark: u32 = 16;
  /** sk_lookup and tcx: chooses the socket at `ifindex` in `sockets`. */
  export const Assign: u32 = 64;
}

@unmanaged @final
class Rule {
  verdict: i32;
  actions: u32;
  ifindex: u32;
  /** Of redirections and choices. */
  flags: u32;
  mark: u32;
  /** The rule is for packets to this port alone; 0: for all. */
  onlyPort: u32;
}

@unmanaged @final
class Seen {
  program: u32;
  protocol: u32;
  source: u32;
  destination: u32;
  sourcePort: u32;
  destinationPort: u32;
  /** TCP without ACK and PSH. */
  flags: u32;
  mark: u32;
  ifindex: u32;
  ingressIfindex: u32;
}

export const rules = new ArrayMap<Rule>(16);
export const seen = new RingBuffer<Seen>(16384);
export const sockets = new SockMap(4);

/** The rule that a program has for a packet, null where it leaves it alone. */
function judge(skb: SkBuff, at: u32, program: u32): Rule | null {
  const ip = skb.at<Ipv4>(at);
  if (!ip) return null;
  if (ip.version != 4) return null;
  const event = new Seen();
  event.program = program;
  event.protocol = ip.protocol;
  event.source = ip.saddr;
  event.destination = ip.daddr;
  if (ip.protocol == IpProtocol.Udp) {
    const udp = skb.at<Udp>(at + 20);
    if (!udp) return null;
    event.sourcePort = udp.sport;
    event.destinationPort = udp.dport;
  } else {
    if (ip.protocol != IpProtocol.Tcp) return null;
    const tcp = skb.at<Tcp>(at + 20);
    if (!tcp) return null;
    event.flags = tcp.flags & 0x07;
    event.sourcePort = tcp.sport;
    event.destinationPort = tcp.dport;
    if (event.flags == 0) {
      if (skb.length <= at + 20 + tcp.headerLength) return rules.get(program);
    }
  }
  event.mark = skb.mark;
  event.ifindex = skb.ifindex;
  event.ingressIfindex = skb.ingressIfindex;
  const rule = rules.get(program);
  if (!rule) return null;
  if (rule.onlyPort != 0) {
    if (rule.onlyPort != event.destinationPort) return null;
  }
  const place = seen.reserve();
  if (place) {
    place.program = event.program;
    place.protocol = event.protocol;
    place.source = event.source;
    place.destination = event.destination;
    place.sourcePort = event.sourcePort;
    place.destinationPort = event.destinationPort;
    place.flags = event.flags;
    place.mark = event.mark;
    place.ifindex = event.ifindex;
    place.ingressIfindex = event.ingressIfindex;
    seen.submit(place);
  }
  return rule;
}

function direct(skb: SkBuff, program: u32): i32 {
  if (skb.protocol != EtherType.Ipv4) return -1;
  const rule = judge(skb, 14, program);
  if (!rule) return -1;
  const actions = rule.actions;
  const ifindex = rule.ifindex;
  const flags: u64 = rule.flags;
  const verdict = rule.verdict;
  if ((actions & Action.Mark) != 0) skb.mark = rule.mark;
  if ((actions & Action.Assign) != 0) {
    const socket = sockets.get(ifindex);
    if (!socket) return verdict;
    sk_assign(changetype<usize>(skb), changetype<usize>(socket), 0);
    socket.release();
  }
  if ((actions & Action.Clone) != 0) skb.cloneRedirect(ifindex, flags);
  if ((actions & Action.Redirect) != 0) return redirect(ifindex, flags);
  if ((actions & Action.Peer) != 0) return redirect_peer(ifindex, flags);
  if ((actions & Action.Neighbour) != 0) return redirect_neigh(ifindex, 0, 0, flags);
  return verdict;
}

export const in1 = tcxIngress((skb) => direct(skb, 0));
export const in2 = tcxIngress((skb) => direct(skb, 1));
export const out1 = tcxEgress((skb) => direct(skb, 2));
export const out2 = tcxEgress((skb) => direct(skb, 3));

/** `most`: what the hook allows as a verdict. */
function pass(skb: SkBuff, program: u32, most: u32): CgroupAction {
  const rule = judge(skb, 0, program);
  return rule ? rule.verdict & most : CgroupAction.Pass;
}

export const toSocket = cgroupSkbIngress((skb) => pass(skb, 4, 1));
export const fromSocket = cgroupSkbEgress((skb) => pass(skb, 5, 3));
export const toSocket2 = cgroupSkbIngress((skb) => pass(skb, 6, 1));
export const fromSocket2 = cgroupSkbEgress((skb) => pass(skb, 7, 3));

export const driver = xdp((ctx: XdpContext) => {
  const ethernet = ctx.at<Ethernet>(0);
  if (!ethernet) return XdpAction.Pass;
  if (ethernet.type != EtherType.Ipv4) return XdpAction.Pass;
  const udp = ctx.at<Udp>(34);
  const rule = rules.get(8);
  if (!rule) return XdpAction.Pass;
  if (!udp) return XdpAction.Pass;
  if (rule.onlyPort != 0) {
    if (rule.onlyPort != udp.dport) return XdpAction.Pass;
  }
  if ((rule.actions & Action.Redirect) != 0) return redirect(rule.ifindex, 0);
  return rule.verdict;
});
export const otherEnd = xdp((ctx: XdpContext) => XdpAction.Pass);

export const choose = skLookup((ctx) => {
  const rule = rules.get(10);
  if (!rule) return SkAction.Pass;
  if (rule.onlyPort != 0) {
    if (rule.onlyPort != ctx.localPort) return SkAction.Pass;
  }
  if ((rule.actions & Action.Assign) != 0) {
    const socket = sockets.get(rule.ifindex);
    if (!socket) return SkAction.Drop;
    const done = sk_assign(changetype<usize>(ctx), changetype<usize>(socket), rule.flags);
    socket.release();
    return done == 0 ? SkAction.Pass : SkAction.Drop;
  }
  return rule.verdict & 1;
});
