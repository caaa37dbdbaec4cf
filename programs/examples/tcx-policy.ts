// A tcx policy for one pod, on the host side of its veth (egress of that device is what goes to the pod): which identity
// may reach which TCP port. Identities are numbers that user space gives to pod addresses; an address without one has 0.
// New connections need a rule. Later packets of a connection pass: without the first there is none.
import {
  Cell, EtherType, Ethernet, HashMap, IpProtocol, Ipv4, PerCpuArrayMap, RingBuffer, Tcp, TcpFlag, TcxAction,
  monotonicTime, tcxEgress,
} from "ebpf-ts/std";

/** Who may reach which port. */
@unmanaged @final
class Rule {
  identity: u32;
  port: u16;
  protocol: u16;
}

@unmanaged @final
class DenyEvent {
  time: u64;
  saddr: u32;
  daddr: u32;
  identity: u32;
  sport: u16;
  dport: u16;
}

/** Pod address to identity. */
export const identities = new HashMap<u32, Cell<u32>>(4096);
/** What is allowed; the value counts the connections that the rule let through. */
export const rules = new HashMap<Rule, Cell<u64>>(4096);
export const denials = new RingBuffer<DenyEvent>(65536);
/** Packets by TcxAction. */
export const verdicts = new PerCpuArrayMap<Cell<u64>>(8);

function count(action: TcxAction): TcxAction {
  const n = verdicts.get(action);
  if (n) n.value += 1;
  return action;
}

function identityOf(address: u32): u32 {
  const known = identities.get(address);
  return known ? known.value : 0;
}

export const policy = tcxEgress((skb) => {
  const eth = skb.at<Ethernet>(0);
  if (!eth) return count(TcxAction.Drop);
  if (eth.type == EtherType.Arp) return count(TcxAction.Pass);
  if (eth.type != EtherType.Ipv4) return count(TcxAction.Drop);
  const ip = skb.at<Ipv4>(14);
  if (!ip) return count(TcxAction.Drop);
  // A later fragment has no ports to judge by; without the first it is of no use to the pod.
  if (ip.protocol != IpProtocol.Tcp || ip.fragmentOffset != 0) return count(TcxAction.Drop);
  const tcp = skb.at<Tcp>(14 + ip.headerLength);
  if (!tcp) return count(TcxAction.Drop);
  if ((tcp.flags & (TcpFlag.Syn | TcpFlag.Ack)) != TcpFlag.Syn) return count(TcxAction.Pass);

  const rule = new Rule();
  rule.identity = identityOf(ip.saddr);
  rule.port = tcp.dport;
  rule.protocol = ip.protocol;
  const connections = rules.get(rule);
  if (connections) {
    connections.add(1);
    return count(TcxAction.Pass);
  }

  const event = denials.reserve();
  if (event) {
    event.time = monotonicTime();
    event.saddr = ip.saddr;
    event.daddr = ip.daddr;
    event.identity = rule.identity;
    event.sport = tcp.sport;
    event.dport = tcp.dport;
    denials.submit(event);
  }
  return count(TcxAction.Drop);
});
