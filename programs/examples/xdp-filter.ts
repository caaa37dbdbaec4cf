// An XDP packet filter: drops IPv4 packets from blocked prefixes, and TCP and UDP packets to blocked ports; counts all
// others by flow; tells user space of each drop.
import {
  Cell, Config, EtherType, Ethernet, HashMap, IpProtocol, Ipv4, Ipv4Prefix, LpmTrie, LruHashMap, PerCpuArrayMap,
  RingBuffer, Udp, XdpAction, XdpContext, monotonicTime, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class FlowKey {
  saddr: u32;
  daddr: u32;
  sport: u16;
  dport: u16;
  protocol: u32;
}

@unmanaged @final
class FlowStats {
  packets: u64;
  bytes: u64;
}

/** What user space hears of a drop. */
@unmanaged @final
class DropEvent {
  time: u64;
  saddr: u32;
  daddr: u32;
  sport: u16;
  dport: u16;
  protocol: u8;
  reason: u8;
  ruleId: u16;
}

namespace Reason {
  export const Prefix: u8 = 1;
  export const Port: u8 = 2;
}

export const blockedPrefixes = new LpmTrie<Ipv4Prefix, Cell<u32>>(1024);
export const blockedPorts = new HashMap<u32, Cell<u32>>(1024);
export const flows = new LruHashMap<FlowKey, FlowStats>(65536);
export const verdicts = new PerCpuArrayMap<Cell<u64>>(8);
export const drops = new RingBuffer<DropEvent>(65536);
/** Set to 0 before loading to drop without telling. */
export const reportDrops = new Config<u32>(1);

function count(action: XdpAction): XdpAction {
  const n = verdicts.get(action);
  if (n) n.value += 1;
  return action;
}

function drop(flow: FlowKey, reason: u8, rule: u32): XdpAction {
  if (reportDrops.value != 0) {
    const event = new DropEvent();
    event.time = monotonicTime();
    event.saddr = flow.saddr;
    event.daddr = flow.daddr;
    event.sport = flow.sport;
    event.dport = flow.dport;
    event.protocol = <u8>flow.protocol;
    event.reason = reason;
    event.ruleId = <u16>rule;
    drops.output(event);
  }
  return count(XdpAction.Drop);
}

export const filter = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  if (!eth) return count(XdpAction.Pass);
  if (eth.type != EtherType.Ipv4) return count(XdpAction.Pass);
  const ip = ctx.at<Ipv4>(14);
  if (!ip) return count(XdpAction.Pass);

  const flow = new FlowKey();
  flow.saddr = ip.saddr;
  flow.daddr = ip.daddr;
  flow.protocol = ip.protocol;

  const prefix = blockedPrefixes.get(new Ipv4Prefix(flow.saddr));
  if (prefix) return drop(flow, Reason.Prefix, prefix.value);

  // Only the first fragment has ports.
  if ((ip.protocol == IpProtocol.Tcp || ip.protocol == IpProtocol.Udp) && ip.fragmentOffset == 0) {
    const ports = ctx.at<Udp>(14 + ip.headerLength);
    if (ports) {
      flow.sport = ports.sport;
      flow.dport = ports.dport;
      const port = blockedPorts.get(flow.dport);
      if (port) return drop(flow, Reason.Port, port.value);
    }
  }

  const known = flows.get(flow);
  if (known) {
    known.packets += 1;
    known.bytes += ip.length;
  } else {
    const first = new FlowStats();
    first.packets = 1;
    first.bytes = ip.length;
    flows.set(flow, first);
  }
  return count(XdpAction.Pass);
});
