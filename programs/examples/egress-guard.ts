// What the processes of a cgroup may send: IPv4 to listed prefixes only. Attached to a pod's cgroup, it holds for every
// interface, and for sockets that were there before it. What it refuses is counted by destination.
import { Cell, CgroupAction, Ipv4, Ipv4Prefix, LpmTrie, LruHashMap, cgroupSkbEgress, cgroupSkbIngress } from "ebpf-ts/std";

/** Destinations, and the bytes sent to each. */
export const allowed = new LpmTrie<Ipv4Prefix, Cell<u64>>(1024);
/** Destinations that were refused, and how many packets. */
export const refused = new LruHashMap<u32, Cell<u64>>(1024);
/** Bytes that came in. */
let received: u64 = 0;

export const egress = cgroupSkbEgress((skb) => {
  // Packets start at their IP header here.
  const ip = skb.at<Ipv4>(0);
  if (!ip || ip.version != 4) return CgroupAction.Drop;
  const rule = allowed.get(new Ipv4Prefix(ip.daddr));
  if (rule) {
    rule.add(skb.length);
    return CgroupAction.Pass;
  }
  const count = refused.get(ip.daddr);
  if (count) count.add(1);
  else {
    const first = new Cell<u64>();
    first.value = 1;
    refused.set(ip.daddr, first);
  }
  return CgroupAction.Drop;
});

export const ingress = cgroupSkbIngress((skb) => {
  received += skb.length;
  return CgroupAction.Pass;
});
