// Every header of the standard library, every accessor.
import {
  ArrayMap, Arp, Cell, EtherType, Ethernet, Icmp, IpProtocol, Ipv4, Ipv6, Tcp, TcpFlag, Udp, Vlan, XdpAction, XdpContext, ipv4, xdp,
} from "ebpf-ts/std";

export const results = new ArrayMap<Cell<u64>>(64);
function put(index: u32, value: u64): void {
  const cell = results.get(index);
  if (cell) cell.value = value;
}

function readArp(arp: Arp): XdpAction {
  put(10, arp.hardwareType); put(11, arp.protocolType); put(12, arp.operation); put(13, arp.senderIp); put(14, arp.targetIp);
  put(15, arp.senderMac); put(16, arp.targetMac); put(17, arp.hardwareLength); put(18, arp.protocolLength);
  return XdpAction.Pass;
}

function readTransport(ctx: XdpContext, protocol: u8, offset: u32): XdpAction {
  if (protocol == IpProtocol.Tcp) {
    const tcp = ctx.at<Tcp>(offset);
    if (!tcp) return XdpAction.Drop;
    put(30, tcp.sport); put(31, tcp.dport); put(32, tcp.seq); put(33, tcp.ack); put(34, tcp.headerLength); put(35, tcp.flags);
    put(36, tcp.window); put(37, tcp.checksum); put(38, tcp.urgent); put(39, <u64>((tcp.flags & TcpFlag.Syn) != 0));
    tcp.dport = tcp.dport + 1;
    return XdpAction.Pass;
  }
  if (protocol == IpProtocol.Udp) {
    const udp = ctx.at<Udp>(offset);
    if (!udp) return XdpAction.Drop;
    put(40, udp.sport); put(41, udp.dport); put(42, udp.length); put(43, udp.checksum);
    udp.sport = 53;
    return XdpAction.Pass;
  }
  const icmp = ctx.at<Icmp>(offset);
  if (!icmp) return XdpAction.Drop;
  put(44, icmp.type); put(45, icmp.code); put(46, icmp.checksum); put(47, icmp.id); put(48, icmp.sequence);
  return XdpAction.Tx;
}

export const run = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  if (!eth) return XdpAction.Aborted;
  put(0, eth.dst); put(1, eth.src); put(2, eth.type);
  let offset: u32 = 14;
  let type = eth.type;
  if (type == EtherType.Vlan) {
    const vlan = ctx.at<Vlan>(14);
    if (!vlan) return XdpAction.Drop;
    put(3, vlan.id); put(4, vlan.priority);
    type = vlan.type;
    offset = 18;
  }
  if (type == EtherType.Arp) {
    const arp = ctx.at<Arp>(offset);
    return arp ? readArp(arp) : XdpAction.Drop;
  }
  if (type == EtherType.Ipv4) {
    const ip = ctx.at<Ipv4>(offset);
    if (!ip) return XdpAction.Drop;
    put(5, ip.version); put(6, ip.headerLength); put(7, ip.dscp); put(8, ip.ecn); put(9, ip.length);
    put(19, ip.id); put(20, ip.fragmentOffset); put(21, ip.moreFragments); put(22, ip.dontFragment); put(23, ip.checksum);
    put(24, ip.saddr); put(25, ip.daddr); put(26, ip.ttl);
    if (ip.saddr == ipv4(10, 0, 0, 1)) ip.daddr = ipv4(192, 168, 1, 1);
    return readTransport(ctx, ip.protocol, offset + ip.headerLength);
  }
  if (type == EtherType.Ipv6) {
    const ip = ctx.at<Ipv6>(offset);
    if (!ip) return XdpAction.Drop;
    put(49, ip.version); put(50, ip.trafficClass); put(51, ip.flowLabel); put(52, ip.payloadLength); put(53, ip.hopLimit);
    put(54, ip.saddrHigh); put(55, ip.saddrLow); put(56, ip.daddrHigh); put(57, ip.daddrLow);
    return readTransport(ctx, ip.nextHeader, offset + 40);
  }
  const swapped = eth.dst;
  eth.dst = eth.src;
  eth.src = swapped;
  eth.type = 0x1234;
  return XdpAction.Redirect;
});
