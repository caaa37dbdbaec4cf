// Denied source prefixes, at the node's device: XDP, before the kernel makes a socket buffer.
//
// Only an accelerator of to_pod, which denies the same. What is not plainly a new TCP or UDP flow from a denied prefix to a pod of
// this node goes on to be judged there: replies to the pods' own flows, fragments, ICMP, headers with extensions, and
// everything from addresses that have an identity of their own (a prefix never matches pods and nodes).
import { EtherType, Ethernet, IpProtocol, Ipv4, Ipv6, Tcp, TcpFlag, Udp, XdpAction, XdpContext, noInline, xdp } from "ebpf-ts/std";
import { count, tellDrop } from "./events";
import { Packet, PacketKind, clear, mapped, setAddresses, setPorts, workKeys, workPackets } from "./packet";
import {
  Action, Address, Direction, DropReason, FlowKey, Host, Identity, Prefix, deniedPrefixes, flows, halfOpen, hosts,
} from "./tables";

const ETHERNET: u32 = 14;

/** Reads a TCP or UDP packet without anything between IP header and ports; false: it is none. */
function readPlain(ctx: XdpContext, key: FlowKey, packet: Packet): bool {
  noInline();
  clear(key, packet);
  const ethernet = ctx.at<Ethernet>(0);
  if (!ethernet) return false;
  let transport: u32 = ETHERNET + 40;
  if (ethernet.type == EtherType.Ipv4) {
    const ip = ctx.at<Ipv4>(ETHERNET);
    if (!ip || ip.headerLength < 20 || ip.fragmentOffset != 0 || ip.moreFragments) return false;
    setAddresses(key, Direction.Ingress, 0, mapped(ip.saddr_be), 0, mapped(ip.daddr_be));
    key.protocol = ip.protocol;
    packet.length = ETHERNET + ip.length;
    transport = ETHERNET + ip.headerLength;
  } else if (ethernet.type == EtherType.Ipv6) {
    const ip = ctx.at<Ipv6>(ETHERNET);
    if (!ip) return false;
    setAddresses(key, Direction.Ingress, ip.saddrHigh_be, ip.saddrLow_be, ip.daddrHigh_be, ip.daddrLow_be);
    key.protocol = ip.nextHeader;
    packet.length = ETHERNET + 40 + ip.payloadLength;
  } else return false;
  if (key.protocol == IpProtocol.Tcp) {
    const tcp = ctx.at<Tcp>(transport);
    if (!tcp) return false;
    packet.tcpFlags = tcp.flags;
    packet.kind = (tcp.flags & (TcpFlag.Syn | TcpFlag.Ack)) == TcpFlag.Syn ? PacketKind.Opens : PacketKind.Other;
    setPorts(key, Direction.Ingress, tcp.sport, tcp.dport);
    return true;
  }
  const udp = key.protocol == IpProtocol.Udp ? ctx.at<Udp>(transport) : null;
  if (!udp) return false;
  setPorts(key, Direction.Ingress, udp.sport, udp.dport);
  return true;
}

function hostAt(hi: u64, lo: u64): Host | null {
  const address = new Address();
  address.hi = hi;
  address.lo = lo;
  return hosts.get(address);
}

/** The rule that denies the packet, in `packet`; false: none does. */
function isDenied(key: FlowKey, packet: Packet): bool {
  const source = new Prefix();
  source.bits = 128;
  source.a = <u32>key.remoteHi;
  source.b = <u32>(key.remoteHi >> 32);
  source.c = <u32>key.remoteLo;
  source.d = <u32>(key.remoteLo >> 32);
  const rule = deniedPrefixes.get(source);
  if (!rule || hostAt(key.remoteHi, key.remoteLo)) return false;
  const pod = hostAt(key.localHi, key.localLo);
  if (!pod || pod.endpoint == 0) return false;
  packet.endpoint = pod.endpoint;
  packet.endpointIdentity = pod.identity;
  packet.identity = Identity.World;
  packet.action = Action.Deny;
  packet.reason = DropReason.Prefilter;
  packet.rule = rule.value;
  return packet.kind == PacketKind.Opens || (!flows.get(key) && !halfOpen.get(key));
}

export const prefilter = xdp((ctx) => {
  const key = workKeys.get(0);
  const packet = workPackets.get(0);
  if (!key || !packet || !readPlain(ctx, key, packet) || !isDenied(key, packet)) return XdpAction.Pass;
  count(packet, Direction.Ingress);
  tellDrop(key, packet, Direction.Ingress);
  return XdpAction.Drop;
});
