// Packets that are read where they cannot be written, and programs that call each other.
import {
  Cell, CgroupAction, Ethernet, HashMap, IpProtocol, Ipv4, Ipv6, ProgArray, SkAction, Tcp, Tuple4, TcxAction, Udp, cgroupSkbEgress,
  cgroupSkbIngress, lookupTcp, socketFilter, tcxIngress,
} from "ebpf-ts/std";

export const next = new ProgArray(4);
export const bytes = new HashMap<u32, Cell<u64>>(64);

export const incoming = cgroupSkbIngress((skb) => {
  const ip = skb.at<Ipv4>(0);
  if (!ip) return CgroupAction.Pass;
  const n = bytes.get(ip.saddr);
  if (n) n.value += skb.length;
  return CgroupAction.Pass;
});

export const outgoing = cgroupSkbEgress((skb) => {
  const ip = skb.at<Ipv4>(0);
  if (!ip) return CgroupAction.Pass;
  if (ip.protocol != IpProtocol.Tcp) return CgroupAction.Pass;
  const tcp = skb.at<Tcp>(20);
  if (!tcp) return CgroupAction.Drop;
  return tcp.dport == 25 ? CgroupAction.Drop : CgroupAction.Pass;
});

export const names = cgroupSkbEgress((skb) => {
  const udp = skb.at<Udp>(20);
  if (!udp) return CgroupAction.Pass;
  return udp.dport == 53 ? CgroupAction.Drop : CgroupAction.Pass;
});

export const wide = cgroupSkbIngress((skb) => {
  const ip = skb.at<Ipv6>(0);
  if (!ip) return CgroupAction.Pass;
  return ip.hopLimit < 3 ? CgroupAction.Drop : CgroupAction.Pass;
});

export const chained = tcxIngress((skb) => {
  const tuple = new Tuple4();
  tuple.destinationPort = 8080;
  const proxy = lookupTcp(skb, tuple);
  if (!proxy) return TcxAction.Pass;
  const port = proxy.localPort;
  proxy.release();
  if (port == 1) next.tailCall(skb, 1);
  return TcxAction.Pass;
});
